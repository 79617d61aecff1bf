"""Detail transfer: adds a photograph's fine structure to its painting.

The added detail is luma minus blurred luma, clamped to the residues of a morphological closing and
opening. Both leave a step edge unchanged, so no ringing appears beside it, as it would with an
unsharp mask. Structures thinner than the window, such as antennas, keep their contrast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fast_nst.errors import UserError
from fast_nst.pictures.edit import LUMA, Array, strips

DETAIL = 0.3  # default for still images; video uses 0, since detail flickers
_SIDE_PER_SIGMA = 512  # px of the longer side per px of the blur's sigma
_MIN_SIGMA = 0.5  # px
_MAX_ASPECT = 8  # caps the halo of very long images, which would fill the memory
_STRIP_PIXELS = 500_000  # small enough that intermediate results stay in the CPU cache

Luma = npt.NDArray[np.float32]


def check_detail(detail: float) -> None:
    """Check the range of `detail`.

    Raises:
        UserError: `detail` is outside 0 to 1.
    """
    if not 0 <= detail <= 1:
        raise UserError(
            f"detail is {detail:g}: it must be from 0 (none) to 1 (all of the photograph's fine "
            "structure)",
            "detail",
        )


def add_detail(photo: Array, painting: Array, detail: float) -> Array:
    """Return `painting + detail * D`, where D is the fine structure of the photograph's luma L.

    D is `L - blur(L)`, clamped to `[L - closing(L), L - opening(L)]`. The blur is Gaussian; its
    sigma is 2 px at a longer side of 1,024 px and scales with it. Closing and opening use a square
    window with a radius of two sigma. Borders are edge-padded.

    Args:
        photo: (H, W, 3) uint8.
        painting: (H, W, 3) uint8.
        detail: 0 to 1; 0 returns `painting` itself.

    Returns:
        (H, W, 3) uint8.
    """
    if detail == 0:
        return painting
    height, width = photo.shape[:2]
    longer = min(max(height, width), _MAX_ASPECT * min(height, width))
    sigma = max(longer / _SIDE_PER_SIGMA, _MIN_SIGMA)
    kernel, radius = _gaussian(sigma), int(2 * sigma + 0.5)
    halo = max(len(kernel) // 2, 2 * radius)
    detailed = np.empty_like(painting)
    for rows in strips(height, width, max(_STRIP_PIXELS, 2 * halo * width)):
        padded = np.arange(rows.start - halo, rows.stop + halo).clip(0, height - 1)
        luma = np.pad(_luma(photo[padded]), ((0, 0), (halo, halo)), "edge")
        added = np.float32(detail) * _fine_structure(luma, kernel, radius, halo)
        detailed[rows] = np.clip(np.rint(painting[rows] + added[..., None]), 0, 255)
    return detailed


def _gaussian(sigma: float) -> list[float]:
    """A normalized Gaussian kernel, truncated at three sigma."""
    half = int(3 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    return [float(weight) for weight in weights / weights.sum()]


def _luma(pixels: Array) -> Luma:
    # Elementwise: the rounding of a matrix product may depend on the strip's height.
    red, green, blue = (
        pixels[..., channel].astype(np.float32) * LUMA[channel] for channel in range(3)
    )
    return red + green + blue


def _fine_structure(luma: Luma, kernel: list[float], radius: int, halo: int) -> Luma:
    """D without the outer `halo` pixels of `luma`."""
    inner = _crop(luma, halo)
    near = _crop(luma, halo - len(kernel) // 2)
    high = inner - _separable(near, _convolve, kernel)
    near = _crop(luma, halo - 2 * radius)
    size = 2 * radius + 1
    opening = _separable(_separable(near, _extremum, size, np.minimum), _extremum, size, np.maximum)
    closing = _separable(_separable(near, _extremum, size, np.maximum), _extremum, size, np.minimum)
    return np.clip(high, inner - closing, inner - opening)


def _crop(luma: Luma, margin: int) -> Luma:
    return luma[margin : luma.shape[0] - margin, margin : luma.shape[1] - margin]


def _separable(luma: Luma, apply: Callable[..., Luma], *arguments: Any) -> Luma:
    """Apply a one-dimensional filter along the columns, then along the rows."""
    return apply(apply(luma, *arguments).T, *arguments).T


def _convolve(luma: Luma, kernel: list[float]) -> Luma:
    """Convolve along the columns with a symmetric kernel, without padding."""
    half, count = len(kernel) // 2, len(luma) - len(kernel) + 1
    total = np.float32(kernel[half]) * luma[half : half + count]
    pair = np.empty_like(total)
    for first in range(half):
        last = len(kernel) - 1 - first
        np.add(luma[first : first + count], luma[last : last + count], out=pair)
        pair *= np.float32(kernel[first])
        total += pair
    return total


def _extremum(luma: Luma, size: int, combine: Callable[[Luma, Luma], Luma]) -> Luma:
    """Sliding minimum or maximum over `size` rows, without padding."""
    covered = 1
    while covered < size:
        step = min(covered, size - covered)
        luma = combine(luma[:-step], luma[step:])
        covered += step
    return luma
