"""A network that learns from another one's paintings: its loss, and whether it is better."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from fast_nst.losses import PerceptualLoss
from fast_nst.networks import ImageTransformation
from fast_nst.training.defects import MEASURES

AREA = 4  # px, of the means that are compared beside the pixels


def distance(painted: Tensor, target: Tensor) -> Tensor:
    """The mean absolute difference of two batches, (N, 3, H, W), at full and at 1/4 resolution."""
    difference = painted.float() - target.float()
    return difference.abs().mean() + F.avg_pool2d(difference, AREA).abs().mean()


@torch.no_grad()
def mean_loss(network: ImageTransformation, photographs: Tensor, loss: PerceptualLoss) -> float:
    """The mean total loss of photographs, painted with the noise of inference.

    Args:
        network: In evaluation mode, on the loss's device.
        photographs: (N, 3, H, W) uint8, as `Photographs.validation_photographs` returns them.
        loss: Of the style.
    """
    device = next(network.parameters()).device
    losses = []
    for photo in torch.split(photographs, 4):
        x = (photo.to(device).float() / 255).contiguous(memory_format=torch.channels_last)
        losses += [loss(network(x), loss.content_features(x))["total"].item()] * len(photo)
    return sum(losses) / len(losses)


def worse(before: Mapping[str, float], after: Mapping[str, float]) -> list[str]:
    """The measures that do not pass, and exceed their limits by more than before.

    Args:
        before: Values by measure, as `inspect` returns them.
        after: The same of a later model.
    """

    def excess(name: str, value: float) -> float:
        measure = MEASURES[name]
        return max(value - measure.most, measure.least - value, 0.0)

    return [
        name for name, value in after.items() if excess(name, value) > excess(name, before[name])
    ]
