"""Operations on decoded images: conversion, resizing, blending, colour transfer.

PIL images are "RGB" or "RGBA"; arrays are (H, W, 3) uint8, sRGB.
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
# Longest side in px; JPEG allows 65,535. In much longer, thinner images Pillow's row pointers take
# more memory than the pixels.
MAX_SIDE = 100_000
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, applied to gamma-encoded sRGB

_STRIP_PIXELS = 2_000_000  # bounds the memory of intermediate results
_NOISY = 1.25  # times that a scan is enlarged, from which on its noise shows


def strips(height: int, width: int, pixels: int = _STRIP_PIXELS) -> Iterator[slice]:
    """Split an image into row ranges of about `pixels` pixels each, one row at least."""
    rows = max(pixels // width, 1)
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))


def to_array(image: Image.Image) -> Array:
    """Convert an image of any mode to (H, W, 3) uint8, dropping transparency."""
    array = np.empty((image.height, image.width, 3), np.uint8)
    for rows in strips(*array.shape[:2]):
        strip = image.crop((0, rows.start, image.width, rows.stop))
        array[rows] = np.asarray(strip.convert("RGB"))
    return array


def from_array(array: Array) -> Image.Image:
    """Convert (H, W), (H, W, 3) or (H, W, 4) uint8 to an image of mode "L", "RGB" or "RGBA"."""
    return Image.fromarray(np.ascontiguousarray(array))


def _resized_rows(image: Image.Image, width: int, height: int, rows: slice) -> Array:
    """The given rows of an image resized to `width` x `height` with Lanczos."""
    scale = image.height / height
    halo = math.ceil(4 * max(1, scale))  # Lanczos has a radius of 3
    first = max(math.floor(rows.start * scale) - halo, 0)
    last = min(math.ceil(rows.stop * scale) + halo, image.height)
    # Horizontally first, whatever the strip's height: Pillow rounds and clips between the passes.
    strip = image.crop((0, first, image.width, last))
    strip = strip.resize((width, last - first), Image.Resampling.LANCZOS)
    box = (0, rows.start * scale - first, width, rows.stop * scale - first)
    size = width, rows.stop - rows.start
    return np.asarray(strip.resize(size, Image.Resampling.LANCZOS, box))


@dataclass(frozen=True)
class Pixels:
    """A decoded image as arrays, which need 3 bytes a pixel to Pillow's 4.

    Attributes:
        rgb: (H, W, 3) uint8, sRGB.
        alpha: (H, W) uint8; None for opaque images.
        exif: The EXIF block that the painting inherits; see `exif.kept_exif`.
    """

    rgb: Array
    alpha: Array | None = None
    exif: bytes = b""


def to_pixels(image: Image.Image) -> Pixels:
    """Convert an "RGB" or "RGBA" image."""
    alpha = np.asarray(image.getchannel("A")) if image.mode == "RGBA" else None
    return Pixels(to_array(image), alpha, image.info.get("exif", b""))


def to_image(pixels: Pixels) -> Image.Image:
    """Convert to an "RGB" or "RGBA" image."""
    image = from_array(pixels.rgb)
    if pixels.alpha is not None:
        image.putalpha(from_array(pixels.alpha))
    if pixels.exif:
        image.info["exif"] = pixels.exif
    return image


def to_channels(pixels: Pixels) -> Array:
    """Convert to (H, W, 3) uint8, or (H, W, 4) with an alpha channel."""
    if pixels.alpha is None:
        return pixels.rgb
    return np.dstack([pixels.rgb, pixels.alpha])


def scaled_size(size: tuple[int, int], factor: float) -> tuple[int, int]:
    """Scale width and height, rounded to whole pixels, at least 1."""
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def resize(
    image: Image.Image,
    size: tuple[int, int],
    resampling: Image.Resampling = Image.Resampling.LANCZOS,
) -> Image.Image:
    """Resize to (width, height); `image` itself if it has that size.

    Raises:
        UserError: A side exceeds `MAX_SIDE`, or memory runs out.
    """
    if size == image.size:
        return image
    if max(size) > MAX_SIDE:
        raise UserError(
            f"{size[0]}x{size[1]}: sides may have up to {MAX_SIDE:,} px: choose a smaller size"
        )
    try:
        return image.resize(size, resampling)
    except (MemoryError, OverflowError, ValueError, OSError) as error:
        raise UserError(
            f"out of memory for {size[0]}x{size[1]} px: choose a smaller size"
        ) from error


def _resize(image: Image.Image, size: int, side: Callable[[Sequence[int]], int]) -> Image.Image:
    return resize(image, scaled_size(image.size, size / side(image.size)))


def resize_longest(image: Image.Image, size: int) -> Image.Image:
    """Resize, keeping the aspect ratio, to a longer side of `size` px.

    Raises:
        UserError: See `resize`.
    """
    return _resize(image, size, max)


def resize_shortest(image: Image.Image, size: int) -> Image.Image:
    """Resize, keeping the aspect ratio, to a shorter side of `size` px.

    Raises:
        UserError: See `resize`.
    """
    return _resize(image, size, min)


def enlarge_scan(image: Image.Image, size: int) -> Image.Image:
    """Enlarge a scanned painting to a shorter side of `size` px, without the scan's noise.

    From `_NOISY` times on, noise and JPEG blocks would be seen as strokes: a median of 3x3 px
    before and after removes them. It keeps the edges of strokes, but lines of a px are lost. The
    edges, which enlarging has softened, are sharpened: a network paints no sharper than its style.

    Args:
        image: "RGB".
        size: In px, at least the image's shorter side.

    Raises:
        UserError: See `resize`.
    """
    from PIL import ImageFilter  # which painting does not need

    factor = size / min(image.size)
    enlarged = scaled_size(image.size, factor)
    if factor < _NOISY:
        return resize(image, enlarged, Image.Resampling.BICUBIC)
    median = ImageFilter.MedianFilter(3)
    large = resize(image.filter(median), enlarged, Image.Resampling.BICUBIC).filter(median)
    return large.filter(ImageFilter.UnsharpMask(radius=2, percent=150, threshold=2))


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
    """Combine the painting's luma with the photograph's chroma; all (H, W, 3) uint8.

    Luminance-only transfer of Gatys et al. 2016, "Preserving Color in Neural Artistic Style
    Transfer", in Y'CbCr rather than YIQ: at constant chroma a change of luma adds the same value to
    red, green and blue, so no conversion is needed.
    """
    colored = np.empty_like(photo)
    for rows in strips(*photo.shape[:2]):
        lighter = (stylized[rows].astype(np.float32) - photo[rows]) @ LUMA
        colored[rows] = np.clip(np.rint(photo[rows] + lighter[..., None]), 0, 255)
    return colored


def enlarge(small: Array, small_photo: Array, photo: Array, detail: float) -> Array:
    """Enlarge a painting to its photograph's size, adding the luma lost to downscaling.

    Args:
        small: (h, w, 3) uint8, the painting of `small_photo`.
        small_photo: (h, w, 3) uint8, `photo` downscaled.
        photo: (H, W, 3) uint8.
        detail: Share of the luma lost between `photo` and `small_photo` to add, 0 to 1.

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
    """Composite an "RGBA" image onto white; other images are returned unchanged."""
    if image.mode != "RGBA":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
