"""Content, style and total variation loss, as Gatys et al. 2016 and Johnson et al. 2016 write them.

The pure functions are the papers' formulas; for a batch each returns the mean over its images.
Every sum is accumulated in float32 at least, whatever autocast says around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TypeVar

import torch
from torch import Tensor, nn

from fast_nst.errors import UserError
from fast_nst.vgg import VGG19, check_layers

_Function = TypeVar("_Function", bound=Callable[..., Tensor])

PARTS = ("content", "style", "tv", "total")


def _in_float32(function: _Function) -> _Function:
    """Run on float32 copies of half-precision tensors, with autocast off."""

    @wraps(function)
    def wrapped(*tensors: Tensor) -> Tensor:
        half = (torch.float16, torch.bfloat16)
        with torch.autocast(tensors[0].device.type, enabled=False):
            return function(*(t.float() if t.dtype in half else t for t in tensors))

    return wrapped  # type: ignore[return-value]


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
    return positions.transpose(1, 2) @ positions / (h * w)


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


def check_weights(**weights: float) -> None:
    """Loss weights are finite numbers above zero.

    Raises:
        UserError: One is not, and which.
    """
    for name, value in weights.items():
        if not 0 < value < float("inf"):
            raise UserError(
                f"{name.replace('_', '-')} is {value:g}: it must be a number above 0 "
                "(a tiny one, like 1e-6, all but switches the term off)"
            )


class PerceptualLoss(nn.Module):
    """`content_weight * content + style_weight * style + tv_weight * tv` over named VGG features.

    Departures from the papers, so that one set of weights holds for pictures of any size and for
    any painting: content is divided by the feature map's N_l M_l, total variation by the picture's
    H W, and style at each layer by its value for a picture without any, `1 / (4 C^2) * sum A^2`,
    which differs up to 28-fold between our styles. Where several layers are named, each loss is
    the average over them. All features are divided by their layer's activation scale (`vgg.py`), so
    that weights carry over between sources of VGG-19.

    Args:
        vgg: The feature extractor; it must hold all layers named here.
        style_image: (1, 3, H, W), RGB in [0, 1].
        content_layers: Where content is compared.
        style_layers: Where Gram matrices are compared.
        content_weight: alpha, above 0.
        style_weight: beta, above 0.
        tv_weight: gamma, above 0.

    Raises:
        UserError: A layer is unknown or a weight is not above 0.
    """

    def __init__(
        self,
        vgg: VGG19,
        style_image: Tensor,
        content_layers: Iterable[str],
        style_layers: Iterable[str],
        content_weight: float,
        style_weight: float,
        tv_weight: float,
    ) -> None:
        super().__init__()
        check_weights(content_weight=content_weight, style_weight=style_weight, tv_weight=tv_weight)
        self.vgg = vgg
        self.content_layers = check_layers(content_layers)
        self.style_layers = check_layers(style_layers)
        self.layers = tuple(dict.fromkeys(self.content_layers + self.style_layers))
        self.content_weight = content_weight
        self.style_weight = style_weight
        self.tv_weight = tv_weight
        with torch.no_grad():
            features = vgg(style_image, self.style_layers)
        for layer in self.style_layers:
            gram = gram_matrix(features[layer])
            energy = style_loss(torch.zeros_like(gram), gram)
            if not energy > 0:
                raise UserError(
                    f"the style image leaves {layer} dark: use another image or other layers"
                )
            self.register_buffer(f"style_{layer}", gram, persistent=False)
            self.register_buffer(f"energy_{layer}", energy, persistent=False)

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
        features = self.vgg(generated, self.layers)
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
