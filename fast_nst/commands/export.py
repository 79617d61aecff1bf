"""`fast-nst export`: a training checkpoint becomes a model file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass

from fast_nst.commands.defects import report_defects
from fast_nst.commands.parsing import parse
from fast_nst.options import check, option, positional
from fast_nst.training.export import export


@dataclass
class ExportOptions:
    """What `fast-nst export` can be told; its flags are made from these fields."""

    source: str = positional(
        "for example runs/x/best.ckpt; or an exported model, to write it with today's graph",
        metavar="CHECKPOINT",
    )
    output: str = option("the .onnx file to write", MISSING, "-o", metavar="MODEL")

    def __post_init__(self) -> None:
        """Refuse what can be refused without looking at a file.

        Raises:
            UserError: A value cannot be one.
        """
        check(self)


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Export what the command line says, and say how to use it."""
    options = parse(ExportOptions, argv, prog, description)
    report_defects(export(options.source, options.output))
    print(f"wrote {options.output}; try: fast-nst infer PHOTO -m {options.output} -o painting.jpg")
    return 0
