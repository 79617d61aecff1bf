"""ONNX files and their parameters: task arithmetic in memory.

All styles of a network, and its identity model, which reproduces the photograph, are trained from
one base. With P the parameters of the identity model and S those of a style, S - P is the style's
task vector, and P + w (S - P) a network of the same size and speed that paints the style more or
less strongly (task arithmetic: Ilharco et al. 2023; averages of fine-tuned networks: Wortsman et
al. 2022).

Only this module and `norm_stats` import `onnx`; painting with an unchanged file does not need it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError
from onnx import helper, numpy_helper

from fast_nst.assets import STARTS
from fast_nst.errors import UserError
from fast_nst.models.model import WeightedModel, normalized
from fast_nst.models.onnx_fields import PREFIX
from fast_nst.models.signature import Tensor, check_self_contained, check_signature
from fast_nst.version import __version__

NOISE_TILE = "noise_tile"
Parameters = Mapping[str, npt.NDArray[np.float32]]


class NoCommonBase(UserError):
    """A model does not mix with the styles, since it was not trained from the same base."""


def load(data: bytes, name: str) -> onnx.ModelProto:
    """Parse an ONNX file.

    Args:
        data: Its content.
        name: What error messages call it.

    Raises:
        UserError: It is not an ONNX model, or a damaged one.
    """
    try:
        return onnx.load_model_from_string(data)
    except DecodeError as error:
        raise UserError(f"{name} is not an ONNX model, or a damaged one") from error


def check_model(data: bytes, name: str) -> None:
    """Check that a file is a fast_nst model, by its inputs and outputs, without running it.

    Args:
        data: Its content.
        name: What error messages call it.

    Raises:
        UserError: It is not a model, or has other inputs or outputs or parameters in other files.
    """
    check_self_contained(data, name)
    graph = load(data, name).graph
    check_signature(name, map(_tensor, graph.input), map(_tensor, graph.output))


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    kind = value.type.tensor_type
    lengths = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
    types = {number: name.lower() for name, number in onnx.TensorProto.DataType.items()}
    return Tensor(value.name, types.get(kind.elem_type, "unknown"), lengths)


def metadata_of(model: onnx.ModelProto) -> dict[str, str]:
    """The metadata of a model file."""
    return {item.key: item.value for item in model.metadata_props}


def with_metadata(data: bytes, **metadata: str) -> bytes:
    """A copy of a model file with metadata added or replaced."""
    model = onnx.load_model_from_string(data)
    helper.set_model_props(model, {**metadata_of(model), **metadata})
    return model.SerializeToString()


def parameters(model: onnx.ModelProto) -> Parameters:
    """A network's parameters by their names in its state dict, as float32.

    They are the initializers whose names begin with `PREFIX`; files may store float16.
    """
    return {
        tensor.name.removeprefix(PREFIX): np.asarray(numpy_helper.to_array(tensor), np.float32)
        for tensor in model.graph.initializer
        if tensor.name.startswith(PREFIX)
    }


def fingerprint(values: Parameters) -> str:
    """SHA-256 over all parameters, one after the other in the order of their names.

    Args:
        values: Taken as float32, little-endian.
    """
    digest = hashlib.sha256()
    for name in sorted(values):
        digest.update(np.ascontiguousarray(values[name]).astype("<f4").tobytes())
    return digest.hexdigest()


def mix_parameters(
    identity: Parameters,
    styles: Sequence[Parameters],
    weights: Sequence[float],
    strength: float,
) -> Parameters:
    """`P + strength * k * sum_i w_i (S_i - P)`, the weights w divided by their sum.

    Task vectors of different styles are nearly orthogonal, so their mean is shorter than they are,
    and its painting pale: k scales it to the weighted mean of their lengths, which neither task
    arithmetic nor model soups do.

    Args:
        identity: P, any shapes.
        styles: Each S, with the names and shapes of `identity`.
        weights: At least 0 each, not all 0.
        strength: 0 is the identity model, 1 as long as the styles' task vectors.

    Returns:
        As `identity`, float32; the arithmetic is in float64.
    """
    weights = normalized(weights)
    vectors = [
        {name: style[name].astype(np.float64) - value for name, value in identity.items()}
        for style in styles
    ]
    mixed = {
        name: sum(w * vector[name] for w, vector in zip(weights, vectors, strict=True))
        for name in identity
    }
    length = _length(mixed)
    wanted = sum(w * _length(vector) for w, vector in zip(weights, vectors, strict=True))
    factor = strength * wanted / length if length > 0 else 0.0
    return {
        name: np.asarray(value + factor * mixed[name], np.float32)
        for name, value in identity.items()
    }


def _length(vector: Mapping[str, Any]) -> float:
    return math.sqrt(sum(float(np.square(values).sum()) for values in vector.values()))


@functools.cache
def _identity_model(network: str) -> onnx.ModelProto:
    """The package's identity model of a network; its SHA-256 is the metadata key `root`."""
    path = STARTS[network]["photograph"]
    model = load(path.read_bytes(), f"the identity model {path.name}")
    if fingerprint(parameters(model)) != metadata_of(model).get("root"):
        raise UserError(f"the identity model {str(path)!r} was changed: install fast_nst again")
    return model


def read_style(part: WeightedModel) -> tuple[Parameters, dict[str, str]]:
    """A style's parameters and metadata, if it mixes with others of its network.

    Raises:
        NoCommonBase: It was trained from another base than the package's, or its parameters do not
            fit the network that it names.
    """
    try:
        model = load(part.data, part.name)
    except UserError as error:
        raise NoCommonBase(str(error)) from error
    metadata = metadata_of(model)
    remedy = (
        "only styles trained from the package's base mix: train it with fast-nst train --init base"
    )
    if not metadata.get("root") or metadata.get("network") not in STARTS:
        raise NoCommonBase(f"{part.name} names no base; {remedy}")
    shipped = _identity_model(metadata["network"])
    if metadata["root"] != metadata_of(shipped)["root"]:
        raise NoCommonBase(f"{part.name} was trained from another base; {remedy}")
    identity = parameters(shipped)
    try:
        style = parameters(model)
    except (ValueError, TypeError) as error:
        raise NoCommonBase(f"{part.name} has damaged parameters: export it again") from error
    if {name: value.shape for name, value in style.items()} != {
        name: value.shape for name, value in identity.items()
    }:
        raise NoCommonBase(f"{part.name} has other parameters than its base; {remedy}")
    if not all(np.isfinite(value).all() for value in style.values()):
        raise NoCommonBase(f"{part.name} has parameters that are not finite; {remedy}")
    return style, metadata


def read_styles(parts: Sequence[WeightedModel]) -> list[tuple[Parameters, dict[str, str]]]:
    """`read_style` of several that are to be mixed with each other.

    Raises:
        NoCommonBase: One does not mix, or they are of different networks.
    """
    found = [read_style(part) for part in parts]
    names: dict[str, list[str]] = {}
    for part, (_, metadata) in zip(parts, found, strict=True):
        names.setdefault(metadata["network"], []).append(part.name)
    if len(names) > 1:
        listed = "; ".join(f"{', '.join(named)} of {network}" for network, named in names.items())
        raise NoCommonBase(f"styles of two networks do not mix: {listed}")
    return found


def mix(parts: Sequence[WeightedModel], strength: float) -> bytes:
    """A model file of several styles, or of one at another strength.

    Args:
        parts: The styles and their weights.
        strength: See `mix_parameters`.

    Returns:
        The identity model's graph with the mixed parameters. Its metadata key `blend` has the
        strength, and of each style the weight, title, recipe, initialization and the style image's
        SHA-256.

    Raises:
        NoCommonBase: A style does not mix.
    """
    found = read_styles(parts)
    shipped = _identity_model(found[0][1]["network"])
    model = onnx.ModelProto()
    model.CopyFrom(shipped)
    weights = normalized(part.weight for part in parts)
    styles = [style for style, _ in found]
    mixed = mix_parameters(parameters(model), styles, weights, strength)
    for tensor in model.graph.initializer:
        if tensor.name.startswith(PREFIX):
            value = mixed[tensor.name.removeprefix(PREFIX)]
            tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    metadata = _blend_metadata([metadata for _, metadata in found], weights, strength)
    del model.metadata_props[:]
    helper.set_model_props(model, {**metadata, "root": metadata_of(shipped)["root"]})
    return model.SerializeToString()


def _blend_metadata(
    parts: Sequence[Mapping[str, str]], weights: Sequence[float], strength: float
) -> dict[str, str]:
    titles = [part.get("title", "") for part in parts]
    if len(parts) == 1:
        title = titles[0]
    else:
        title = " + ".join(f"{t} {w:.3g}" for t, w in zip(titles, weights, strict=True))
    joined = {
        key: ", ".join(dict.fromkeys(part[key] for part in parts if part.get(key)))
        for key in ("artist", "year", "licence", "photographs", "credits")
    }
    blend = {
        "strength": strength,
        "parts": [
            {
                "share": weight,
                **{key: part.get(key, "") for key in ("title", "style", "style_sha256")},
                **{key: _decoded(part.get(key, "")) for key in ("recipe", "start", "blend")},
            }
            for part, weight in zip(parts, weights, strict=True)
        ],
    }
    return {
        "title": title,
        **joined,
        "network": parts[0].get("network", ""),
        "blend": json.dumps(blend),
        "fast_nst": __version__,
    }


def _decoded(text: str) -> Any:
    """The value of a JSON text; the text itself if it is none."""
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return text
