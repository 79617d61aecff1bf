"""Pictures as torch tensors, RGB in [0, 1], and back."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from fast_nst.errors import UserError
from fast_nst.images import (
    flatten,
    from_array,
    open_image,
    resize_longest,
    resize_shortest,
    to_array,
)

SAMPLE_STYLE = Path(__file__).parent / "assets" / "sample_style.jpg"
SMALLEST_STYLE = 32


def open_photograph(path: Path, size: int | None = None) -> Image.Image:
    """An RGB photograph, its longer side `size` px if given; transparent parts lie on white.

    Raises:
        UserError: It cannot be read.
    """
    photo = flatten(open_image(path))
    return photo if size is None else resize_longest(photo, size)


def open_style(path: Path, size: int) -> Image.Image:
    """A style image with `size` px on its shorter side.

    Raises:
        UserError: It cannot be read or is under 32 px.
    """
    image = open_photograph(path)
    if min(image.size) < SMALLEST_STYLE:
        raise UserError(
            f"the style image {str(path)!r} is {image.width}x{image.height}: both sides must have "
            f"at least {SMALLEST_STYLE} px"
        )
    return resize_shortest(image, size)


def to_bytes(image: Image.Image) -> Tensor:
    """(3, H, W) uint8 of an RGB picture."""
    return torch.from_numpy(to_array(image).copy()).permute(2, 0, 1)


def to_tensor(image: Image.Image) -> Tensor:
    """(1, 3, H, W) float32 in [0, 1] of an RGB picture."""
    return to_bytes(image)[None].float() / 255


def to_image(picture: Tensor) -> Image.Image:
    """The RGB picture of (1, 3, H, W) in [0, 1], on any device; rounded to 8 bits."""
    levels = (picture[0].detach() * 255).round().clamp(0, 255).byte()
    return from_array(levels.permute(1, 2, 0).cpu().numpy())
