"""The loss by which a network learns another one's paintings."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

AREA = 4  # px, of the means that are compared beside the pixels


def distance(painted: Tensor, target: Tensor) -> Tensor:
    """The mean absolute difference of two batches, (N, 3, H, W), at full and at 1/4 resolution."""
    difference = painted.float() - target.float()
    return difference.abs().mean() + F.avg_pool2d(difference, AREA).abs().mean()
