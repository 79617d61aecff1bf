"""The fine structure of a photograph, put back on its painting.

What is added is the difference of luma and blurred luma, held between what a morphological closing
and an opening take away. A step edge passes both unchanged, so nothing is added beside it, where an
unsharp mask leaves a halo; what is thinner than their window, as an antenna, keeps its contrast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fast_nst.errors import UserError
from fast_nst.pictures.edit import LUMA, Array, strips

DETAIL = 0.3  # of pictures; films have none, where it would flicker
_SIDE_OF_A_PIXEL = 512  # px of the longer side for each pixel of the blur's sigma
_LEAST_SIGMA = 0.5  # px
_MOST_ASPECT = 8  # longer pictures count as so long, or what is around them would fill the memory
_STRIP_PIXELS = 500_000  # so that much of what is calculated stays in the processor's cache

Luma = npt.NDArray[np.float32]


def check_detail(detail: float) -> None:
    """Refuse a share of detail that is out of range.

    Raises:
        UserError: It is.
    """
    if not 0 <= detail <= 1:
        raise UserError(
            f"detail is {detail:g}: it must be from 0 (the bare painting) to 1 (all of the "
            "photograph's fine structure)"
        )


def add_detail(photo: Array, painting: Array, detail: float) -> Array:
    """`painting + detail * D`, with the fine structure D of the photograph's luma L.

    D is `L - blur(L)`, limited to `L - closing(L)` from below and `L - opening(L)` from above. The
    blur is Gaussian, with a sigma of 2 px at a longer side of 1,024 px and in proportion at others;
    closing and opening have a square window of a radius of two sigma. Beyond the borders, the
    outermost pixels are repeated.

    Args:
        photo: (H, W, 3) uint8.
        painting: (H, W, 3) uint8.
        detail: From 0, which gives the painting itself, to 1.

    Returns:
        (H, W, 3) uint8.
    """
    if detail == 0:
        return painting
    height, width = photo.shape[:2]
    longer = min(max(height, width), _MOST_ASPECT * min(height, width))
    sigma = max(longer / _SIDE_OF_A_PIXEL, _LEAST_SIGMA)
    weights, radius = _gaussian(sigma), int(2 * sigma + 0.5)
    reach = max(len(weights) // 2, 2 * radius)
    detailed = np.empty_like(painting)
    for rows in strips(height, width, max(_STRIP_PIXELS, 2 * reach * width)):
        around = np.arange(rows.start - reach, rows.stop + reach).clip(0, height - 1)
        luma = np.pad(_luma(photo[around]), ((0, 0), (reach, reach)), "edge")
        added = np.float32(detail) * _fine(luma, weights, radius, reach)
        detailed[rows] = np.clip(np.rint(painting[rows] + added[..., None]), 0, 255)
    return detailed


def _gaussian(sigma: float) -> list[float]:
    """Weights with a sum of 1, from three sigma before the middle to three after it."""
    half = int(3 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    return [float(weight) for weight in weights / weights.sum()]


def _luma(pixels: Array) -> Luma:
    # Pixel by pixel: a matrix product may round in another way in strips of another height.
    red, green, blue = (
        pixels[..., channel].astype(np.float32) * LUMA[channel] for channel in range(3)
    )
    return red + green + blue


def _fine(luma: Luma, weights: list[float], radius: int, reach: int) -> Luma:
    """D of what lies `reach` pixels and more inside the borders."""
    inner = _without(luma, reach)
    near = _without(luma, reach - len(weights) // 2)
    high = inner - _both_ways(near, _weighted, weights)
    near = _without(luma, reach - 2 * radius)
    size = 2 * radius + 1
    opening = _both_ways(_both_ways(near, _extreme, size, np.minimum), _extreme, size, np.maximum)
    closing = _both_ways(_both_ways(near, _extreme, size, np.maximum), _extreme, size, np.minimum)
    return np.clip(high, inner - closing, inner - opening)


def _without(luma: Luma, margin: int) -> Luma:
    return luma[margin : luma.shape[0] - margin, margin : luma.shape[1] - margin]


def _both_ways(luma: Luma, filtered: Callable[..., Luma], *arguments: Any) -> Luma:
    """Down the columns, and then along the rows."""
    return filtered(filtered(luma, *arguments).T, *arguments).T


def _weighted(luma: Luma, weights: list[float]) -> Luma:
    """The weighted sum of each as many rows as there are weights, which are symmetric."""
    half, count = len(weights) // 2, len(luma) - len(weights) + 1
    total = np.float32(weights[half]) * luma[half : half + count]
    pair = np.empty_like(total)
    for first in range(half):
        last = len(weights) - 1 - first
        np.add(luma[first : first + count], luma[last : last + count], out=pair)
        pair *= np.float32(weights[first])
        total += pair
    return total


def _extreme(luma: Luma, size: int, chosen: Callable[[Luma, Luma], Luma]) -> Luma:
    """The least, or the most, of each `size` rows that follow each other."""
    covered = 1
    while covered < size:
        step = min(covered, size - covered)
        luma = chosen(luma[:-step], luma[step:])
        covered += step
    return luma
