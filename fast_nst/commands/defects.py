"""Reports of the image defects that an export has measured."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from fast_nst.training.defects import MEASURES, faults


def measured(values: Mapping[str, float]) -> str:
    """The measures and their limits, on one line."""
    shown = []
    for name, value in values.items():
        limit = MEASURES[name].limit() if name in MEASURES else ""
        shown.append(f"{name} {value:g} ({limit})" if limit else f"{name} {value:g}")
    return ", ".join(shown)


def report_defects(values: Mapping[str, float], quiet: bool = False) -> None:
    """Print the measures on one line, and a warning on standard error for each visible defect.

    Args:
        values: The measures.
        quiet: Print the warnings only.
    """
    if not quiet:
        print(f"defects, and what passes: {measured(values)}")
    for fault in faults(values):
        print(f"WARNING: {fault}", file=sys.stderr)
