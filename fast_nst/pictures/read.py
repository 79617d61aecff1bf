"""Picture files to PIL images, upright and in 8-bit sRGB, and the folders they lie in.

Whatever a file holds (EXIF orientation, colour profile, CMYK, palette, 16 bits), what comes out is
"RGB", or "RGBA" if it has transparency.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from fast_nst.errors import UserError, UserNote, one_line
from fast_nst.pictures.edit import (
    MOST_SIDE,
    Array,
    Pixels,
    flatten,
    from_array,
    resize,
    resize_longest,
    resize_shortest,
    scaled_size,
    strips,
    to_pixels,
)
from fast_nst.pictures.exif import (
    DECODING_ERRORS,
    file_of,
    forget_broken_parts,
    orientation,
    still_true,
)
from fast_nst.pictures.jpeg import check_scans, without_its_end

Source = str | os.PathLike[str] | bytes | BinaryIO | Image.Image
Picture = str | os.PathLike[str] | Image.Image | Array

# Pillow's names of what is read. It would try all that it knows on any file, EPS among them, for
# which it starts Ghostscript. What it has at hand comes first; MPO is a JPEG to it.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF", "JPEG2000")
_HEIF = "HEIF"  # of a package of its own
# The names that are taken from a folder.
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    *(".png", ".apng", ".gif", ".webp", ".avif"),
    *(".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm"),
    *(".jp2", ".j2k", ".jpx", ".jpf"),
    *(".heic", ".heif", ".hif"),
)
_MOST_BYTES = 4 * 10**9  # of a file
# Brands that an iPhone's files begin with; a file that is AVIF too is Pillow's own to read.
_MOST_TEXT = 16 * 2**20  # bytes of text or of a profile in a PNG; Pillow takes 1 MB
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def find_images(folder: str | os.PathLike[str], recursive: bool = True) -> list[Path]:
    """The image files of a folder and its subfolders, sorted; hidden ones are left out.

    Links to folders are not followed, so that a loop of them cannot trap the walk, and pipes and
    devices, which may have no end, are left out. What cannot be looked into is among what is found,
    so that whoever reads it is told.

    Args:
        folder: Where they lie.
        recursive: Look into subfolders.

    Raises:
        UserError: The folder is missing, is none, or holds no image.
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
            and _may_be_read(Path(directory, name))
        ]
    if not found:
        raise UserError(
            f"no images in {str(root)!r}: looked for names ending in {' '.join(IMAGE_SUFFIXES)}"
        )
    return sorted(found)


def _may_be_read(path: Path) -> bool:
    """Whether this is a file, or something that an error tells of."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:  # a link to nowhere or to itself
        return True


MOST_PIXELS = 500_000_000


class TooManyPixels(UserError):
    """A picture, or the painting of it that was asked for, has more pixels than allowed."""


@contextlib.contextmanager
def most_pixels(count: int) -> Iterator[None]:
    """Pictures of so many pixels are taken, in the whole process; Pillow takes 179 million.

    Its warnings, of large pictures and of damage that it can do without, go unsaid meanwhile.
    """
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = -(-count // 2)  # it warns from there on, and refuses twice as many
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


# What is done to a picture of each EXIF orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


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
        formats: tuple[str, ...] = FORMATS
        if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS and b"avif" not in data[12:64]:
            _take_heif(name)
            formats = (_HEIF,)
        # The limit of Pillow is the process's; where it was made higher, it stays.
        PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, _MOST_TEXT)
        with Image.open(io.BytesIO(data), formats=formats) as image:
            return _decode(image, name)
    except UserError:
        raise
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise TooManyPixels(
            f"{name} has over {most:,} pixels, as files do that are made to fill the memory: if "
            "you trust it, raise --max-pixels (in Python: PIL.Image.MAX_IMAGE_PIXELS)"
        ) from error
    except UnidentifiedImageError as error:
        raise UserError(
            f"{name} is not an image that can be read: give a JPEG, PNG, WebP, TIFF, GIF, BMP, "
            "PPM, AVIF, HEIC or JPEG 2000"
        ) from error
    except DECODING_ERRORS as error:
        if "MAX_TEXT" in str(error):
            raise UserError(
                f"{name} has over {_MOST_TEXT // 2**20} MB of text or of a colour profile: save it "
                "again without"
            ) from error
        raise UserError(f"{name} is damaged and cannot be decoded: {one_line(error)}") from error


def _take_heif(name: str) -> None:
    """Let Pillow read HEIC and HEIF files from now on."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise UserError(
            f"{name} is a HEIC photograph: install what reads them, pip install 'fast-nst[heif]'"
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
            if path.stat().st_size > _MOST_BYTES:
                raise UserError(f"{name} has over {_MOST_BYTES // 10**9} GB: give an image file")
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


def _decode(image: Image.Image, name: str) -> Image.Image:
    if 0 in image.size:
        raise UserError(f"{name} has no pixels: give an image of at least 1x1")
    if max(image.size) > MOST_SIDE:
        raise UserError(
            f"{name} is {image.width}x{image.height}: a side may have {MOST_SIDE:,} px, so cut it "
            "into parts"
        )
    exif = b""
    if image.format == "TIFF":
        exif = still_true(image)
        forget_broken_parts(image)
    given = image
    image = _loaded(image, name)
    exif = exif or still_true(image)
    profile = image.info.get("icc_profile")
    method = _TURNS.get(orientation(image))
    if method is not None:
        image = image.transpose(method)
    transparent = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or (
        "transparency" in image.info and image.mode in ("P", "RGB", "L", "1")
    )
    alpha = image.convert("RGBA").getchannel("A") if transparent else None
    if "transparency" in image.info:  # Pillow warns of what it drops in a conversion
        image = image.copy()
        del image.info["transparency"]
    rgb = _to_srgb(_to_eight_bits(image), profile)
    if rgb is given:  # the caller's own, which stays as it is
        rgb = rgb.copy()
    rgb.info = {"exif": exif} if exif else {}
    if alpha is not None:
        rgb.putalpha(alpha)
    return rgb


def _loaded(image: Image.Image, name: str) -> Image.Image:
    """A picture with its pixels; it may be another where its file ends too early."""
    data = file_of(image) if image.format in ("JPEG", "MPO") else b""
    check_scans(data, name)
    try:
        image.load()
    except OSError:
        whole = without_its_end(data)
        if whole is None:
            raise
        _note(f"{name} lacks its last bytes: it was read all the same")
        return whole
    return image


def _note(line: str) -> None:
    with contextlib.suppress(UserNote):  # made an error, it must not cost the picture
        warnings.warn(line, UserNote, stacklevel=2)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit and float pictures to 8 bits; Pillow's own `convert` would clip."""
    if not (image.mode.startswith("I;16") or image.mode in ("I", "F")):
        return image
    parts = [
        (rows, image.crop((0, rows.start, image.width, rows.stop)))
        for rows in strips(image.height, image.width)
    ]
    largest = max(float(_numbers(part).max()) for _, part in parts)
    if image.mode.startswith("I;16"):
        factor = 1 / 257
    elif image.mode == "I":  # 8 bits, 16, or all 32
        factor = 1 if largest <= 255 else 1 / 257 if largest < 65536 else 255 / (2**31 - 1)
    else:
        factor = 255 if largest <= 1 else 1
    scaled = np.empty((image.height, image.width), np.uint8)
    for rows, part in parts:
        scaled[rows] = np.clip(np.rint(_numbers(part) * factor), 0, 255)
    return Image.fromarray(scaled)


def _numbers(image: Image.Image) -> npt.NDArray[np.float64]:
    """A grey picture's values as they are; what is none is 0, or 255 where it is infinite."""
    return np.nan_to_num(np.asarray(image).astype(np.float64), posinf=255)


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Colours by the picture's own profile if that is usable, else as its mode says."""
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


SMALLEST_STYLE = 32


def open_photograph(path: Path, size: int | None = None) -> Image.Image:
    """An RGB photograph, its longer side `size` px if given; transparent parts lie on white.

    Raises:
        UserError: It cannot be read.
    """
    photo = flatten(open_image(path))
    return photo if size is None else resize_longest(photo, size)


def open_style(path: Path, size: int) -> Image.Image:
    """A style image with `size` px on its shorter side, or as many as it has.

    Raises:
        UserError: It cannot be read or is under 32 px.
    """
    image = open_photograph(path)
    if min(image.size) < SMALLEST_STYLE:
        raise UserError(
            f"the style image {str(path)!r} is {image.width}x{image.height}: both sides must have "
            f"at least {SMALLEST_STYLE} px"
        )
    return resize_shortest(image, min(size, *image.size))


def read_pixels(
    image: Picture | bytes,
    size: int | None = None,
    *,
    max_pixels: int | None = None,
    stroke_scale: float = 1.0,
) -> Pixels:
    """Decode a picture of any kind, upright, and scale it.

    Args:
        image: A path, encoded bytes, a PIL image or an array (H, W), (H, W, 3) or (H, W, 4).
        size: Longer side to scale it to, in px.
        max_pixels: Maximum pixels of the result; see `most_pixels` for the picture itself.
        stroke_scale: Of the painting; below 1 a copy with more pixels than the result is painted.

    Raises:
        TooManyPixels: The result would have more than `max_pixels`.
        UserError: The picture cannot be read, or is no picture.
    """
    if isinstance(image, np.ndarray):
        photo = _from_pixels(image)
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
            f"{what} makes {width}x{height} px of {name}, over {max_pixels:,} pixels: choose a "
            "smaller size or larger strokes, or raise max_pixels"
        )
    return to_pixels(resize(photo, target))


def _from_pixels(array: Array) -> Image.Image:
    """A picture of an array, or a clear word on what is wrong with it."""
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not fits or 0 in array.shape:
        raise UserError(
            f"the array is {array.dtype} {array.shape}: give uint8 of shape (H, W), (H, W, 3) or "
            "(H, W, 4)"
        )
    image = from_array(array)
    return image if image.mode in ("RGB", "RGBA") else image.convert("RGB")
