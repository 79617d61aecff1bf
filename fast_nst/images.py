"""Picture files and PIL images to and from numpy uint8 RGB arrays (H, W, 3), and nothing else.

Whatever a file holds (EXIF orientation, colour profile, CMYK, palette, 16 bits), what comes out is
upright 8-bit sRGB. Files are written beside their destination and renamed, so that a failure
never costs a good one.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from fast_nst.errors import UserError
from fast_nst.files import write_atomically

Array = npt.NDArray[np.uint8]
Source = str | os.PathLike[str] | bytes | BinaryIO | Image.Image

# What is read by name from a folder, and what can be written: suffix -> Pillow's format.
IMAGE_SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".png",
    ".webp",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".ppm",
    ".avif",
)
WRITERS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
_WIDEST = 4  # times the height, in a contact sheet
_WITH_ALPHA = ("PNG", "WEBP", "TIFF")
# Everything that Pillow's decoders have been seen to raise on damaged files.
_DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    AttributeError,
    MemoryError,
    RuntimeError,
    NotImplementedError,
    struct.error,
    zlib.error,
)


def find_images(folder: str | os.PathLike[str]) -> list[Path]:
    """The image files of a folder and its subfolders, sorted; hidden ones are left out.

    Links to folders are not followed, so that a loop of them cannot trap the walk.

    Raises:
        UserError: The folder is missing, is none, or holds no image.
    """
    root = Path(folder)
    if not root.exists():
        raise UserError(f"no folder {str(root)!r}: check the name")
    if not root.is_dir():
        raise UserError(f"{str(root)!r} is a file: give a folder of images")
    found = []
    for directory, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(directory, name)
            for name in names
            if not name.startswith(".") and name.lower().endswith(IMAGE_SUFFIXES)
        ]
    if not found:
        raise UserError(
            f"no images in {str(root)!r}: looked for names ending in {' '.join(IMAGE_SUFFIXES)}"
        )
    return sorted(found)


def open_image(source: Source) -> Image.Image:
    """Decode a picture: upright, sRGB, 8 bits, mode "RGB", or "RGBA" if it has transparency.

    Of an animation, the first frame.

    Args:
        source: A path, encoded bytes, a binary file, or a PIL image.

    Raises:
        UserError: It is missing, unreadable, damaged, no image, or too large to be honest.
    """
    name = repr(os.fspath(source)) if isinstance(source, str | os.PathLike) else "the input"
    data = b"" if isinstance(source, Image.Image) else _read(source, name)
    try:
        if isinstance(source, Image.Image):  # it may still be undecoded, or closed
            return _decode(source, name)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # Pillow warns of odd files that it decodes all the same
            with Image.open(io.BytesIO(data)) as image:
                return _decode(image, name)
    except UserError:
        raise
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise UserError(f"{name} has over {most:,} pixels: make it smaller first") from error
    except UnidentifiedImageError as error:
        raise UserError(
            f"{name} is not an image that can be read: give a JPEG, PNG, WebP or TIFF"
        ) from error
    except _DECODING_ERRORS as error:
        raise UserError(f"{name} is damaged and cannot be decoded: {_one_line(error)}") from error


def _read(source: str | os.PathLike[str] | bytes | BinaryIO, name: str) -> bytes:
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.is_dir():
            raise UserError(f"{name} is a folder: give an image file")
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise UserError(f"no file {name}: check the name") from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise UserError(f"cannot read {name}: {reason}") from error
    else:
        data = source if isinstance(source, bytes) else source.read()
    if not data:
        raise UserError(f"{name} is empty: give an image file")
    return data


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _decode(image: Image.Image, name: str) -> Image.Image:
    if 0 in image.size:
        raise UserError(f"{name} has no pixels: give an image of at least 1x1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image.load()
        profile = image.info.get("icc_profile")
        with contextlib.suppress(*_DECODING_ERRORS):  # broken EXIF turns nothing
            image = ImageOps.exif_transpose(image)
        transparent = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or (
            "transparency" in image.info and image.mode in ("P", "RGB", "L", "1")
        )
        alpha = image.convert("RGBA").getchannel("A") if transparent else None
        rgb = _to_srgb(_to_eight_bits(image), profile)
    rgb.info = {}
    if alpha is not None:
        rgb.putalpha(alpha)
    return rgb


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit and float pictures to 8 bits; Pillow's own `convert` would clip."""
    if image.mode.startswith("I;16"):
        wide = np.asarray(image).astype(np.float64) / 257
    elif image.mode == "I":
        wide = np.asarray(image).astype(np.float64)
        if wide.max() > 255:  # 16 bits in a 32-bit container, or all 32
            wide /= 257 if wide.max() < 65536 else (2**31 - 1) / 255
    elif image.mode == "F":
        wide = np.nan_to_num(np.asarray(image).astype(np.float64), posinf=255)
        if wide.max() <= 1:
            wide *= 255
    else:
        return image
    return Image.fromarray(np.clip(np.rint(wide), 0, 255).astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Colours by the picture's own profile if that is usable, else as its mode says."""
    if image.mode in ("P", "PA", "LA", "1", "La", "RGBa"):
        image = image.convert("RGB" if image.mode in ("P", "PA", "RGBa") else "L")
    if image.mode == "RGBA":
        image = image.convert("RGB")
    if profile:
        from PIL import ImageCms

        with contextlib.suppress(ImageCms.PyCMSError, *_DECODING_ERRORS):
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
            if converted is not None:
                return converted
    # A grey or RGB picture converts to itself: convert() would hand back the caller's own image.
    return image.convert("RGB") if image.mode != "RGB" else image.copy()


def to_array(image: Image.Image) -> Array:
    """(H, W, 3) uint8 of any decoded picture; transparency is dropped."""
    return np.asarray(image.convert("RGB"))


def from_array(array: Array) -> Image.Image:
    """An RGB image of (H, W, 3) uint8."""
    return Image.fromarray(np.ascontiguousarray(array))


def _resize(image: Image.Image, size: int, side: Callable[[Sequence[int]], int]) -> Image.Image:
    factor = size / side(image.size)
    width, height = (max(1, round(length * factor)) for length in image.size)
    if (width, height) == image.size:
        return image
    try:
        return image.resize((width, height), Image.Resampling.LANCZOS)
    except (MemoryError, OverflowError, ValueError, OSError) as error:
        raise UserError(f"no memory for {width}x{height} px: choose a smaller size") from error


def resize_longest(image: Image.Image, size: int) -> Image.Image:
    """Scale so that the longer side has `size` pixels.

    Raises:
        UserError: There is no memory for that.
    """
    return _resize(image, size, max)


def resize_shortest(image: Image.Image, size: int) -> Image.Image:
    """Scale so that the shorter side has `size` pixels.

    Raises:
        UserError: There is no memory for that.
    """
    return _resize(image, size, min)


def blend(photo: Array, stylized: Array, strength: float) -> Array:
    """`(1 - strength) * photo + strength * stylized`, rounded; all (H, W, 3) uint8."""
    if strength == 1:
        return stylized
    mixed = photo + np.float32(strength) * (stylized.astype(np.float32) - photo)
    rounded: Array = np.rint(mixed).astype(np.uint8)
    return rounded


def keep_colors(photo: Array, stylized: Array) -> Array:
    """The painting's luminance with the photograph's colours, in Y'CbCr; (H, W, 3) uint8.

    Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer", luminance-only
    transfer.
    """
    luma = from_array(stylized).convert("YCbCr").getchannel("Y")
    _, blue, red = from_array(photo).convert("YCbCr").split()
    return to_array(Image.merge("YCbCr", (luma, blue, red)))


def flatten(image: Image.Image) -> Image.Image:
    """RGB of a decoded picture, with white behind what is transparent."""
    if image.mode != "RGBA":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


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


def encode_image(image: Image.Image, file_format: str = "PNG", quality: int = 95) -> bytes:
    """A picture as bytes in Pillow's `file_format`; JPEG and BMP get white for transparency."""
    if file_format not in _WITH_ALPHA:
        image = flatten(image)
    buffer = io.BytesIO()
    if file_format == "JPEG":  # full chroma resolution: brush strokes are all edges
        image.save(buffer, file_format, quality=quality, subsampling=0 if quality >= 90 else 2)
    elif file_format == "WEBP":
        image.save(buffer, file_format, quality=quality)
    else:
        image.save(buffer, file_format)
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
        data = encode_image(image, file_format, quality)
    except (OSError, ValueError) as error:
        raise UserError(
            f"cannot write {image.width}x{image.height} as {file_format}: {_one_line(error)}"
        ) from error
    write_atomically(path, data)


def contact_sheet(
    rows: Sequence[Sequence[Image.Image]],
    labels: Sequence[str] = (),
    height: int = 300,
    gap: int = 8,
) -> Image.Image:
    """A grid on white, each picture scaled to one height, or to fit in four times that width.

    Args:
        rows: Pictures, row by row; RGB.
        labels: Written above the pictures of the first row.
        height: Of each row, in px.
        gap: Between pictures and around them, in px.
    """
    from PIL import ImageDraw

    scaled = []
    for row in rows:
        factors = [min(height / p.height, _WIDEST * height / p.width) for p in row]
        sizes = [
            (max(1, round(p.width * factor)), max(1, round(p.height * factor)))
            for p, factor in zip(row, factors, strict=True)
        ]
        scaled.append(
            [
                flatten(p).resize(size, Image.Resampling.LANCZOS)
                for p, size in zip(row, sizes, strict=True)
            ]
        )
    header = 20 if labels else 0
    width = max(sum(picture.width + gap for picture in row) for row in scaled) + gap
    sheet = Image.new("RGB", (width, header + gap + len(scaled) * (height + gap)), "white")
    draw = ImageDraw.Draw(sheet)
    top = header + gap
    for r, row in enumerate(scaled):
        left = gap
        for c, picture in enumerate(row):
            if r == 0 and c < len(labels):
                draw.text((left, gap), labels[c], fill="black")
            sheet.paste(picture, (left, top))
            left += picture.width + gap
        top += height + gap
    return sheet
