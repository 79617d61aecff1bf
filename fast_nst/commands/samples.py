"""`fast-nst samples`: copies the package's sample images into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fast_nst.assets import REFERENCE_PHOTOGRAPHS, SAMPLE_STYLE
from fast_nst.commands.shell import command_line
from fast_nst.errors import UserError
from fast_nst.files import write_atomically
from fast_nst.options import check, option, parse_flags, positional

_PAINTING = "sample_painting.jpg"
# Name of the copy -> the file in the package.
_SAMPLES = {**{path.name: path for path in REFERENCE_PHOTOGRAPHS}, _PAINTING: SAMPLE_STYLE}


@dataclass
class SamplesOptions:
    """Options of `fast-nst samples`."""

    folder: str = positional("folder to copy into", "FOLDER", ".")
    overwrite: bool = option("overwrite files of these names that differ", False)

    def __post_init__(self) -> None:
        """Validate the options.

        Raises:
            UserError: A value has the wrong type.
        """
        check(self)


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Copy the samples, and print the next commands to try.

    Raises:
        UserError: A file has the name of a sample and another content, which is checked before
            anything is copied; or the folder is not writable.
    """
    options = parse_flags(SamplesOptions, argv, prog, description)
    folder = Path(options.folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{options.folder!r} is a file: give a folder")
    targets = {folder / name: source.read_bytes() for name, source in _SAMPLES.items()}
    existing = {path for path, data in targets.items() if path.exists() and not _holds(path, data)}
    if existing and not options.overwrite:
        names = ", ".join(str(path) for path in sorted(existing))
        raise UserError(f"{names}: other files of these names exist; add --overwrite or a FOLDER")
    for path, data in targets.items():
        if path.exists() and path not in existing:
            print(f"{path} (already there)")
            continue
        write_atomically(path, data)
        print(path)
    paint = ("fast-nst", "infer", str(folder / "astronaut.jpg"), "-o", "painting.jpg")
    train = ("fast-nst", "train", "--style", str(folder / _PAINTING))
    print(f"Paint a photograph:  {command_line(paint)}")
    print(f"Train a style:       {command_line(train)}")
    return 0


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data
