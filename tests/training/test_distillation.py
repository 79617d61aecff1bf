"""What a network learns of another one's paintings."""

from __future__ import annotations

import pytest
import torch

from fast_nst.training.distillation import distance


def test_distance_is_of_pixels_and_of_areas():
    x = torch.zeros(1, 3, 8, 8)
    checks = torch.ones(8, 8)
    checks[::2, ::2] = checks[1::2, 1::2] = -1
    assert distance(x + 0.25, x).item() == pytest.approx(0.5)  # every pixel, and every area
    assert distance(x + 0.25 * checks, x).item() == pytest.approx(0.25)  # which areas do not see
