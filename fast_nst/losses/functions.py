"""Content, style and total variation loss, as Gatys et al. 2016 and Johnson et al. 2016 write them.

The pure functions are the papers' formulas; for a batch each returns the mean over its images.
Every sum is accumulated in float32 at least, whatever autocast says around it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

_Function = TypeVar("_Function", bound=Callable[..., Tensor])


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
def temporal_loss(images: Tensor, others: Tensor, shifts: Tensor) -> Tensor:
    """Mean squared difference of two frames' paintings where both show the same, batch mean.

    The temporal loss of Huang et al. 2017, with a known translation in place of the optical flow;
    pixels that one of the frames does not show are left out.

    Args:
        images: (N, 3, H, W) in [0, 1], of the first frames.
        others: (N, 3, H, W) in [0, 1], of the second frames.
        shifts: (N, 2) integers, px: how far these lie down and right.

    Returns:
        A scalar >= 0.
    """
    height, width = images.shape[2:]
    total = images.new_zeros(())
    for image, other, (down, right) in zip(images, others, shifts.tolist(), strict=True):
        overlap = image[:, max(down, 0) : height + down, max(right, 0) : width + right]
        same = other[:, max(-down, 0) : height - down, max(-right, 0) : width - right]
        total = total + (overlap - same).square().mean()
    return total / len(images)
