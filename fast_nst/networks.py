"""The image transformation networks: a photograph in, a painting of the same size out.

Every network takes and returns (N, 3, H, W), RGB in [0, 1], for every H, W >= 1. To add one, write
its class as a diagram and name it in `NETWORKS`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fast_nst.errors import choose


def _reflected(length: int, margin: int, total: int, device: torch.device) -> Tensor:
    """Which of `length` positions stands at each of `total`, mirrored at both ends, `margin` first.

    A triangle wave, so that any margin works for any length: F.pad mirrors only once.
    """
    position = torch.arange(total, device=device) - margin
    last = torch.full((1,), length - 1, device=device)
    return last - (position % (2 * last).clamp(min=1) - last).abs()


def reflect_pad(images: Tensor, margin: int, extra: int, multiple: int, minimum: int = 1) -> Tensor:
    """Mirror the picture outwards, at the bottom and right up to a convenient size.

    Args:
        images: (N, C, H, W), H, W >= 1.
        margin: Pixels added at the top and left.
        extra: Pixels added in all, where the size is convenient already.
        multiple: H and W are first rounded up to a multiple of it.
        minimum: And to this, itself a multiple.

    Returns:
        (N, C, H', W'), with the picture at [margin : margin + H, margin : margin + W].
    """
    for axis in (2, 3):
        length = images.shape[axis]
        total: Any = (length + multiple - 1) // multiple * multiple
        if minimum > multiple:  # the length is a symbol during export, hence no max()
            total = torch.sym_max(total, minimum)
        images = images.index_select(axis, _reflected(length, margin, total + extra, images.device))
    return images


def _chain(block: type[nn.Module], width: int, count: int) -> nn.Sequential:
    """`count` blocks in a row, named block1, block2, ..."""
    return nn.Sequential(OrderedDict((f"block{i + 1}", block(width)) for i in range(count)))


class JohnsonBlock(nn.Module):
    """x + conv-norm-relu-conv-norm(x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect")
        self.norm1 = nn.InstanceNorm2d(width, affine=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect")
        self.norm2 = nn.InstanceNorm2d(width, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return x + y


class Johnson(nn.Module):
    """The published network: Johnson et al. 2016, as everybody trains it today.

    Departures from the paper: instance norm for batch norm (Ulyanov et al. 2016), nearest
    upsampling + convolution for transposed convolution (Odena et al. 2016: no checkerboard),
    reflect padding at each convolution for one of 40 px at the start, sigmoid for a scaled tanh.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 9, padding=4, padding_mode="reflect")
        self.norm1 = nn.InstanceNorm2d(32, affine=True)
        self.down1 = nn.Conv2d(32, 64, 3, stride=2, padding=1, padding_mode="reflect")
        self.down1_norm = nn.InstanceNorm2d(64, affine=True)
        self.down2 = nn.Conv2d(64, 128, 3, stride=2, padding=1, padding_mode="reflect")
        self.down2_norm = nn.InstanceNorm2d(128, affine=True)
        self.blocks = _chain(JohnsonBlock, 128, count=5)
        self.up1 = nn.Conv2d(128, 64, 3, padding=1, padding_mode="reflect")
        self.up1_norm = nn.InstanceNorm2d(64, affine=True)
        self.up2 = nn.Conv2d(64, 32, 3, padding=1, padding_mode="reflect")
        self.up2_norm = nn.InstanceNorm2d(32, affine=True)
        self.conv2 = nn.Conv2d(32, 3, 9, padding=4, padding_mode="reflect")

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same."""
        height, width = images.shape[-2:]
        # At 16 px the 1/4 resolution still has the 2 px that reflection and norm need.
        x = reflect_pad(images, margin=0, extra=0, multiple=4, minimum=16)
        x = F.relu(self.norm1(self.conv1(x)))  # full resolution, 32 channels
        x = F.relu(self.down1_norm(self.down1(x)))  # 1/2, 64
        x = F.relu(self.down2_norm(self.down2(x)))  # 1/4, 128
        x = self.blocks(x)
        x = F.relu(self.up1_norm(self.up1(F.interpolate(x, scale_factor=2.0))))  # 1/2, 64
        x = F.relu(self.up2_norm(self.up2(F.interpolate(x, scale_factor=2.0))))  # full, 32
        x = torch.sigmoid(self.conv2(x))  # full, RGB
        return x[..., :height, :width]


class FastBlock(nn.Module):
    """x + conv-norm-relu-conv(x), without padding: two cells are used up on each side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3)
        self.norm = nn.InstanceNorm2d(width, affine=True)
        self.conv2 = nn.Conv2d(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) to (N, width, H - 4, W - 4)."""
        y = F.relu(self.norm(self.conv1(x)))
        y = self.conv2(y)
        return x[..., 2:-2, 2:-2] + y


class Fast(nn.Module):
    """A sixteenth of `Johnson`'s arithmetic: nothing at full resolution, 16 and 32 channels.

    The picture is mirrored outwards once and the convolutions use that up, as in Johnson et al.'s
    own network. Padding inside would tell the network where the border is, and it paints frames.
    """

    # One cell at 1/4 resolution is 4 px: 10 convolutions there use up 40, the others 6 or 7.
    margin, consumed = 46, 93

    def __init__(self) -> None:
        super().__init__()
        self.down1 = nn.Conv2d(3, 16, 5, stride=2)
        self.down2 = nn.Conv2d(16, 32, 3, stride=2)
        self.norm = nn.InstanceNorm2d(32, affine=True)
        self.blocks = _chain(FastBlock, 32, count=5)
        self.up1 = nn.Conv2d(32, 16, 3)
        self.up2 = nn.Conv2d(16, 12, 3)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same."""
        height, width = images.shape[-2:]
        x = reflect_pad(images, self.margin, self.consumed, multiple=4)
        x = F.relu(self.down1(x))  # 1/2 resolution, 16 channels
        x = F.relu(self.norm(self.down2(x)))  # 1/4, 32
        x = self.blocks(x)
        x = F.relu(self.up1(F.interpolate(x, scale_factor=2.0)))  # 1/2, 16
        x = torch.sigmoid(F.pixel_shuffle(self.up2(x), 2))  # full, RGB
        return x[..., :height, :width]


NETWORKS: dict[str, type[nn.Module]] = {"fast": Fast, "johnson": Johnson}


def build_network(name: str) -> nn.Module:
    """A freshly initialised network.

    Raises:
        UserError: No network has this name; the nearest that exists is named.
    """
    return NETWORKS[choose("network", name, NETWORKS)]()
