"""The terms of the loss: a class each, a formula of `functions` made independent of size, weighted.

To add one, write its formula and its class, and name it in `PerceptualLoss`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fast_nst.choices import check_layers
from fast_nst.errors import UserError
from fast_nst.losses.functions import (
    content_loss,
    gram_matrix,
    style_loss,
    temporal_loss,
    total_variation,
)
from fast_nst.vgg import VGG19


class LossInputs(NamedTuple):
    """What the terms of a `PerceptualLoss` are computed from."""

    images: Tensor  # generated, (N, 3, H, W), RGB in [0, 1]
    features: dict[str, Tensor]  # VGG-19 layer -> its activations for them, (N, C, h, w)
    content: dict[str, Tensor]  # the same of the photographs, in the content layers


class LossTerm(nn.Module):
    """A term of the loss, times its weight.

    Args:
        name: Of the term, for messages.
        weight: Above 0.
        layers: The VGG-19 layers whose activations it needs.

    Raises:
        UserError: The weight is not above 0.
    """

    def __init__(self, name: str, weight: float, layers: Iterable[str] = ()) -> None:
        super().__init__()
        if not 0 < weight < math.inf:
            raise UserError(f"{name}-weight is {weight:g}: it must be a number above 0")
        self.weight = weight
        self.layers: tuple[str, ...] = tuple(layers)


class ContentLoss(LossTerm):
    """`content_loss` divided by the feature map's N_l M_l, averaged over `layers`."""

    def __init__(self, weight: float, layers: Iterable[str]) -> None:
        super().__init__("content", weight, check_layers(layers))

    def forward(self, inputs: LossInputs) -> Tensor:
        """A scalar >= 0, the batch mean."""
        losses = [
            content_loss(inputs.features[layer], inputs.content[layer])
            / inputs.features[layer][0].numel()
            for layer in self.layers
        ]
        return self.weight * sum(losses[1:], losses[0]) / len(losses)


class GramStyleLoss(LossTerm):
    """`style_loss` as a share of its value for a picture without any style, averaged over `layers`.

    Args:
        weight: Above 0.
        layers: Where Gram matrices are compared.
        vgg: The feature extractor.
        images: The style images, (1, 3, H, W) each, RGB in [0, 1].
        shares: How much of each, see `PerceptualLoss`.

    Raises:
        UserError: A layer is unknown, or all styles leave it dark.
    """

    def __init__(
        self,
        weight: float,
        layers: Iterable[str],
        vgg: VGG19,
        images: Sequence[Tensor],
        shares: Sequence[float],
    ) -> None:
        super().__init__("style", weight, check_layers(layers))
        for layer, gram in self._mean_grams(vgg, images, shares).items():
            energy = style_loss(torch.zeros_like(gram), gram)
            if not energy > 0:
                raise UserError(
                    f"the style image leaves {layer} dark: use another image or other layers"
                )
            self.register_buffer(f"gram_{layer}", gram, persistent=False)
            self.register_buffer(f"energy_{layer}", energy, persistent=False)

    @torch.no_grad()
    def _mean_grams(
        self, vgg: VGG19, images: Sequence[Tensor], shares: Sequence[float]
    ) -> dict[str, Tensor]:
        grams: dict[str, Tensor] = {}
        for image, share in zip(images, shares, strict=True):
            features = vgg(image, self.layers)
            for layer in self.layers:
                gram = share * gram_matrix(features[layer])
                grams[layer] = grams[layer] + gram if layer in grams else gram
        return grams

    def forward(self, inputs: LossInputs) -> Tensor:
        """A scalar >= 0, the batch mean."""
        losses = [
            style_loss(gram_matrix(inputs.features[layer]), self.get_buffer(f"gram_{layer}"))
            / self.get_buffer(f"energy_{layer}")
            for layer in self.layers
        ]
        return self.weight * sum(losses[1:], losses[0]) / len(losses)


class TotalVariationLoss(LossTerm):
    """`total_variation` divided by the picture's H W."""

    def __init__(self, weight: float) -> None:
        super().__init__("tv", weight)

    def forward(self, inputs: LossInputs) -> Tensor:
        """A scalar >= 0, the batch mean."""
        height, width = inputs.images.shape[-2:]
        return self.weight * total_variation(inputs.images) / (height * width)


class TemporalLoss(LossTerm):
    """`temporal_loss`, which training adds to a `PerceptualLoss` for networks that paint videos."""

    def __init__(self, weight: float) -> None:
        super().__init__("temporal", weight)

    def forward(self, images: Tensor, others: Tensor, shifts: Tensor) -> Tensor:
        """A scalar >= 0, the batch mean; arguments as for `temporal_loss`."""
        return self.weight * temporal_loss(images, others, shifts)
