"""`fast-nst export`: a training checkpoint becomes a model file."""

from __future__ import annotations

from collections.abc import Sequence

from fast_nst.commands.defects import report_defects
from fast_nst.commands.parsing import parse
from fast_nst.commands.training_options import ExportOptions
from fast_nst.training.export import export


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Export a checkpoint, and print how to use the model."""
    options = parse(ExportOptions, argv, prog, description)
    report_defects(export(options.source, options.output), options.quiet)
    if not options.quiet:
        command = f"fast-nst infer PHOTO -m {options.output} -o painting.jpg"
        print(f"wrote {options.output}; try: {command}")
    return 0
