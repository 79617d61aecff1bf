"""Steady paintings: what a frame's neighbour in a film looks like, and how far theirs agree.

A sensor's noise becomes strokes that crawl, and a picture moved by less than the network's stride
gets other strokes. A network that sees each crop twice, as two neighbouring frames would show it,
learns to paint both alike (Gupta et al. 2017 and others train on real films for that).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from fast_nst.losses import consistency_loss

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Disturbance:
    """How the second view of a crop differs from the first.

    Attributes:
        noise: Of the sensor, and of the brightness: standard deviation, as a share of the range.
        shift: Largest distance along each axis, in px.
    """

    noise: float
    shift: int

    @property
    def margin(self) -> int:
        """How many px larger than a view the crop is that both are cut from, along each axis."""
        return 2 * self.shift

    def views(self, crop: Bytes, rng: np.random.Generator) -> tuple[Bytes, Bytes, tuple[int, int]]:
        """Two views of a crop.

        Args:
            crop: (H + margin, W + margin, 3) uint8.
            rng: Decides shift, brightness and noise.

        Returns:
            The crop's middle and the other view, (H, W, 3) uint8, and how far that lies down and
            right of the middle: at least 1 px in one direction, where there is a shift at all.
        """
        reach = self.shift
        height, width = crop.shape[0] - self.margin, crop.shape[1] - self.margin
        down = right = 0
        while reach and down == right == 0:
            down, right = (int(d) for d in rng.integers(-reach, reach, 2, endpoint=True))
        first = crop[reach : reach + height, reach : reach + width]
        moved = crop[reach + down :, reach + right :][:height, :width]
        noise = rng.standard_normal(moved.shape, dtype=np.float32) + rng.standard_normal()
        other = np.rint(moved + 255 * self.noise * noise).clip(0, 255).astype(np.uint8)
        return first, other, (down, right)


def disagreement(paintings: Tensor, others: Tensor, shifts: Tensor) -> Tensor:
    """`consistency_loss` of two views' paintings where both show the same, the batch mean.

    Args:
        paintings: (N, 3, H, W) in [0, 1], of the first views.
        others: (N, 3, H, W) in [0, 1], of the second ones.
        shifts: (N, 2) integers, how far these lie down and right.

    Returns:
        A scalar >= 0.
    """
    height, width = paintings.shape[2:]
    total = paintings.new_zeros(())
    for painting, other, (down, right) in zip(paintings, others, shifts.tolist(), strict=True):
        shared = painting[:, max(down, 0) : height + down, max(right, 0) : width + right]
        shared_too = other[:, max(-down, 0) : height - down, max(-right, 0) : width - right]
        total = total + consistency_loss(shared[None], shared_too[None])
    return total / len(paintings)
