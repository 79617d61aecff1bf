"""The styles in the user's folder: add, remove and install them."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fast_nst.assets import LIVE_STYLES, STYLES
from fast_nst.errors import UserError, choose
from fast_nst.files import make_folder, write_atomically
from fast_nst.models.home import own_style_paths, own_styles
from fast_nst.models.model import Model
from fast_nst.models.onnx_fields import read_metadata

MAX_NAME = 60  # characters, of up to four bytes in the file's name
_NAME = re.compile(r"\w[\w-]*")
_PORTS = (f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))
_RESERVED = {"con", "prn", "aux", "nul", *_PORTS}  # on Windows, whatever the suffix


@dataclass(frozen=True)
class Installed:
    """A run's model in the user's folder.

    Attributes:
        path: The file, whose stem is the style's name.
        is_replacement: Whether it replaced an earlier model of the same style image.
        reason: Why it has another name than the run's style; "" if it has not.
    """

    path: Path
    is_replacement: bool
    reason: str

    @property
    def name(self) -> str:
        """The style's name."""
        return self.path.stem


def name_of(title: str) -> str:
    """A name made of a title: its letters and digits, in lower case, and underscores.

    Returns:
        At most `MAX_NAME` characters; "" if the title has no letter or digit.
    """
    name = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", title).lower()).strip("_")
    return name[:MAX_NAME].strip("_")


def add_style(
    file: str | os.PathLike[str], name: str | None = None, *, overwrite: bool = False
) -> Path:
    """Copy a model into the user's folder, where its name finds it.

    Args:
        file: An .onnx file, or the name of a run.
        name: The style's name: letters, digits, underscores and hyphens; default: made of the title
            in the file, or else of the file's name.
        overwrite: Replace the user's style of that name.

    Returns:
        The file in the user's folder.

    Raises:
        UserError: The file is not a fast_nst model; the name cannot be used, is that of a style in
            the package, or is taken; or the folder is not writable.
    """
    from fast_nst.models.graphs import check_model  # imports onnx

    part = Model.read(file).parts[0]
    check_model(part.data, part.name)
    if name is None:
        name = name_of(part.metadata.get("title", "")) or name_of(Path(file).stem)
    _check_name(name)
    if _is_shipped(name):
        raise UserError(f"{name!r} is a style in the package: choose another with name", "name")
    taken = _own(name)
    if taken is not None and not overwrite:
        raise UserError(
            f"you have a style {taken.stem!r}: choose another with name, or add overwrite=True to "
            "replace it",
            "name",
            "overwrite",
        )
    return _write(taken or _path(name), part.data)


def install_style(file: Path, name: str, *, replaces: bool = True) -> Installed:
    """Copy a run's model into the user's folder, under the style's name or else a free one.

    A style of that name that was trained on the same style image is replaced. If the name is that
    of another style, or of one in the package, the first free one of NAME-2, NAME-3, ... is taken.

    Args:
        file: The model.
        name: The style's name; what cannot be part of a name becomes underscores.
        replaces: Whether it may replace the style that was trained on the same image.

    Raises:
        UserError: It would replace a style and may not; the model cannot be read; or the folder is
            not writable.
    """
    data = Model.read(file).parts[0].data
    image = read_metadata(data).get("style_sha256")
    if not _is_valid(name):
        name = name_of(name)
        name = name if _is_valid(name) else f"style_{name}".rstrip("_")
    free, reason = free_name(name, is_taken), ""
    for word in itertools.takewhile(lambda word: word != free, _numbered(name)):
        taken = _own(word)
        if taken is None or _is_shipped(word):
            reason = reason or f"{word!r} is a style in the package"
        elif image and _image_of(taken) == image:
            if not replaces:
                raise UserError(
                    f"your style {taken.stem!r} is kept, since this training was stopped early; to "
                    f"replace it: fast-nst styles add {file} --name {taken.stem} --overwrite"
                )
            return Installed(_write(taken, data), True, reason)
        else:
            reason = reason or f"{taken.stem!r} is another style of yours"
    return Installed(_write(_path(free), data), False, reason)


def free_name(name: str, is_taken: Callable[[str], bool]) -> str:
    """The first name of NAME, NAME-2, NAME-3, ... that is not taken."""
    return next(word for word in _numbered(name) if not is_taken(word))


def is_taken(name: str) -> bool:
    """Whether the package or the user's folder has a file of this name, in whatever case."""
    return _is_shipped(name) or _own(name) is not None


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{number}" for number in itertools.count(2))


def remove_style(name: str) -> Path:
    """Remove a style from the user's folder; returns what was its file.

    Raises:
        UserError: The user has no style of this name, or it cannot be removed.
    """
    path = own_style(name)
    try:
        path.unlink()
    except OSError as error:
        raise UserError(f"cannot remove {str(path)!r}: {error.strerror}") from error
    return path


def own_style(name: str) -> Path:
    """The file of a style in the user's folder.

    Raises:
        UserError: There is none of this name; the message lists the user's styles.
    """
    files = {path.stem: path for path in own_style_paths()}
    if name not in files and _is_shipped(name):
        raise UserError(f"{name!r} is a style in the package, and not one of yours")
    if not files:
        raise UserError(f"no style {name!r}: there are none in {str(own_styles())!r}")
    return files[choose("style of yours", name, files)]


def _check_name(name: str) -> None:
    if not _is_valid(name):
        raise UserError(
            f"name is {name!r}: give letters, digits, _ and -, {MAX_NAME} at most, which Windows "
            "does not reserve",
            "name",
        )


def _is_valid(name: str) -> bool:
    is_short = len(name) <= MAX_NAME
    return is_short and bool(_NAME.fullmatch(name)) and name.casefold() not in _RESERVED


# Windows and macOS do not tell "Wave" from "wave".
def _is_shipped(name: str) -> bool:
    files = (path for folder in (STYLES, LIVE_STYLES) for path in folder.glob("*.onnx"))
    return any(path.stem.casefold() == name.casefold() for path in files)


def _own(name: str) -> Path | None:
    found = (path for path in own_style_paths() if path.stem.casefold() == name.casefold())
    return next(found, None)


def _image_of(path: Path) -> str | None:
    with contextlib.suppress(OSError):  # whatever it is, it stays
        return read_metadata(path.read_bytes()).get("style_sha256")
    return None


def _path(name: str) -> Path:
    return own_styles() / f"{name}.onnx"


def _write(path: Path, data: bytes) -> Path:
    make_folder(path.parent)
    write_atomically(path, data)
    return path
