"""Reports of the image defects that an export has measured."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from fast_nst.training.defects import MEASURES, faults


def report_defects(values: Mapping[str, float], quiet: bool = False) -> None:
    """Print the measures on one line, and a warning on standard error for each visible defect.

    Args:
        values: The measures.
        quiet: Print the warnings only.
    """
    shown = []
    for name, value in values.items():
        limit = MEASURES[name].limit()
        shown.append(f"{name} {value:g} ({limit})" if limit else f"{name} {value:g}")
    if not quiet:
        print(f"defects, and what passes: {', '.join(shown)}")
    for fault in faults(values):
        print(f"WARNING: {fault}", file=sys.stderr)
