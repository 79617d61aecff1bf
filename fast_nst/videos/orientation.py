"""Applying a video's display matrix to its frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from fast_nst.pictures.edit import Array


class Orientation:
    """Rotates frames by multiples of 90 degrees and flips them, so that they are upright.

    Args:
        matrix: (2, 2) linear part of the display matrix, see `display_matrix`.

    Attributes:
        swaps_sides: Whether width and height change places.
    """

    def __init__(self, matrix: npt.NDArray[np.float64]) -> None:
        (x_to_x, x_to_y), (y_to_x, y_to_y) = matrix
        self.swaps_sides: bool = bool(abs(x_to_y) > abs(x_to_x))
        if self.swaps_sides:
            self._flips = (x_to_y < 0, y_to_x < 0)
        else:
            self._flips = (y_to_y < 0, x_to_x < 0)

    def __call__(self, pixels: Array) -> Array:
        """(H, W, 3) uint8 to an upright (H, W, 3) or (W, H, 3)."""
        if not (self.swaps_sides or any(self._flips)):
            return pixels
        upright = pixels.transpose(1, 0, 2) if self.swaps_sides else pixels
        vertical, horizontal = self._flips
        return np.ascontiguousarray(upright[:: -1 if vertical else 1, :: -1 if horizontal else 1])


def display_matrix(frame: VideoFrame) -> npt.NDArray[np.float64]:
    """The (2, 2) linear part of a frame's display matrix; the identity if there is none."""
    side_data: Any = frame.side_data
    found = side_data.get("DISPLAYMATRIX")
    if found is None or found.buffer_size < 36:
        return np.eye(2)
    numbers = np.frombuffer(bytes(found), np.int32)[:9].reshape(3, 3)
    matrix = numbers[:2, :2].astype(np.float64)
    return matrix if matrix.any() else np.eye(2)
