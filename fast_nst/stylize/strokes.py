"""Strokes larger or finer than trained: a smaller or larger copy is painted."""

from __future__ import annotations

from collections.abc import Callable

from fast_nst.errors import UserError
from fast_nst.pictures.edit import Array, enlarge, from_array, resize, scaled_size, to_array

LEAST_STROKE_SCALE, MOST_STROKE_SCALE = 0.1, 10
LOST_DETAIL = 0.5  # of the luma that the smaller copy lost, added back


def check_stroke_scale(factor: float) -> None:
    """Refuse a factor that is out of range.

    Raises:
        UserError: It is.
    """
    if not LEAST_STROKE_SCALE <= factor <= MOST_STROKE_SCALE:
        raise UserError(
            f"stroke_scale is {factor:g}: it must be from {LEAST_STROKE_SCALE:g} (finer strokes) "
            f"over 1 (as trained) to {MOST_STROKE_SCALE:g} (larger)"
        )


def at_stroke_scale(pixels: Array, factor: float, paint: Callable[[Array], Array]) -> Array:
    """A painting with strokes so many times larger.

    Args:
        pixels: (H, W, 3) uint8.
        factor: Of the strokes.
        paint: The network.

    Returns:
        (H, W, 3) uint8.
    """
    size = pixels.shape[1], pixels.shape[0]
    small_size = scaled_size(size, 1 / factor)
    if small_size == size:
        return paint(pixels)
    small = to_array(resize(from_array(pixels), small_size))
    return enlarge(paint(small), small, pixels, LOST_DETAIL)
