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
    """The options of `fast-nst export`."""

    source: str = positional(
        "training checkpoint, for example runs/x/best.ckpt; or an exported model, to rewrite it "
        "with the current graph",
        metavar="CHECKPOINT",
    )
    output: str = option("the .onnx file to write", MISSING, "-o", metavar="MODEL")

    def __post_init__(self) -> None:
        """Check the values, without opening a file.

        Raises:
            UserError: A value has the wrong type.
        """
        check(self)


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Export a checkpoint, and print how to use the model."""
    options = parse(ExportOptions, argv, prog, description)
    report_defects(export(options.source, options.output))
    print(f"wrote {options.output}; try: fast-nst infer PHOTO -m {options.output} -o painting.jpg")
    return 0
