"""Frames as they lie in a file to frames that are upright."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from fast_nst.pictures.edit import Array


class Turn:
    """What makes frames upright, by quarter turns and mirrors.

    Args:
        matrix: (2, 2), from a pixel's place, right and down, to where it belongs.
    """

    def __init__(self, matrix: npt.NDArray[np.float64]) -> None:
        (right, down), (right_of_down, down_of_down) = matrix
        self.swaps = bool(abs(down) > abs(right))
        if self.swaps:
            self._flips = (down < 0, right_of_down < 0)
        else:
            self._flips = (down_of_down < 0, right < 0)

    def __call__(self, pixels: Array) -> Array:
        """(H, W, 3) to the same, or (W, H, 3)."""
        if not (self.swaps or any(self._flips)):
            return pixels
        turned = pixels.transpose(1, 0, 2) if self.swaps else pixels
        upside_down, mirrored = self._flips
        turned = turned[:: -1 if upside_down else 1, :: -1 if mirrored else 1]
        return np.ascontiguousarray(turned)


def display_matrix(frame: VideoFrame) -> npt.NDArray[np.float64]:
    """The part of a frame's display matrix that turns and mirrors."""
    side_data: Any = frame.side_data
    found = side_data.get("DISPLAYMATRIX")
    if found is None or found.buffer_size < 36:
        return np.eye(2)
    numbers = np.frombuffer(bytes(found), np.int32)[:9].reshape(3, 3)
    matrix = numbers[:2, :2].astype(np.float64)
    return matrix if matrix.any() else np.eye(2)
