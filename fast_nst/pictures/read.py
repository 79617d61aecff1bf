"""Reading images, and finding them in folders.

Images are decoded to upright 8-bit sRGB, "RGB" or with transparency "RGBA", whatever their EXIF
orientation, colour profile, mode or bit depth.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from fast_nst.errors import UserError, UserNote, one_line
from fast_nst.pictures.edit import (
    MAX_SIDE,
    Array,
    Pixels,
    enlarge_scan,
    flatten,
    resize,
    resize_longest,
    resize_shortest,
    scaled_size,
    strips,
    to_image,
    to_pixels,
)
from fast_nst.pictures.exif import (
    DECODING_ERRORS,
    drop_broken_ifds,
    file_bytes,
    kept_exif,
    orientation,
)
from fast_nst.pictures.jpeg import check_scans, open_truncated

Source = str | os.PathLike[str] | bytes | BinaryIO | Image.Image
Picture = str | os.PathLike[str] | Image.Image | Array

# Pillow's names. Without a list it tries every plugin on any file, including EPS, for which it
# starts Ghostscript. MPO is handled by the JPEG plugin.
INPUT_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF", "JPEG2000")
_HEIF = "HEIF"  # needs the package pillow-heif
_MAX_BYTES = 4 * 10**9  # of a file
_MAX_TEXT_BYTES = 16 * 2**20  # of text or of a colour profile in a PNG; Pillow's limit is 1 MB
# ISO base media brands of HEIC files; a file that is AVIF too is left to Pillow.
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
MAX_PIXELS = 500_000_000  # default limit on an image; guards against decompression bombs
MIN_STYLE_SIDE = 32  # px of a style image's shorter side
_MOST_ENLARGED = 2  # times: beyond, there is more blur than there are strokes
_TRANSPOSE = {  # by EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class TooManyPixels(UserError):
    """An image, or the painting of it that was asked for, has more pixels than allowed."""


@contextlib.contextmanager
def pixel_limit(count: int) -> Iterator[None]:
    """Set the process-wide limit on an image's pixels, and silence Pillow's warnings.

    Args:
        count: The largest number of pixels accepted; Pillow's own limit is 179 million.
    """
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = -(-count // 2)  # Pillow warns above this and raises above twice this
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def open_image(source: Source, what: str = "the input") -> Image.Image:
    """Decode an image to upright 8-bit sRGB, "RGB" or with transparency "RGBA".

    The first frame of an animation is read. `info` holds "exif" alone; see `exif.kept_exif`.

    Args:
        source: A path, encoded bytes, a binary file, or a PIL image, which stays unchanged.
        what: What errors call an image that is not a path.

    Raises:
        UserError: The file is missing, unreadable, damaged, of an unsupported format, or exceeds
            the limit on pixels.
    """
    name = repr(os.fspath(source)) if isinstance(source, str | os.PathLike) else what
    data = b"" if isinstance(source, Image.Image) else _read(source, name)
    try:
        if isinstance(source, Image.Image):  # may be lazy, or closed
            return _decode(source, name, is_shared=True)
        formats: tuple[str, ...] = INPUT_FORMATS
        if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS and b"avif" not in data[12:64]:
            _register_heif(name)
            formats = (_HEIF,)
        # A process-wide limit: a higher one set elsewhere is kept.
        PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, _MAX_TEXT_BYTES)
        with Image.open(io.BytesIO(data), formats=formats) as image:
            return _decode(image, name)
    except UserError:
        raise
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise TooManyPixels(
            f"{name} has over {limit:,} pixels and may be a decompression bomb: if you trust it, "
            "raise --max-pixels (in Python: PIL.Image.MAX_IMAGE_PIXELS)"
        ) from error
    except UnidentifiedImageError as error:
        raise UserError(
            f"{name} is not an image that can be read: give a JPEG, PNG, WebP, TIFF, GIF, BMP, "
            "PPM, AVIF, HEIC or JPEG 2000"
        ) from error
    except DECODING_ERRORS as error:
        if "MAX_TEXT" in str(error):
            raise UserError(
                f"{name} has over {_MAX_TEXT_BYTES // 2**20} MB of text or of a color profile: "
                "save it again without"
            ) from error
        raise UserError(f"{name} is damaged and cannot be decoded: {one_line(error)}") from error


def _register_heif(name: str) -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise UserError(
            f'{name} is a HEIC photograph: install the plugin for it, pip install "fast-nst[heif]"'
        ) from error
    register_heif_opener()


def _read(source: str | os.PathLike[str] | bytes | BinaryIO, name: str) -> bytes:
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.is_dir():
            if not os.access(path, os.R_OK | os.X_OK):
                raise UserError(f"cannot read the folder {name}: Permission denied")
            raise UserError(f"{name} is a folder: give an image file")
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise UserError(f"{name} has over {_MAX_BYTES // 10**9} GB: give an image file")
            data = path.read_bytes()
        except UserError:
            raise
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


def _decode(image: Image.Image, name: str, is_shared: bool = False) -> Image.Image:
    """Decode an open image; `is_shared` if the caller's own object must not change."""
    if 0 in image.size:
        raise UserError(f"{name} has no pixels: give an image of at least 1x1")
    if max(image.size) > MAX_SIDE:
        raise UserError(
            f"{name} is {image.width}x{image.height}: sides may have up to {MAX_SIDE:,} px: cut it "
            "into parts"
        )
    exif = b""
    if image.format == "TIFF":
        exif = kept_exif(image)
        drop_broken_ifds(image)
    opened = image
    image = _load(image, name)
    exif = exif or kept_exif(image)
    profile = image.info.get("icc_profile")
    method = _TRANSPOSE.get(orientation(image))
    if method is not None:
        image = image.transpose(method)
    alpha = None
    if image.mode in ("RGBA", "LA"):
        alpha = image.getchannel("A")
    elif image.mode in ("PA", "RGBa", "La") or (
        "transparency" in image.info and image.mode in ("P", "RGB", "L", "1")
    ):
        alpha = image.convert("RGBA").getchannel("A")
    if "transparency" in image.info:  # Pillow's conversions warn of it
        if image is opened and is_shared:
            image = image.copy()
        del image.info["transparency"]
    rgb = _to_srgb(_to_eight_bits(image), profile)
    # Other plugins' objects have state, such as frames or TIFF tags, that `save` would use.
    if rgb is opened and (is_shared or rgb.format not in ("JPEG", "PNG")):
        rgb = rgb.copy()
    rgb.info = {"exif": exif} if exif else {}
    if alpha is not None:
        rgb.putalpha(alpha)
    return rgb


def _load(image: Image.Image, name: str) -> Image.Image:
    """Load the pixels; for a recovered JPEG the result is another object."""
    data = file_bytes(image) if image.format in ("JPEG", "MPO") else b""
    check_scans(data, name)
    try:
        image.load()
    except OSError:
        recovered = open_truncated(data)
        if recovered is None:
            raise
        with contextlib.suppress(UserNote):  # warnings turned into errors must not lose the image
            warnings.warn(f"{name} lacks its last bytes: decoded anyway", UserNote, stacklevel=2)
        return recovered
    return image


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit and float images to 8 bits; Pillow's `convert` would clip."""
    if not (image.mode.startswith("I;16") or image.mode in ("I", "F")):
        return image
    parts = [
        (rows, image.crop((0, rows.start, image.width, rows.stop)))
        for rows in strips(image.height, image.width)
    ]
    largest = max(float(_finite_values(part).max()) for _, part in parts)
    if image.mode.startswith("I;16"):
        factor = 1 / 257
    elif image.mode == "I":  # may hold 8, 16 or 32 bits
        factor = 1 if largest <= 255 else 1 / 257 if largest < 65536 else 255 / (2**31 - 1)
    else:
        factor = 255 if largest <= 1 else 1
    scaled = np.empty((image.height, image.width), np.uint8)
    for rows, part in parts:
        scaled[rows] = np.clip(np.rint(_finite_values(part) * factor), 0, 255)
    return Image.fromarray(scaled)


def _finite_values(image: Image.Image) -> npt.NDArray[np.float64]:
    """A greyscale image's values, NaN replaced by 0 and infinity by 255."""
    return np.nan_to_num(np.asarray(image).astype(np.float64), posinf=255)


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert to "RGB" by the ICC profile, or without a usable one by the image's mode."""
    if image.mode in ("P", "PA", "LA", "1", "La", "RGBa"):
        image = image.convert("RGB" if image.mode in ("P", "PA", "RGBa") else "L")
    if image.mode == "RGBA":
        image = image.convert("RGB")
    if profile:
        from PIL import ImageCms

        with contextlib.suppress(ImageCms.PyCMSError, *DECODING_ERRORS):
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
            if converted is not None:
                return converted
    return image.convert("RGB") if image.mode != "RGB" else image


def open_photograph(path: Path, size: int | None = None) -> Image.Image:
    """Read an image as "RGB", with white behind transparent pixels.

    Args:
        path: The file.
        size: Longer side to resize to, in px; default: keep the size.

    Raises:
        UserError: See `open_image`.
    """
    photo = flatten(open_image(path))
    return photo if size is None else resize_longest(photo, size)


def open_style(path: Path, size: int, enlarge: bool = True) -> Image.Image:
    """Read a style image as "RGB", its shorter side reduced or enlarged to `size` px.

    Strokes are learned at the size that they have in px, so that small scans give small strokes,
    and a fine screen of them in flat areas, unless they are enlarged.

    Args:
        path: The file.
        size: Of the shorter side, in px; one that has less than half of them is enlarged twofold.
        enlarge: Whether it is enlarged.

    Raises:
        UserError: A side is under `MIN_STYLE_SIDE` px; see also `open_image`.
    """
    image = open_photograph(path)
    if min(image.size) < MIN_STYLE_SIDE:
        raise UserError(
            f"the style image {str(path)!r} is {image.width}x{image.height}: both sides must have "
            f"at least {MIN_STYLE_SIDE} px"
        )
    shorter = min(image.size)
    if size <= shorter or not enlarge:
        return resize_shortest(image, min(size, shorter))
    return enlarge_scan(image, min(size, _MOST_ENLARGED * shorter))


def read_pixels(
    image: Picture | bytes,
    size: int | None = None,
    *,
    max_pixels: int | None = None,
    stroke_scale: float = 1.0,
) -> Pixels:
    """Read an image from any of the types that Python callers pass.

    Args:
        image: A path, encoded bytes, a PIL image, or a uint8 array (H, W), (H, W, 3) or (H, W, 4).
        size: Longer side to resize to, in px; default: keep the size.
        max_pixels: Maximum pixels of the result; see `pixel_limit` for the image itself.
        stroke_scale: Of the painting; below 1 a copy with more pixels than the result is painted.

    Raises:
        TooManyPixels: The result would have more than `max_pixels`.
        UserError: The type, dtype or shape is not supported; see also `open_image`.
    """
    if isinstance(image, np.ndarray):
        pixels = _from_user_array(image)
        if size is None:
            return pixels
        photo = to_image(pixels)
    elif isinstance(image, str | bytes | os.PathLike | Image.Image):
        photo = open_image(image)
    else:
        raise UserError(
            f"cannot stylize a {type(image).__name__}: give a path, a PIL image, a uint8 array or "
            "a list of them"
        )
    target = photo.size if size is None else scaled_size(photo.size, size / max(photo.size))
    width, height = scaled_size(target, max(1 / stroke_scale, 1))
    if max_pixels is not None and width * height > max_pixels:
        name = repr(os.fspath(image)) if isinstance(image, str | os.PathLike) else "the input"
        what = f"size {max(target)}" if stroke_scale >= 1 else f"stroke_scale {stroke_scale:g}"
        raise TooManyPixels(
            f"{what} makes {width}x{height} px of {name}, over {max_pixels:,} pixels "
            "(max_pixels): choose a smaller size or larger strokes"
        )
    return to_pixels(resize(photo, target))


def _from_user_array(array: Array) -> Pixels:
    """Check an array and copy it, so that no result shares its memory."""
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not fits or 0 in array.shape:
        raise UserError(
            f"the array is {array.dtype} {array.shape}: give uint8 of shape (H, W), (H, W, 3) or "
            "(H, W, 4)"
        )
    if array.ndim == 2:
        return Pixels(np.repeat(array[..., None], 3, axis=2))
    alpha = array[..., 3].copy() if array.shape[2] == 4 else None
    return Pixels(array[..., :3].copy(), alpha)
