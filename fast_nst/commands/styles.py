"""`fast-nst styles`: lists the styles, keeps the user's own, or stylizes a photograph in each."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fast_nst.commands.own_styles import add, remove, show
from fast_nst.commands.progress import Progress
from fast_nst.commands.shared import quality_option, refuse_existing
from fast_nst.commands.table import aligned
from fast_nst.engines.engine import threads_option
from fast_nst.errors import UserError
from fast_nst.options import check, option, parse_flags, positional
from fast_nst.pictures.edit import resize_longest
from fast_nst.pictures.read import open_image
from fast_nst.pictures.write import check_writable_format, save_image
from fast_nst.stylize.gallery import (
    Sheet,
    Style,
    blend_sheet,
    gallery_sheet,
    strength_sheet,
    styles,
)

# A photograph of that name is given as ./add.
SUBCOMMANDS = {"add": add, "remove": remove, "show": show}
_FORMS = (
    "Your own styles: 'fast-nst styles add FILE', 'remove NAME', 'show NAME'; each has its --help."
)


@dataclass
class StylesOptions:
    """Options of `fast-nst styles`."""

    photo: str | None = positional(
        "photograph to stylize in all styles of the package", "PHOTO", None
    )
    output: str | None = option(
        "output image for the contact sheet (required with PHOTO)", None, "-o", metavar="OUT"
    )
    strengths: str | None = option(
        "show this style only, at strengths from 0 to 1.5; a name or an .onnx file",
        None,
        metavar="NAME",
    )
    blend: list[str] = option(
        "show blends of two styles: --blend udnie the_scream",
        [],
        metavar="NAME",
        commas=True,
    )
    size: int = option("longer side of each painting, in px", 640, metavar="PX", least=1, most=4096)
    threads: int | None = threads_option()
    quality: int = quality_option()
    overwrite: bool = option("overwrite an existing output file", False)
    json: bool = option("print the list as JSON", False)
    quiet: bool = option("print nothing but the list and errors", False, "-q")

    def __post_init__(self) -> None:
        """Validate the options.

        Raises:
            UserError: A value is out of range, or options are missing or exclude each other.
        """
        check(self)
        if self.photo is not None and not self.output:
            raise UserError("no output: add -o sheet.png")
        if self.output is not None and self.photo is None:
            raise UserError("no photograph: fast-nst styles PHOTO -o sheet.png")
        if self.strengths is not None and self.blend:
            raise UserError("--strengths and --blend exclude each other: give one of them")
        if self.blend and len(self.blend) != 2:
            raise UserError(
                f"--blend takes two styles and got {len(self.blend)}: put the photograph before it"
            )
        if self.photo is None and (self.strengths is not None or self.blend):
            flag = "--blend A B" if self.blend else "--strengths NAME"
            raise UserError(f"no photograph: fast-nst styles PHOTO {flag} -o strip.png")


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Print the list of styles, write a contact sheet, or run one of the `SUBCOMMANDS`.

    Raises:
        UserError: An option is invalid, the photograph cannot be read, or the output exists or is
            not writable.
    """
    if argv and argv[0] in SUBCOMMANDS:
        return SUBCOMMANDS[argv[0]](argv[1:], f"{prog} {argv[0]}")
    options = parse_flags(StylesOptions, argv, prog, f"{description} {_FORMS}")
    if options.photo is None or options.output is None:
        found = styles()
        listed = [{**asdict(style), "path": str(style.path)} for style in found]
        print(json.dumps(listed, indent=2) if options.json else table(found))
        return 0
    target = Path(options.output)
    check_writable_format(target)
    if not options.overwrite:
        refuse_existing(target)
    photo = resize_longest(open_image(options.photo), options.size)
    with Progress(options.quiet, unit="style") as progress:
        sheet = _sheet(options).draw(photo, height=photo.height, on_progress=progress.update)
    save_image(sheet, target, options.quality)
    if not options.quiet:
        print(f"wrote {options.output}", file=sys.stderr)
    return 0


def _sheet(options: StylesOptions) -> Sheet:
    if options.strengths is not None:
        return strength_sheet(options.strengths, options.threads)
    if options.blend:
        first, second = options.blend
        return blend_sheet(first, second, options.threads)
    return gallery_sheet(options.threads)


def table(rows: Sequence[Style]) -> str:
    """Format the list as a table, one row a style."""
    cells = [("name", "title", "artist", "year", "licence", "from", "size")]
    for s in rows:
        size = f"{s.size / 1000:.0f} kB"
        cells.append((s.name, s.title, s.artist, s.year, s.licence, s.source, size))
    return aligned(cells)
