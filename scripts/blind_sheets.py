"""Compare two galleries blind: pairs of paintings with the sides at random, and a key apart.

    python scripts/blind_sheets.py make --old DIR --new DIR --paintings DIR \
        --key FILE -o DIR PHOTO...
    python scripts/blind_sheets.py count --key FILE ANSWERS...

`make` paints each photograph in each style that both folders have, once with either model, and
writes a sheet a pair: the photograph and the painting above, the two results below, at full size.
The key, which judges do not see, says which side is the new gallery's.

A judge's answers are a text file with a line a sheet: `SHEET left|right` and any words. `count`
prints, per style and in all, how many sheets the new gallery wins by the majority of the judges,
and the words about each sheet that it loses.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from fast_nst.assets import SAMPLE_STYLE
from fast_nst.commands.process import TerminationSignals
from fast_nst.commands.progress import Progress
from fast_nst.errors import UserError, one_line
from fast_nst.files import check_writable, make_folder, write_atomically
from fast_nst.pictures.edit import flatten
from fast_nst.pictures.read import open_photograph
from fast_nst.pictures.write import save_image
from fast_nst.stylize.stylizer import Stylizer

SIDES = ("left", "right")
OF_SAMPLE = "evening"  # the style of the sample painting, which is in the package
SMALL = 256  # px, height of photograph and painting above the pair
GAP = 8  # px


def sheet(above: Sequence[Image.Image], below: Sequence[Image.Image]) -> Image.Image:
    """Two rows on white: the first scaled to a height of `SMALL`, the second pixel for pixel."""
    small = [image.resize((image.width * SMALL // image.height, SMALL)) for image in above]
    rows = [small, list(below)]
    width = max(sum(image.width + GAP for image in row) for row in rows) + GAP
    height = sum(max(image.height for image in row) + GAP for row in rows) + GAP
    drawn = Image.new("RGB", (width, height), "white")
    top = GAP
    for row in rows:
        left = GAP
        for image in row:
            drawn.paste(flatten(image), (left, top))
            left += image.width + GAP
        top += max(image.height for image in row) + GAP
    return drawn


def common_styles(old: Path, new: Path) -> list[str]:
    """The names of the models that both folders have.

    Raises:
        UserError: There are none.
    """
    names = sorted(
        {path.stem for path in old.glob("*.onnx")} & {p.stem for p in new.glob("*.onnx")}
    )
    if not names:
        raise UserError(f"{old} and {new} have no model (NAME.onnx) of the same name")
    return names


def make(options: argparse.Namespace) -> int:
    """Paint the pairs, and write sheets and key.

    Raises:
        UserError: An input cannot be used, an output cannot be written, or two photographs would
            have sheets of one name.
    """
    names = common_styles(options.old, options.new)
    photos = {path.stem.replace(" ", "_"): path for path in options.photos}
    if len(photos) < len(options.photos):
        raise UserError("two photographs have the same name: rename one")
    check_writable(options.key)
    make_folder(options.output)
    generator = random.Random(options.seed)
    key = {
        f"{name}_{photo}": {"style": name, "new": generator.choice(SIDES)}
        for name in names
        for photo in photos
    }
    write_atomically(options.key, (json.dumps(key, indent=1) + "\n").encode())
    done = 0
    with TerminationSignals() as signals, Progress(unit="sheet") as progress:
        for name in names:
            old, new = (Stylizer(folder / f"{name}.onnx") for folder in (options.old, options.new))
            file = SAMPLE_STYLE if name == OF_SAMPLE else options.paintings / f"{name}.jpg"
            painting = open_photograph(file)
            for stem, path in photos.items():
                photo, sheet_name = open_photograph(path, options.size), f"{name}_{stem}"
                pair = [old(photo), new(photo)]
                if key[sheet_name]["new"] == "left":
                    pair.reverse()
                save_image(sheet([photo, painting], pair), options.output / f"{sheet_name}.png")
                done += 1
                if progress.update(done, len(key), name, {}):
                    return signals.exit_code(130)
    print(f"wrote {len(key)} sheets to {options.output}, and their key to {options.key}")
    return 0


def read_text(path: Path) -> str:
    """A file of text.

    Raises:
        UserError: It is missing, or no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {one_line(error)}") from error


def read_key(path: Path) -> dict[str, dict[str, str]]:
    """The style and the new gallery's side of each sheet.

    Raises:
        UserError: It is no key that `make` has written.
    """
    try:
        key = {
            str(name): {"style": str(of["style"]), "new": str(of["new"])}
            for name, of in json.loads(read_text(path)).items()
        }
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise UserError(f"{path} is no key of sheets: give the one that make wrote") from error
    return key


def read_answers(path: Path, key: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[str, str]]:
    """A judge's side and words for each sheet.

    Raises:
        UserError: A line has another form or names no sheet, or a sheet has no line.
    """
    answers: dict[str, tuple[str, str]] = {}
    for line in filter(str.strip, read_text(path).splitlines()):
        name, side, words = [*line.split(maxsplit=2), "", ""][:3]
        if name not in key or side not in SIDES:
            raise UserError(f"{path} has the line {line!r}: give SHEET left|right and any words")
        answers[name] = side, words
    missing = sorted(set(key) - set(answers))
    if missing:
        raise UserError(f"{path} says nothing of {len(missing)} sheets, as {missing[0]}")
    return answers


def count(options: argparse.Namespace) -> int:
    """Print what the new gallery wins, and the words about what it loses."""
    key = read_key(options.key)
    judges = [read_answers(path, key) for path in options.answers]
    votes = {
        name: sum(answers[name][0] == of["new"] for answers in judges) for name, of in key.items()
    }
    won = {name: 2 * new > len(judges) for name, new in votes.items()}
    styles: dict[str, list[bool]] = {}
    for name, win in won.items():
        styles.setdefault(key[name]["style"], []).append(win)
    for style, wins in styles.items():
        print(f"{style}: {sum(wins)} of {len(wins)}")
    print(f"the new gallery wins {sum(won.values())} of {len(won)} sheets")
    for name in [name for name, win in won.items() if not win]:
        said = "; ".join(answers[name][1] for answers in judges if answers[name][1])
        print(f"{name}: {votes[name]} of {len(judges)}: {said}")
    return 0


def main() -> int:
    """Make the sheets, or count the answers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    makes = commands.add_parser("make", help="paint the pairs")
    makes.set_defaults(run=make)
    makes.add_argument("--old", type=Path, required=True, metavar="DIR", help="of models")
    makes.add_argument("--new", type=Path, required=True, metavar="DIR", help="of models")
    makes.add_argument("--paintings", type=Path, required=True, metavar="DIR")
    makes.add_argument("--key", type=Path, required=True, metavar="FILE", help="not for judges")
    makes.add_argument(
        "--size", type=int, default=640, metavar="PX", help="longer side; default 640"
    )
    makes.add_argument("--seed", type=int, metavar="N", help="of the sides; default: none")
    makes.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    makes.add_argument("photos", type=Path, nargs="+", metavar="PHOTO")
    counts = commands.add_parser("count", help="count the judges' answers")
    counts.set_defaults(run=count)
    counts.add_argument("--key", type=Path, required=True, metavar="FILE")
    counts.add_argument("answers", type=Path, nargs="+", metavar="ANSWERS")
    options = parser.parse_args()
    try:
        return int(options.run(options))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
