"""Encoding images, and writing them to files atomically."""

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
from fast_nst.pictures.exif import fit_exif, to_tiff_exif

QUALITY = 95  # default for JPEG and WebP
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
_MAX_EXIF_BYTES = 65533  # of a JPEG's APP1 segment


def check_writable_format(path: str | os.PathLike[str]) -> str:
    """Pillow's name of the format for a path's suffix.

    Raises:
        UserError: The suffix is missing or not in `WRITERS`.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in WRITERS:
        given = f"the suffix {suffix!r}" if suffix else "no suffix"
        raise UserError(
            f"{os.fspath(path)!r} has {given}: images can be written as {' '.join(WRITERS)}"
        )
    return WRITERS[suffix]


def encode_image(
    image: Image.Image, file_format: str = "PNG", quality: int = QUALITY, name: str = "the painting"
) -> bytes:
    """Encode an image with its EXIF data, if the format has any (BMP does not).

    JPEG and BMP get white behind transparent pixels.

    Args:
        image: "RGB" or "RGBA", with the EXIF data that `open_image` keeps.
        file_format: One of the values of `WRITERS`.
        quality: For JPEG and WebP, 1 to 100.
        name: The file's name in warnings.

    Raises:
        OSError, ValueError: The format does not support the image's size.

    Warns:
        UserNote: EXIF entries were dropped, since a JPEG holds up to 64 kB of them.
    """
    options: dict[str, Any] = {}
    exif = image.info.get("exif", b"")
    if exif and file_format == "JPEG":
        exif, dropped = fit_exif(exif, _MAX_EXIF_BYTES)
        if dropped:
            tags = ", ".join(dropped)
            line = f"{name} is without the photograph's EXIF {tags}: a JPEG holds 64 kB of EXIF"
            warnings.warn(line, UserNote, stacklevel=2)
    if exif and file_format != "BMP":
        options["exif"] = to_tiff_exif(exif) if file_format == "TIFF" else exif
    if file_format not in _WITH_ALPHA:
        image = flatten(image)
    if file_format in ("JPEG", "WEBP"):
        options["quality"] = quality
    if file_format == "JPEG":  # full chroma resolution: brush strokes are all edges
        options["subsampling"] = 0 if quality >= 90 else 2
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def save_image(image: Image.Image, path: str | os.PathLike[str], quality: int = QUALITY) -> None:
    """Write an image atomically, in the format of the path's suffix.

    Args:
        image: "RGB" or "RGBA".
        path: The file; missing parent folders are created.
        quality: For JPEG and WebP, 1 to 100.

    Raises:
        UserError: The suffix is unknown, the format does not support the image's size, or the path
            is not writable.
    """
    file_format = check_writable_format(path)
    try:
        data = encode_image(image, file_format, quality, repr(os.fspath(path)))
    except (OSError, ValueError) as error:
        raise UserError(
            f"cannot write {image.width}x{image.height} as {file_format}: {one_line(error)}"
        ) from error
    write_atomically(path, data)
