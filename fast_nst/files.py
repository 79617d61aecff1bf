"""Atomic writes, and checks that a path is writable."""

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
_STALE = 24 * 60 * 60  # s since the last write, after which the writer has been killed


def _temporary(target: Path) -> Path:
    _remove_stale(target.parent)
    return target.with_name(f".{secrets.token_hex(6)}.part")


@functools.lru_cache(maxsize=1000)  # once per process: the folder may hold many files
def _remove_stale(folder: Path) -> None:
    """Delete temporary files that killed processes have left in a folder."""
    oldest = time.time() - _STALE
    with contextlib.suppress(OSError, ValueError), os.scandir(folder) as entries:
        for entry in entries:
            if _TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    if entry.stat().st_mtime < oldest:
                        Path(entry).unlink()


def _resolve(path: str | os.PathLike[str]) -> Path:
    """Follow a symbolic link to the file to write.

    Raises:
        UserError: The target is a folder, pipe or device, or the links form a loop.
    """
    target = Path(os.path.realpath(path) if Path(path).is_symlink() else path)
    if target.is_dir():
        raise UserError(f"cannot write {os.fspath(path)!r}: it is a folder")
    if target.is_symlink():
        raise UserError(f"cannot write {os.fspath(path)!r}: it is a link that leads to itself")
    if target.exists() and not target.is_file():
        raise UserError(f"cannot write {os.fspath(path)!r}: it is a pipe or a device")
    return target


def _replace(temporary: Path, target: Path) -> None:
    """Replace `target` by `temporary`, keeping its owner and mode."""
    with contextlib.suppress(OSError):  # there is no target
        status = target.stat()
        if hasattr(os, "chown"):  # Windows can neither rename nor delete a read-only file
            with contextlib.suppress(OSError):  # needs root for another owner
                os.chown(temporary, status.st_uid, status.st_gid)
            temporary.chmod(stat.S_IMODE(status.st_mode))
    temporary.replace(target)


def path_of(name: str, value: object) -> Path:
    """Check an argument that must be a path.

    Args:
        name: The argument's, for the message.
        value: As it was given.

    Raises:
        UserError: The value is no path.
    """
    if not isinstance(value, str | os.PathLike):
        raise UserError(f"{name} is {value!r}: it must be a path")
    return Path(value)


def names_folder(path: str) -> bool:
    """Whether an output path means a folder: it is one, or it ends in a separator."""
    return path.endswith(("/", os.sep)) or Path(path).is_dir()


@contextlib.contextmanager
def _errors_reported(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn OSError and ValueError into a UserError that names `path`."""
    try:
        yield
    except UserError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(f"cannot write {os.fspath(path)!r}: {reason}") from error


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the same folder that replaces `path` on success.

    On an error it is deleted and `path` stays unchanged. Symbolic links are followed; an existing
    file's mode and owner are kept.

    Raises:
        UserError: The path is not writable.
    """
    check_writable(path)
    target = _resolve(path)
    temporary = _temporary(target)
    try:
        yield temporary
        _replace(temporary, target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write bytes so that `path` never holds a part of them; see `atomic_path`.

    Raises:
        UserError: The path is not writable.
    """
    with _errors_reported(path), atomic_path(path) as temporary:
        temporary.write_bytes(data)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check that a file can be written, creating missing parent folders.

    Raises:
        UserError: The path is not writable, or is a folder, pipe or device.
    """
    with _errors_reported(path):
        target = _resolve(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary(target)
        temporary.touch()
        temporary.unlink()


def claim_folder(base: Path) -> Path:
    """Create `base`, or else the first free one of `base`-2, `base`-3, ...

    Safe against other processes that do the same.

    Raises:
        UserError: The folder cannot be created.
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
    """Create an empty `path`, or else the first free one of NAME-2, NAME-3, ... with its suffix.

    Safe against other processes that do the same.
    """
    found, number = path, 2
    while True:
        try:
            found.touch(exist_ok=False)
            return found
        except FileExistsError:
            found, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1


def make_folder(folder: Path) -> None:
    """Create a folder, unless it exists, and check that it is writable.

    Raises:
        UserError: It cannot be created, or is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_made(folder, error) from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"cannot write to {str(folder)!r}: give another folder")


def _not_made(folder: Path, error: OSError) -> UserError:
    file = next((path for path in (folder, *folder.parents) if path.is_file()), None)
    reason = error.strerror if file is None else f"{str(file)!r} is a file"
    return UserError(f"cannot make the folder {str(folder)!r}: {reason}")
