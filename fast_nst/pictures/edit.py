"""What is done to decoded pictures: arrays, sizes, blends, colours.

PIL images are "RGB" or "RGBA"; arrays are uint8 (H, W, 3), sRGB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from fast_nst.errors import UserError

Array = npt.NDArray[np.uint8]


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
