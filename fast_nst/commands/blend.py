"""`fast-nst blend`: writes a blend of styles as a model file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fast_nst.commands.shared import blend_of, refuse_existing, strength_option
from fast_nst.errors import UserError
from fast_nst.files import write_atomically
from fast_nst.models.graphs import mix
from fast_nst.models.model import Model
from fast_nst.options import check, option, parse_flags, positional
from fast_nst.stylize.painting import FADE_BELOW
from fast_nst.stylize.stylizer import Stylizer


@dataclass
class BlendOptions:
    """Options of `fast-nst blend`."""

    styles: list[str] = positional(
        "styles by name or .onnx file, each with its weight: starry_night:0.6 the_scream:0.4",
        metavar="NAME[:WEIGHT]",
    )
    output: str | None = option("output .onnx file (required)", None, "-o", metavar="OUT")
    # Lower strengths fade to the photograph, which a network alone cannot do.
    strength: float = strength_option(least=FADE_BELOW)
    overwrite: bool = option("overwrite an existing output file", False)
    quiet: bool = option("print nothing but errors", False, "-q")

    def __post_init__(self) -> None:
        """Validate the options.

        Raises:
            UserError: A weight or the strength is out of range, or `output` is missing or does not
                end in ".onnx".
        """
        check(self)
        self.blend  # noqa: B018, checks the weights
        if not self.output:
            raise UserError("no output: add -o mix.onnx")
        if Path(self.output).suffix.lower() != ".onnx":
            raise UserError(f"{self.output!r} does not end in .onnx: name the model file so")

    @property
    def blend(self) -> dict[str, float]:
        """Style -> weight."""
        return blend_of(self.styles, "NAME")


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Blend the styles and write the model.

    Raises:
        UserError: An option is invalid, a model is missing or cannot be blended with the others,
            or the output exists or is not writable.
    """
    options = parse_flags(BlendOptions, argv, prog, description)
    assert options.output is not None
    target = Path(options.output)
    if not options.overwrite:
        refuse_existing(target)
    data = mix(Model.read(options.blend).parts, options.strength)
    title = Stylizer(data).metadata["title"]  # also checks that the model loads
    write_atomically(target, data)
    if not options.quiet:
        print(f"wrote {target}: {title}, strength {options.strength:g}", file=sys.stderr)
    return 0
