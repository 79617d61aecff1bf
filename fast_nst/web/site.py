"""The page as a folder for any web host: networks run in the visitor's browser alone."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from fast_nst.errors import UserError
from fast_nst.web.files import CONFIG, File

_NOT_NEEDED = ("api.html", "api.js")  # they are of the service


def write_site(folder: Path, files: Mapping[str, File]) -> int:
    """Write the page's files into a folder, whole or not at all.

    Args:
        folder: Missing, empty, or such a site, which is replaced.
        files: From `files.page_files`, by their paths in it.

    Returns:
        The bytes written.

    Raises:
        UserError: There is something else in the folder, or it cannot be written.
    """
    check_site_place(folder)
    beside, old = (folder.absolute().with_name(f".{secrets.token_hex(6)}.part") for _ in range(2))
    try:
        for path, file in files.items():
            if path not in _NOT_NEEDED:
                (beside / path).parent.mkdir(parents=True, exist_ok=True)
                (beside / path).write_bytes(file.data)
        if folder.exists():
            folder.rename(old)
        try:
            beside.rename(folder.absolute())
        except OSError:
            old.rename(folder)
            raise
    except OSError as error:
        raise UserError(f"cannot write {str(folder)!r}: {error.strerror}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return sum(len(file.data) for path, file in files.items() if path not in _NOT_NEEDED)


def check_site_place(folder: Path) -> None:
    """Refuse a place that holds anything but a site of ours, which would be lost.

    Raises:
        UserError: It does.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UserError(f"{str(folder)!r} is no folder: give -o a folder's name")
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    others = sorted(found - _paths(folder / CONFIG))
    if others:
        raise UserError(
            f"{str(folder)!r} holds other files, such as {others[0]!r}: give -o a folder that is "
            "new or empty"
        )


def _paths(config: Path) -> set[str]:
    """The files of the site that this was written for; none if it is something else."""
    try:
        return {str(path) for path in json.loads(config.read_bytes())["paths"]}
    except (OSError, ValueError, TypeError, KeyError):
        return set()
