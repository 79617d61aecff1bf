"""What people read of the artifacts that an export has measured."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from fast_nst.training.artifacts import MEASURES, faults


def report_artifacts(values: Mapping[str, float]) -> None:
    """One line of numbers, and a warning for each that a stranger would see in the paintings."""
    shown = (f"{name} {values[name]:g} of {MEASURES[name].limit:g}" for name in values)
    print(f"artifacts, of what passes: {', '.join(shown)}")
    for fault in faults(values):
        print(f"WARNING: {fault}: look at the pictures before you use them", file=sys.stderr)
