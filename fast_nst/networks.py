"""The image transformation networks: a photograph in, a painting of the same size out.

    scale  johnson                     fine                               fast

    1      conv9 IN relu          32
    1/2    conv3/2 IN relu        64   conv5/2 IN relu           16 --+   conv5/2 relu            16
    1/4    conv3/2 IN relu       128   conv3/2 IN +noise relu    48   |   conv3/2 IN +noise relu  16
    1/4    5 residual blocks     128   5 residual blocks         48   |   5 residual blocks       16
    1/2    nearest conv3 IN relu  64   nearest conv3 IN          16   |   nearest conv3 relu      16
    1/2                                + conv1 of the skip, relu 16 <-+   conv3                   12
    1/2                                conv3 IN relu             16
    1      nearest conv3 IN relu  32   bilinear conv3 IN relu     8       pixel shuffle, sigmoid   3
    1      conv9 sigmoid           3   conv3 sigmoid              3

The numbers behind are channels; convK/2 is a KxK convolution of stride 2, IN an instance norm with
learned scale and shift, nearest and bilinear double the size. A residual block is x + conv3 IN relu
conv3 IN (x), in `fast` without the second norm. All pad by reflection.

Every network takes and returns (N, 3, H, W), RGB in [0, 1], for every H, W >= 1: `mirror` extends
the picture to a size that the strides divide, and `forward` crops the result. To add one, write its
class, draw it above, and name it in `NETWORKS`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fast_nst.errors import choose
from fast_nst.models.geometry import GEOMETRIES, Geometry


def _reflected(length: int, margin: int, total: int, device: torch.device) -> Tensor:
    """The source position of each of `total` positions, mirrored at both ends, `margin` first.

    A triangle wave, so that any margin works for any length: F.pad mirrors only once.
    """
    position = torch.arange(total, device=device) - margin
    last = torch.full((1,), length - 1, device=device)
    return last - (position % (2 * last).clamp(min=1) - last).abs()


def reflect_pad(
    images: Tensor,
    margin: int,
    extra: int,
    multiple: int,
    minimum: int = 1,
    axes: tuple[int, int] = (2, 3),
) -> Tensor:
    """Pad pictures by reflection, at the bottom and right up to a multiple.

    Args:
        images: (N, C, H, W), H, W >= 1, of any type.
        margin: Pixels added at the top and left.
        extra: Pixels added in all, beyond the multiple.
        multiple: H and W are first rounded up to a multiple of it,
        minimum: and to this, itself a multiple.
        axes: The axes of H and W, for other layouts.

    Returns:
        (N, C, H', W'), with the picture at [margin : margin + H, margin : margin + W].
    """
    for axis in axes:
        length = images.shape[axis]
        total: Any = (length + multiple - 1) // multiple * multiple
        if minimum > multiple:  # the length is a symbol during export, hence no max()
            total = torch.sym_max(total, minimum)
        source = _reflected(length, margin, total + extra, images.device)
        before = images.index_select(axis, source[:margin])
        # torch 2.11 knows no length of source[margin + length :]
        rest = source.narrow(0, margin + length, total + extra - margin - length)
        after = images.index_select(axis, rest)
        images = torch.cat([before, images, after], axis)
    return images


class ImageTransformation(nn.Module):
    """Base class: pads by reflection, paints, crops to the size of the input.

    Attributes:
        margin: Pixels of padding at the top and left.
        extra: Pixels of padding in all, beyond the next multiple of `multiple`.
        multiple: H and W are padded to a multiple of it, without `extra`.
        minimum: The smallest padded H and W, without `extra`.
        half_weights: Whether model files hold the convolutions' weights as float16, where that
            changes no picture by more than a level.
        geometry: Receptive field, stride and memory; written into model files.
    """

    margin: int = 0
    extra: int = 0
    multiple: int = 4
    minimum: int = 16
    half_weights: bool = False
    geometry: ClassVar[Geometry]

    def mirror(self, images: Tensor, axes: tuple[int, int] = (2, 3)) -> Tensor:
        """Pad (N, C, H, W) of any type for `paint`; `axes` are those of H and W."""
        return reflect_pad(images, self.margin, self.extra, self.multiple, self.minimum, axes)

    def paint(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """The network itself: padded (N, 3, H', W') in [0, 1] to (N, 3, H' - extra, W' - extra).

        Args:
            x: Padded by `mirror`.
            noise: See `forward`.
        """
        raise NotImplementedError

    def forward(self, images: Tensor, noise: Tensor | None = None) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same.

        Args:
            images: H, W >= 1.
            noise: N(0, 1), (N, 1, *noise_shape(H, W)), for networks that use it; the default is
                their fixed tile.
        """
        height, width = images.shape[-2:]
        return self.paint(self.mirror(images), noise)[..., :height, :width]


def _chain(block: type[nn.Module], width: int, count: int) -> nn.Sequential:
    """`count` blocks in a row, named block1, block2, ..."""
    return nn.Sequential(OrderedDict((f"block{i + 1}", block(width)) for i in range(count)))


class JohnsonBlock(nn.Module):
    """x + conv-norm-relu-conv-norm(x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1: nn.Conv2d = nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect")
        self.norm1: nn.InstanceNorm2d = nn.InstanceNorm2d(width, affine=True)
        self.conv2: nn.Conv2d = nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect")
        self.norm2: nn.InstanceNorm2d = nn.InstanceNorm2d(width, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return x + y


class Johnson(ImageTransformation):
    """The published network of Johnson et al. 2016, as it is usually trained today. No noise.

    Departures from the paper: instance norm for batch norm (Ulyanov et al. 2016), nearest
    upsampling + convolution for transposed convolution (Odena et al. 2016: no checkerboard),
    reflect padding at each convolution for one of 40 px at the start, sigmoid for a scaled tanh.

    Args:
        width: Channels of the first layer; 32 in the paper, others also train it with 16.
    """

    geometry: ClassVar[Geometry] = GEOMETRIES["johnson"]

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.conv1: nn.Conv2d = nn.Conv2d(3, width, 9, padding=4, padding_mode="reflect")
        self.norm1: nn.InstanceNorm2d = nn.InstanceNorm2d(width, affine=True)
        self.down1: nn.Conv2d = nn.Conv2d(
            width, 2 * width, 3, stride=2, padding=1, padding_mode="reflect"
        )
        self.down1_norm: nn.InstanceNorm2d = nn.InstanceNorm2d(2 * width, affine=True)
        self.down2: nn.Conv2d = nn.Conv2d(
            2 * width, 4 * width, 3, stride=2, padding=1, padding_mode="reflect"
        )
        self.down2_norm: nn.InstanceNorm2d = nn.InstanceNorm2d(4 * width, affine=True)
        self.blocks: nn.Sequential = _chain(JohnsonBlock, 4 * width, count=5)
        self.up1: nn.Conv2d = nn.Conv2d(4 * width, 2 * width, 3, padding=1, padding_mode="reflect")
        self.up1_norm: nn.InstanceNorm2d = nn.InstanceNorm2d(2 * width, affine=True)
        self.up2: nn.Conv2d = nn.Conv2d(2 * width, width, 3, padding=1, padding_mode="reflect")
        self.up2_norm: nn.InstanceNorm2d = nn.InstanceNorm2d(width, affine=True)
        self.conv2: nn.Conv2d = nn.Conv2d(width, 3, 9, padding=4, padding_mode="reflect")

    def paint(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same; H, W >= 16, multiples of 4."""
        x = F.relu(self.norm1(self.conv1(x)))  # full resolution, 32 channels
        x = F.relu(self.down1_norm(self.down1(x)))  # 1/2, 64
        x = F.relu(self.down2_norm(self.down2(x)))  # 1/4, 128
        x = self.blocks(x)
        x = F.relu(self.up1_norm(self.up1(F.interpolate(x, scale_factor=2.0))))  # 1/2, 64
        x = F.relu(self.up2_norm(self.up2(F.interpolate(x, scale_factor=2.0))))  # full, 32
        return torch.sigmoid(self.conv2(x))  # full, RGB


class NoisyTransformation(ImageTransformation):
    """Base class of networks with noise.

    At 1/4 resolution, each channel gets one noise map, times a learned amplitude. Without it, flat
    areas of a photograph, which say nothing about where strokes should lie, are painted as a
    regular weave.

    Args:
        width: Channels at 1/4 resolution.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.noise: nn.Parameter = nn.Parameter(torch.zeros(width))
        self.register_buffer("noise_tile", _noise_tile(), persistent=False)

    def with_noise(self, x: Tensor, noise: Tensor | None) -> Tensor:
        """(N, width, h, w) plus noise, (N or 1, 1, h, w) or (h, w); None is the fixed tile."""
        z = self.tiled_noise(*x.shape[-2:]) if noise is None else noise
        return x + self.noise.view(-1, 1, 1) * z

    def tiled_noise(self, height: int, width: int) -> Tensor:
        """The fixed tile, repeated over (height, width) at 1/4 resolution."""
        tile = self.get_buffer("noise_tile")
        rows, columns = (
            torch.arange(length, device=tile.device) % period
            for length, period in zip((height, width), tile.shape, strict=True)
        )
        return tile.index_select(0, rows).index_select(1, columns)


class FineBlock(nn.Module):
    """x + conv-norm-relu-conv-norm(x), padded once for both convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1: nn.Conv2d = nn.Conv2d(width, width, 3)
        self.norm1: nn.InstanceNorm2d = nn.InstanceNorm2d(width, affine=True)
        self.conv2: nn.Conv2d = nn.Conv2d(width, width, 3)
        self.norm2: nn.InstanceNorm2d = nn.InstanceNorm2d(width, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) to the same; H, W >= 3."""
        y = F.pad(x, (2, 2, 2, 2), mode="reflect")
        y = F.relu(self.norm1(self.conv1(y)))
        return x + self.norm2(self.conv2(y))


def _doubled(x: Tensor, mode: str) -> Tensor:
    """(N, C, h, w) to (N, C, 2h + 2, 2w + 2): upsampled, and padded for a 3x3 convolution."""
    x = F.pad(x, (1, 1, 1, 1), mode="reflect")
    return F.interpolate(x, scale_factor=2.0, mode=mode)[..., 1:-1, 1:-1]


class Fine(NoisyTransformation):
    """A ninth of `Johnson`'s arithmetic: norms everywhere, and no pixel shuffle at the end.

    Bilinear upsampling and two convolutions at full resolution cannot dither. The bare pixel
    shuffle that `Fast` ends in leaves a chroma pattern of one pixel, which VGG-19 hardly sees.
    """

    # One output of the 5x5 convolution of stride 2 beyond the picture on each side.
    margin: int = 3
    extra: int = 7
    half_weights = True
    quarter_width: int = 48  # channels at that resolution
    half_width: int = 16
    full_width: int = 8

    geometry: ClassVar[Geometry] = GEOMETRIES["fine"]

    def __init__(self) -> None:
        super().__init__(self.quarter_width)
        self.down1: nn.Conv2d = nn.Conv2d(3, self.half_width, 5, stride=2)
        self.down1_norm: nn.InstanceNorm2d = nn.InstanceNorm2d(self.half_width, affine=True)
        self.down2: nn.Conv2d = nn.Conv2d(self.half_width, self.quarter_width, 3, stride=2)
        self.down2_norm: nn.InstanceNorm2d = nn.InstanceNorm2d(self.quarter_width, affine=True)
        self.blocks: nn.Sequential = _chain(FineBlock, self.quarter_width, count=5)
        self.up1: nn.Conv2d = nn.Conv2d(self.quarter_width, self.half_width, 3)
        self.up1_norm: nn.InstanceNorm2d = nn.InstanceNorm2d(self.half_width, affine=True)
        self.skip: nn.Conv2d = nn.Conv2d(self.half_width, self.half_width, 1)
        self.mid: nn.Conv2d = nn.Conv2d(self.half_width, self.half_width, 3)
        self.mid_norm: nn.InstanceNorm2d = nn.InstanceNorm2d(self.half_width, affine=True)
        self.up2: nn.Conv2d = nn.Conv2d(self.half_width, self.full_width, 3)
        self.up2_norm: nn.InstanceNorm2d = nn.InstanceNorm2d(self.full_width, affine=True)
        self.head: nn.Conv2d = nn.Conv2d(self.full_width, 3, 3)

    def paint(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """(N, 3, H + 7, W + 7) in [0, 1] to (N, 3, H, W); H, W >= 16, multiples of 4."""
        stem = F.relu(self.down1_norm(self.down1(x)))  # 1/2 and a cell on each side, 16 channels
        x = self.down2_norm(self.down2(stem))  # 1/4, 48, and so are the blocks
        x = F.relu(self.with_noise(x, noise))
        x = self.blocks(x)
        x = self.up1_norm(self.up1(_doubled(x, "nearest")))  # 1/2, 16
        x = F.relu(x + self.skip(stem[..., 1:-1, 1:-1]))
        x = F.relu(self.mid_norm(self.mid(F.pad(x, (1, 1, 1, 1), mode="reflect"))))
        x = F.relu(self.up2_norm(self.up2(_doubled(x, "bilinear"))))  # full, 8
        return torch.sigmoid(self.head(F.pad(x, (1, 1, 1, 1), mode="reflect")))  # full, RGB


class FastBlock(nn.Module):
    """x + conv-norm-relu-conv(x), padded once for both convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1: nn.Conv2d = nn.Conv2d(width, width, 3)
        self.norm: nn.InstanceNorm2d = nn.InstanceNorm2d(width, affine=True)
        self.conv2: nn.Conv2d = nn.Conv2d(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) to the same; H, W >= 3."""
        y = F.pad(x, (2, 2, 2, 2), mode="reflect")
        y = F.relu(self.norm(self.conv1(y)))
        return x + self.conv2(y)


class Fast(NoisyTransformation):
    """A fiftieth of `Johnson`'s arithmetic, for video: 16 channels, none at full resolution."""

    # The 5x5 convolution needs 2 px at the top and left; both strided ones need 5 px in all.
    margin: int = 2
    extra: int = 5
    width = 16

    geometry: ClassVar[Geometry] = GEOMETRIES["fast"]

    def __init__(self) -> None:
        super().__init__(self.width)
        self.down1: nn.Conv2d = nn.Conv2d(3, self.width, 5, stride=2)
        self.down2: nn.Conv2d = nn.Conv2d(self.width, self.width, 3, stride=2)
        self.norm: nn.InstanceNorm2d = nn.InstanceNorm2d(self.width, affine=True)
        self.blocks: nn.Sequential = _chain(FastBlock, self.width, count=5)
        self.up1: nn.Conv2d = nn.Conv2d(self.width, self.width, 3)
        self.up2: nn.Conv2d = nn.Conv2d(self.width, 12, 3)

    def paint(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """(N, 3, H + 5, W + 5) in [0, 1] to (N, 3, H, W); H, W >= 16, multiples of 4."""
        x = F.relu(self.down1(x))  # 1/2 resolution, 16 channels
        x = self.norm(self.down2(x))  # 1/4, 16, and so are the blocks
        x = F.relu(self.with_noise(x, noise))
        x = self.blocks(x)
        x = F.interpolate(F.pad(x, (1, 1, 1, 1), mode="reflect"), scale_factor=2.0)
        x = F.relu(self.up1(x))  # 1/2, 16
        return torch.sigmoid(F.pixel_shuffle(self.up2(x), 2))  # full, RGB


def _noise_tile() -> Tensor:
    """The noise of inference, the same for all styles: (128, 128), N(0, 1).

    From NumPy's legacy generator, whose stream is frozen.
    """
    values = np.random.RandomState(0).standard_normal((128, 128))
    return torch.from_numpy(values.astype(np.float32))


def noise_shape(height: int, width: int) -> tuple[int, int]:
    """Shape of the noise map for a picture of this size: 1/4 of its padded size."""
    cells = [max(-(-length // 4), 4) for length in (height, width)]
    return cells[0], cells[1]


NETWORKS: dict[str, type[ImageTransformation]] = {"fine": Fine, "fast": Fast, "johnson": Johnson}


def build_network(name: str) -> ImageTransformation:
    """A freshly initialised network.

    Raises:
        UserError: No network has this name; the nearest that exists is named.
    """
    return NETWORKS[choose("network", name, NETWORKS)]()
