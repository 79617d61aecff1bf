"""Image files in folders, and those that patterns match."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from fast_nst.errors import UserError

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    *(".png", ".apng", ".gif", ".webp", ".avif"),
    *(".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm"),
    *(".jp2", ".j2k", ".jpx", ".jpf"),
    *(".heic", ".heif", ".hif"),
)


def find_images(folder: str | os.PathLike[str], recursive: bool = True) -> list[Path]:
    """List the image files in a folder, sorted, without hidden ones.

    Links to folders are not followed, since they may form a loop; pipes and devices are skipped.
    Unreadable subfolders and broken links are listed, so that reading them reports the error.

    Args:
        folder: The folder.
        recursive: Include subfolders.

    Raises:
        UserError: The folder is missing, unreadable, a file, or holds no images.
    """
    root = Path(folder)
    found: list[Path] = []

    def unreadable(error: OSError) -> None:
        if Path(error.filename) == root:
            raise UserError(f"cannot read the folder {str(root)!r}: {error.strerror}") from error
        found.append(Path(error.filename))

    if not root.exists():
        raise UserError(f"no folder {str(root)!r}: check the name")
    if not root.is_dir():
        raise UserError(f"{str(root)!r} is a file: give a folder of images")
    for directory, folders, names in os.walk(root, onerror=unreadable):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        found += [
            Path(directory, name)
            for name in names
            if not name.startswith(".")
            and name.lower().endswith(IMAGE_SUFFIXES)
            and _is_file_or_broken(Path(directory, name))
        ]
    if not found:
        raise UserError(
            f"no images in {str(root)!r}: looked for names ending in {' '.join(IMAGE_SUFFIXES)}"
        )
    return sorted(found)


def expand_patterns(words: Iterable[str]) -> list[str]:
    """Replace each pattern by the image files that it matches, sorted, as shells other than cmd do.

    `*`, `?` and `[...]` match within a name, `**` any number of folders; hidden files are omitted.
    The name of an existing file is no pattern. A pattern that ends in a separator matches folders.

    Raises:
        UserError: A pattern matches nothing.
    """
    found: list[str] = []
    for word in words:
        if not glob.has_magic(word) or os.path.lexists(word):
            found.append(word)
            continue
        endings = ("/", os.sep) if word.endswith(("/", os.sep)) else IMAGE_SUFFIXES
        matches = glob.glob(word, recursive=True)  # noqa: PTH207, Path.glob takes no absolute ones
        images = sorted(match for match in matches if match.lower().endswith(endings))
        if not images:
            what = "folder" if endings[0] == "/" else "image"
            raise UserError(f"no {what} matches {word!r}: check the pattern and the folder")
        found += images
    return found


def _is_file_or_broken(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:  # a broken or circular link
        return True
