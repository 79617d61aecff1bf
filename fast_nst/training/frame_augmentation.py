"""Frame augmentation: two views of a crop, as two consecutive frames of a video would show it.

Sensor noise becomes strokes that crawl, and a picture moved by less than the network's stride
gets other strokes. With the temporal loss between its paintings of both views, a network learns
temporal consistency from still photographs; Gupta et al. 2017 and others train on videos.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class FrameAugmentation:
    """How the second view of a crop differs from the first.

    Attributes:
        noise: Standard deviation of the sensor's noise, and of the change of brightness, as a
            share of the range.
        shift: Largest translation along each axis, in px.
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
