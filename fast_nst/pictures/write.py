"""PIL images to picture files, whole or not at all."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import Any

from PIL import Image

from fast_nst.errors import UserError, UserNote, one_line
from fast_nst.files import write_atomically
from fast_nst.pictures.edit import flatten
from fast_nst.pictures.exif import fitted, for_tiff

WRITERS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
FORMATS = ("jpg", "png", "webp", "tiff", "bmp")
_WITH_ALPHA = ("PNG", "WEBP", "TIFF")
_MOST_EXIF = 65533  # bytes in the segment of a JPEG


def check_writable_format(path: str | os.PathLike[str]) -> str:
    """Pillow's name of the format that a path's suffix stands for.

    Raises:
        UserError: None that can be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in WRITERS:
        given = f"the suffix {suffix!r}" if suffix else "no suffix"
        raise UserError(
            f"{os.fspath(path)!r} has {given}: pictures can be written as {' '.join(WRITERS)}"
        )
    return WRITERS[suffix]


def encode_image(
    image: Image.Image, file_format: str = "PNG", quality: int = 95, name: str = "the painting"
) -> bytes:
    """A picture as bytes in Pillow's `file_format`; JPEG and BMP get white for transparency.

    What `open_image` left of its EXIF data goes with it, but into BMP, which has no place for it.

    Args:
        image: "RGB" or "RGBA".
        file_format: One of the values of `WRITERS`.
        quality: Of JPEG and WebP, 1 to 100.
        name: What the note calls it.

    Raises:
        OSError, ValueError: The format cannot hold such a size.

    Warns:
        UserNote: It is a JPEG, which holds less EXIF data than there are.
    """
    options: dict[str, Any] = {}
    exif = image.info.get("exif", b"")
    if exif and file_format == "JPEG":
        exif, left_out = fitted(exif, _MOST_EXIF)
        if left_out:
            tags = ", ".join(left_out)
            line = f"{name} is without the photograph's EXIF {tags}: a JPEG holds 64 kB of EXIF"
            warnings.warn(line, UserNote, stacklevel=2)
    if exif and file_format != "BMP":
        options["exif"] = for_tiff(exif) if file_format == "TIFF" else exif
    if file_format not in _WITH_ALPHA:
        image = flatten(image)
    if file_format in ("JPEG", "WEBP"):
        options["quality"] = quality
    if file_format == "JPEG":  # full chroma resolution: brush strokes are all edges
        options["subsampling"] = 0 if quality >= 90 else 2
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def save_image(image: Image.Image, path: str | os.PathLike[str], quality: int = 95) -> None:
    """Write a picture in the format of the path's suffix, whole or not at all.

    Args:
        image: "RGB" or "RGBA".
        path: Its folder is made if missing.
        quality: Of JPEG and WebP, 1 to 100.

    Raises:
        UserError: The suffix stands for no format, the format cannot hold such a size, or the
            place cannot be written.
    """
    file_format = check_writable_format(path)
    try:
        data = encode_image(image, file_format, quality, repr(os.fspath(path)))
    except (OSError, ValueError) as error:
        raise UserError(
            f"cannot write {image.width}x{image.height} as {file_format}: {one_line(error)}"
        ) from error
    write_atomically(path, data)
