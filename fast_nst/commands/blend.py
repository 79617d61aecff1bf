"""`fast-nst blend`: styles mixed into a model file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fast_nst.commands.shared import blend_of, strength_option
from fast_nst.errors import UserError
from fast_nst.files import write_atomically
from fast_nst.models.graphs import mix
from fast_nst.models.model import parts_of
from fast_nst.options import check, option, parse_flags, positional
from fast_nst.stylize.folder import refuse_existing
from fast_nst.stylize.strength import FADE_BELOW
from fast_nst.stylize.stylizer import Stylizer


@dataclass
class BlendOptions:
    """What `fast-nst blend` can be told; its flags are made from these fields."""

    styles: list[str] = positional(
        "styles' names or .onnx files, each with its share: starry_night:0.6 the_scream:0.4",
        metavar="NAME[:SHARE]",
    )
    output: str | None = option("the .onnx file to write", None, "-o", metavar="OUT")
    # A file has no photograph to bring in below that: it holds the network alone.
    strength: float = strength_option(least=FADE_BELOW)
    overwrite: bool = option("replace the output file if it exists", False)
    quiet: bool = option("print nothing but errors", False, "-q")

    def __post_init__(self) -> None:
        """Refuse what can be refused without looking at a file.

        Raises:
            UserError: A value is out of its range, or missing.
        """
        check(self)
        self.blend  # noqa: B018, it raises what is wrong with the shares
        if not self.output:
            raise UserError("no output: add -o mix.onnx")
        if Path(self.output).suffix.lower() != ".onnx":
            raise UserError(f"{self.output!r} does not end in .onnx: name the model file so")

    @property
    def blend(self) -> dict[str, float]:
        """The styles with their shares."""
        return blend_of(self.styles, "NAME")


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Mix what the command line names.

    Raises:
        UserError: Something cannot be mixed, or the file not be written.
    """
    options = parse_flags(BlendOptions, argv, prog, description)
    assert options.output is not None
    target = Path(options.output)
    if not options.overwrite:
        refuse_existing(target)
    data = mix(parts_of(options.blend), options.strength)
    title = Stylizer(data).metadata["title"]  # and it can be loaded
    write_atomically(target, data)
    if not options.quiet:
        print(f"wrote {target}: {title}, strength {options.strength:g}", file=sys.stderr)
    return 0
