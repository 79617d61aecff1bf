"""The loss that training and the reference path minimise."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from fast_nst.errors import UserError
from fast_nst.loss_settings import LossSettings
from fast_nst.losses.terms import ContentLoss, GramStyleLoss, LossInputs, TotalVariationLoss
from fast_nst.vgg import VGG19


def _normalized(shares: Sequence[float] | None, count: int) -> list[float]:
    """As many shares as there are styles, with the sum 1."""
    given = [1.0] * count if shares is None else list(shares)
    if not given or len(given) != count:
        raise UserError(f"{count} style images and {len(given)} shares: give one for each")
    if not all(0 < share < math.inf for share in given):
        raise UserError(f"the styles' shares are {given}: each must be a number above 0")
    return [share / sum(given) for share in given]


class PerceptualLoss(nn.Module):
    """`content_weight * content + style_weight * style + tv_weight * tv` over named VGG features.

    Departures from the papers, so that one set of weights holds for pictures of any size and for
    any painting: content is divided by the feature map's N_l M_l, total variation by the picture's
    H W, and style at each layer by its value for a picture without any, `1 / (4 C^2) * sum A^2`,
    which differs up to 28-fold between our styles. Where several layers are named, each loss is
    the average over them. All features are divided by their layer's activation scale (`vgg.py`), so
    that weights carry over between sources of VGG-19.

    Several styles give one target: the mean of their Gram matrices, weighted by `style_shares`.
    That is the Gram matrix of a canvas with such shares of its area painted in each style.

    Args:
        vgg: The feature extractor; it must hold all layers named here.
        style_image: (1, 3, H, W), RGB in [0, 1], or several of any sizes.
        content_layers: Where content is compared.
        style_layers: Where Gram matrices are compared.
        content_weight: alpha, above 0.
        style_weight: beta, above 0.
        tv_weight: gamma, above 0.
        style_shares: How much of each style, above 0; default: equal. Only their ratios count.

    Attributes:
        layers: All VGG-19 layers that the terms need.

    Raises:
        UserError: A layer is unknown, a weight is not above 0, or a style leaves a layer dark.
    """

    def __init__(
        self,
        vgg: VGG19,
        style_image: Tensor | Sequence[Tensor],
        content_layers: Iterable[str],
        style_layers: Iterable[str],
        content_weight: float,
        style_weight: float,
        tv_weight: float,
        style_shares: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        images = [style_image] if isinstance(style_image, Tensor) else list(style_image)
        self.vgg = vgg
        self.style_shares: list[float] = _normalized(style_shares, len(images))
        self.content: ContentLoss = ContentLoss(content_weight, content_layers)
        self.style: GramStyleLoss = GramStyleLoss(
            style_weight, style_layers, vgg, images, self.style_shares
        )
        self.tv: TotalVariationLoss = TotalVariationLoss(tv_weight)
        self.layers: tuple[str, ...] = tuple(dict.fromkeys(self.content.layers + self.style.layers))

    def with_style(self, style_image: Tensor | Sequence[Tensor]) -> PerceptualLoss:
        """The same loss for other style images, or for the same at another size.

        Args:
            style_image: As the class takes it, on its device; as many as before, same shares.
        """
        return PerceptualLoss(
            self.vgg,
            style_image,
            self.content.layers,
            self.style.layers,
            self.content.weight,
            self.style.weight,
            self.tv.weight,
            self.style_shares,
        )

    @torch.no_grad()
    def content_features(self, photographs: Tensor) -> dict[str, Tensor]:
        """The target of the content loss, without gradient, from no layer deeper than needed.

        Args:
            photographs: (N, 3, H, W), RGB in [0, 1].
        """
        return self.vgg(photographs, self.content.layers)

    def forward(self, generated: Tensor, content: dict[str, Tensor]) -> dict[str, Tensor]:
        """The weighted terms and their sum, each a scalar batch mean.

        Args:
            generated: (N, 3, H, W), RGB in [0, 1].
            content: `content_features` of the photographs, of the same size.

        Returns:
            "content", "style", "tv" and "total".
        """
        return self.of_features(generated, self.vgg(generated, self.layers), content)

    def of_features(
        self, generated: Tensor, features: dict[str, Tensor], content: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """`forward` for features that are known.

        Args:
            generated: (N, 3, H, W), RGB in [0, 1].
            features: Its activations in all of `layers`.
            content: As `forward` takes it.

        Returns:
            As `forward`.
        """
        inputs = LossInputs(generated, features, content)
        terms = {"content": self.content, "style": self.style, "tv": self.tv}
        parts = {name: term(inputs) for name, term in terms.items()}
        return {**parts, "total": torch.stack(tuple(parts.values())).sum()}


def build_loss(
    settings: LossSettings,
    style_image: Tensor | Sequence[Tensor],
    style_shares: Sequence[float] | None = None,
) -> PerceptualLoss:
    """A `PerceptualLoss` with a VGG-19 of its own, on the style images' device.

    Args:
        settings: Layers, weights, VGG-19 source and pooling.
        style_image: As `PerceptualLoss` takes it.
        style_shares: As `PerceptualLoss` takes it.

    Raises:
        UserError: A setting cannot be used.
    """
    layers = dict.fromkeys([*settings.content_layers, *settings.style_layers])
    first = style_image if isinstance(style_image, Tensor) else style_image[0]
    vgg = VGG19(layers, settings.vgg, settings.pooling).to(first.device)
    return PerceptualLoss(
        vgg,
        style_image,
        settings.content_layers,
        settings.style_layers,
        settings.content_weight,
        settings.style_weight,
        settings.tv_weight,
        style_shares,
    )
