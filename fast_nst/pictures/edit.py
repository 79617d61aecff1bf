"""What is done to decoded pictures: arrays, sizes, blends, colours.

PIL images are "RGB" or "RGBA"; arrays are uint8 (H, W, 3), sRGB.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from fast_nst.errors import UserError

Array = npt.NDArray[np.uint8]
# Of a picture, in px: a JPEG's may have 65,535. Far longer and thinner ones cost Pillow more memory
# for their rows than for their pixels.
MOST_SIDE = 100_000
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of sRGB as it is: ITU-R BT.601

_STRIP_PIXELS = 2_000_000  # so that what is calculated on the way stays small


def strips(height: int, width: int, pixels: int | None = None) -> Iterator[slice]:
    """A picture's rows, a few at a time: some two million pixels, or as many as are given."""
    rows = max((pixels or _STRIP_PIXELS) // width, 1)
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))


def to_array(image: Image.Image) -> Array:
    """(H, W, 3) uint8 of any decoded picture; transparency is dropped."""
    array = np.empty((image.height, image.width, 3), np.uint8)
    for rows in strips(*array.shape[:2]):
        strip = image.crop((0, rows.start, image.width, rows.stop))
        array[rows] = np.asarray(strip.convert("RGB"))
    return array


def from_array(array: Array) -> Image.Image:
    """An RGB image of (H, W, 3) uint8."""
    return Image.fromarray(np.ascontiguousarray(array))


def _resized_rows(image: Image.Image, width: int, height: int, rows: slice) -> Array:
    """Some rows of an image at another size, with Lanczos."""
    scale = image.height / height
    reach = math.ceil(4 * max(1, scale))  # of the filter, and some more
    first = max(math.floor(rows.start * scale) - reach, 0)
    last = min(math.ceil(rows.stop * scale) + reach, image.height)
    # First to the side: left alone, Pillow takes the cheaper order, and clips in between.
    strip = image.crop((0, first, image.width, last))
    strip = strip.resize((width, last - first), Image.Resampling.LANCZOS)
    box = (0, rows.start * scale - first, width, rows.stop * scale - first)
    size = width, rows.stop - rows.start
    return np.asarray(strip.resize(size, Image.Resampling.LANCZOS, box))


@dataclass(frozen=True)
class Pixels:
    """A decoded picture as arrays, which take less memory than Pillow's.

    Attributes:
        rgb: (H, W, 3) uint8, sRGB.
        alpha: (H, W) uint8; None where nothing is transparent.
        exif: What the camera said that is still true, as `open_image` leaves it.
    """

    rgb: Array
    alpha: Array | None = None
    exif: bytes = b""


def to_pixels(image: Image.Image) -> Pixels:
    """Of an "RGB" or "RGBA" image."""
    alpha = np.asarray(image.getchannel("A")) if image.mode == "RGBA" else None
    return Pixels(to_array(image), alpha, image.info.get("exif", b""))


def to_image(pixels: Pixels) -> Image.Image:
    """An "RGB" or "RGBA" image."""
    image = from_array(pixels.rgb)
    if pixels.alpha is not None:
        image.putalpha(from_array(pixels.alpha))
    if pixels.exif:
        image.info["exif"] = pixels.exif
    return image


def to_channels(pixels: Pixels) -> Array:
    """(H, W, 3) uint8, or (H, W, 4) with transparency."""
    if pixels.alpha is None:
        return pixels.rgb
    return np.dstack([pixels.rgb, pixels.alpha])


def scaled_size(size: tuple[int, int], factor: float) -> tuple[int, int]:
    """Width and height times `factor`, in whole pixels, 1 at least."""
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Scale to a width and height, with Lanczos.

    Raises:
        UserError: There is no memory for that, or a side is longer than `MOST_SIDE`.
    """
    if size == image.size:
        return image
    if max(size) > MOST_SIDE:
        raise UserError(
            f"{size[0]}x{size[1]}: a side may have {MOST_SIDE:,} px, so choose a smaller size"
        )
    try:
        return image.resize(size, Image.Resampling.LANCZOS)
    except (MemoryError, OverflowError, ValueError, OSError) as error:
        raise UserError(f"no memory for {size[0]}x{size[1]} px: choose a smaller size") from error


def _resize(image: Image.Image, size: int, side: Callable[[Sequence[int]], int]) -> Image.Image:
    return resize(image, scaled_size(image.size, size / side(image.size)))


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
    blended = np.empty_like(photo)
    for rows in strips(*photo.shape[:2]):
        mixed = photo[rows] + np.float32(strength) * (
            stylized[rows].astype(np.float32) - photo[rows]
        )
        blended[rows] = np.rint(mixed)
    return blended


def keep_colors(photo: Array, stylized: Array) -> Array:
    """The painting's luma with the photograph's colours; (H, W, 3) uint8.

    Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer", luminance-only
    transfer. There in YIQ; here it is Y'CbCr, where other luma under the same chroma adds the same
    to red, green and blue, so that neither is calculated.
    """
    colored = np.empty_like(photo)
    for rows in strips(*photo.shape[:2]):
        lighter = (stylized[rows].astype(np.float32) - photo[rows]) @ LUMA
        colored[rows] = np.clip(np.rint(photo[rows] + lighter[..., None]), 0, 255)
    return colored


def enlarge(small: Array, small_photo: Array, photo: Array, detail: float) -> Array:
    """A painting at its photograph's size, with the fine detail that it had no place for.

    Args:
        small: (h, w, 3) uint8, the painting.
        small_photo: (h, w, 3) uint8, what was painted: `photo`, resized.
        photo: (H, W, 3) uint8.
        detail: How much of the luminance that `small_photo` lost is added; 0 to 1.

    Returns:
        (H, W, 3) uint8.
    """
    height, width = photo.shape[:2]
    painting, blurred = from_array(small), from_array(small_photo)
    enlarged = np.empty_like(photo)
    for rows in strips(height, width):
        strip, low = (_resized_rows(image, width, height, rows) for image in (painting, blurred))
        lost = (photo[rows].astype(np.float32) - low) @ LUMA
        enlarged[rows] = np.clip(np.rint(strip + detail * lost[..., None]), 0, 255)
    return enlarged


def flatten(image: Image.Image) -> Image.Image:
    """RGB of a decoded picture, with white behind what is transparent."""
    if image.mode != "RGBA":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
