"""Files that are written whole or not at all, in places that are known to take them."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from fast_nst.errors import UserError


def _temporary(target: Path) -> Path:
    return target.with_name(f".{secrets.token_hex(6)}.part")


@contextlib.contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A name beside `path` to write under; what is there in the end is renamed to `path`.

    After an error it is deleted, and `path` stays as it was.

    Raises:
        UserError: The place cannot be written.
    """
    check_place(path)
    target = Path(path)
    if target.is_dir():
        raise UserError(f"cannot write {str(target)!r}: it is a folder")
    temporary = _temporary(target)
    try:
        yield temporary
        temporary.replace(target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write beside `path` and rename, so that it never holds half of `data`.

    Raises:
        UserError: The place cannot be written.
    """
    target = Path(path)
    temporary = _temporary(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise UserError(f"cannot write {str(target)!r}: it is a folder")
        temporary.write_bytes(data)
        temporary.replace(target)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if isinstance(error, UserError):
            raise
        raise UserError(f"cannot write {str(target)!r}: {reason}") from error
    finally:
        with contextlib.suppress(OSError, ValueError):
            temporary.unlink(missing_ok=True)


def check_place(path: str | os.PathLike[str]) -> None:
    """Make sure, before hours of work, that a file can be written.

    Args:
        path: Where; its folder is made if missing.

    Raises:
        UserError: It cannot.
    """
    target = Path(path)
    temporary = _temporary(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        temporary.unlink()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(f"cannot write {str(target)!r}: {reason}") from error


def free_folder(base: Path) -> Path:
    """`base`, or the first of `base`-2, `base`-3, ... that is not there or empty."""
    folder, number = base, 2
    while folder.exists() and any(folder.iterdir()):
        folder, number = base.with_name(f"{base.name}-{number}"), number + 1
    return folder


def free_file(path: Path) -> Path:
    """`path`, or the first of NAME-2, NAME-3, ... with its suffix that is not there."""
    found, number = path, 2
    while found.exists():
        found, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1
    return found


def make_folder(folder: Path) -> None:
    """Make a folder, unless it is there, that files can be put into.

    Raises:
        UserError: That cannot be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {str(folder)!r}: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"cannot write to {str(folder)!r}: give another --out")
