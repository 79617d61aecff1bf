"""The page as a static site, whose networks run in the visitor's browser."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from fast_nst.errors import UserError
from fast_nst.web.files import CONFIG
from fast_nst.web.page_file import PageFile


def write_site(folder: Path, files: Mapping[str, PageFile]) -> int:
    """Write the page's files into a folder, atomically.

    Args:
        folder: Missing, empty, or an earlier site, which is replaced.
        files: The files of `files.page_files`, by their paths in the folder.

    Returns:
        The bytes written.

    Raises:
        UserError: The folder contains other files or cannot be written.
    """
    check_site_folder(folder)
    new, old = (folder.absolute().with_name(f".{secrets.token_hex(6)}.part") for _ in range(2))
    try:
        for path, file in files.items():
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).write_bytes(file.data)
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder.absolute())
        except OSError:
            old.rename(folder)
            raise
    except OSError as error:
        raise UserError(f"cannot write {str(folder)!r}: {error.strerror}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return sum(len(file.data) for file in files.values())


def check_site_folder(folder: Path) -> None:
    """Check that replacing a folder would delete nothing but an earlier site.

    Raises:
        UserError: The folder contains other files, or is a file or a symbolic link.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UserError(f"{str(folder)!r} is not a folder: give -o a folder")
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    others = sorted(found - _site_paths(folder / CONFIG))
    if others:
        raise UserError(
            f"{str(folder)!r} contains other files, such as {others[0]!r}: give -o a new or empty "
            "folder"
        )


def _site_paths(config: Path) -> set[str]:
    """The files of the site with this config; empty if it is not one of a site."""
    try:
        return {str(path) for path in json.loads(config.read_bytes())["paths"]}
    except (OSError, ValueError, TypeError, KeyError):
        return set()
