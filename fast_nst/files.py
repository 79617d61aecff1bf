"""Files that are written whole or not at all, in places that are known to take them."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from fast_nst.errors import UserError

_TEMPORARY = re.compile(r"\.[0-9a-f]{12}\.part")
_LEFT_OVER = 24 * 60 * 60  # s since the last write to it; then whoever wrote it was killed


def _temporary(target: Path) -> Path:
    _clear(target.parent)
    return target.with_name(f".{secrets.token_hex(6)}.part")


@functools.lru_cache(maxsize=1000)  # once in a process: a folder may have many files
def _clear(folder: Path) -> None:
    """Delete the temporary files that killed runs have left in a folder."""
    oldest = time.time() - _LEFT_OVER
    with contextlib.suppress(OSError, ValueError), os.scandir(folder) as entries:
        for entry in entries:
            if _TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    if entry.stat().st_mtime < oldest:
                        Path(entry).unlink()


def _followed(path: str | os.PathLike[str]) -> Path:
    """The file that a path leads to, which is the one to write.

    Raises:
        UserError: It is something else, which a rename would replace.
    """
    target = Path(os.path.realpath(path) if Path(path).is_symlink() else path)
    if target.is_dir():
        raise UserError(f"cannot write {os.fspath(path)!r}: it is a folder")
    if target.is_symlink():
        raise UserError(f"cannot write {os.fspath(path)!r}: it is a link that leads to itself")
    if target.exists() and not target.is_file():
        raise UserError(f"cannot write {os.fspath(path)!r}: it is a pipe or a device")
    return target


def _rename(temporary: Path, target: Path) -> None:
    """Put a file in another's place, with its owner and mode."""
    with contextlib.suppress(OSError):  # nothing is there
        former = target.stat()
        if hasattr(os, "chown"):
            with contextlib.suppress(OSError):  # only root gives files away
                os.chown(temporary, former.st_uid, former.st_gid)
        temporary.chmod(stat.S_IMODE(former.st_mode))
    temporary.replace(target)


@contextlib.contextmanager
def _told(path: str | os.PathLike[str]) -> Iterator[None]:
    """Say in one line why a place cannot be written."""
    try:
        yield
    except UserError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(f"cannot write {os.fspath(path)!r}: {reason}") from error


@contextlib.contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A name beside `path` to write under; what is there in the end is renamed to `path`.

    After an error it is deleted, and `path` stays as it was. A link is followed, and a file that
    is replaced leaves its mode and owner to the new one.

    Raises:
        UserError: The place cannot be written.
    """
    check_place(path)
    target = _followed(path)
    temporary = _temporary(target)
    try:
        yield temporary
        _rename(temporary, target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write as `written_whole` does, so that `path` never holds half of `data`.

    Raises:
        UserError: The place cannot be written.
    """
    with _told(path), written_whole(path) as temporary:
        temporary.write_bytes(data)


def check_place(path: str | os.PathLike[str]) -> None:
    """Make sure, before hours of work, that a file can be written.

    Args:
        path: Where; its folder is made if missing.

    Raises:
        UserError: It cannot.
    """
    with _told(path):
        target = _followed(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary(target)
        temporary.touch()
        temporary.unlink()


def claim_folder(base: Path) -> Path:
    """Make `base`, or the first of `base`-2, `base`-3, ... that is not there.

    Two processes that ask at once get a folder each.

    Raises:
        UserError: None can be made.
    """
    make_folder(base.parent)
    folder, number = base, 2
    while True:
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            folder, number = base.with_name(f"{base.name}-{number}"), number + 1
        except OSError as error:
            raise _not_made(folder, error) from error


def claim_file(path: Path) -> Path:
    """Make an empty `path`, or the first of NAME-2, NAME-3, ... with its suffix not there.

    Two processes that ask at once get a file each.
    """
    found, number = path, 2
    while True:
        try:
            found.touch(exist_ok=False)
            return found
        except FileExistsError:
            found, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1


def make_folder(folder: Path) -> None:
    """Make a folder, unless it is there, that files can be put into.

    Raises:
        UserError: That cannot be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_made(folder, error) from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"cannot write to {str(folder)!r}: give another --out")


def _not_made(folder: Path, error: OSError) -> UserError:
    return UserError(f"cannot make the folder {str(folder)!r}: {error.strerror}")
