"""Graphs made in memory from exported files: style vectors, as arithmetic on their parameters.

All styles descend from one root, the network that gives the photograph back. With P the root's
parameters and S a style's, S - P is the style's vector, and P + w (S - P) a network of the same
size and speed that paints the style more or less boldly (task arithmetic: Ilharco et al. 2023;
averages of fine-tuned networks: Wortsman et al. 2022).

This module alone reads and writes ONNX files with `onnx`; painting with a file as it is needs none
of it.
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
from fast_nst.models.initializers import PREFIX
from fast_nst.models.model import Part, normalized
from fast_nst.version import __version__

NOISE_TILE = "noise_tile"
Parameters = Mapping[str, npt.NDArray[np.float32]]


class NoCommonRoot(UserError):
    """A model whose parameters cannot be mixed with those of the styles."""


def load(data: bytes, name: str) -> onnx.ModelProto:
    """An ONNX file's content.

    Args:
        data: The file.
        name: What to call it in an error.

    Raises:
        UserError: It is something else.
    """
    try:
        return onnx.load_model_from_string(data)
    except DecodeError as error:
        raise UserError(f"{name} is not an ONNX model, or a damaged one") from error


def metadata_of(model: onnx.ModelProto) -> dict[str, str]:
    """What a model says of itself."""
    return {item.key: item.value for item in model.metadata_props}


def with_metadata(data: bytes, **metadata: str) -> bytes:
    """A model file with more to say of itself; what it said under the same names is replaced."""
    model = onnx.load_model_from_string(data)
    helper.set_model_props(model, {**metadata_of(model), **metadata})
    return model.SerializeToString()


def parameters(model: onnx.ModelProto) -> Parameters:
    """A network's parameters by the names in its state dict, which its file has behind `PREFIX`.

    As float32, also where the file has float16.
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
    root: Parameters, styles: Sequence[Parameters], shares: Sequence[float], strength: float
) -> Parameters:
    """`P + strength * k * sum_i s_i (S_i - P)`, the shares s divided by their sum.

    Vectors of different styles are nearly orthogonal, so their mean is shorter than they are, and
    pale: k gives it the mean of their lengths, weighted by the shares. This is ours; task
    arithmetic and model soups leave the length as it comes.

    Args:
        root: P, any shapes.
        styles: Each S, with the names and shapes of `root`.
        shares: At least 0 each, not all 0.
        strength: 0 is the root, 1 as long as the styles are.

    Returns:
        As `root`, float32; the arithmetic is in float64.
    """
    weights = normalized(shares)
    vectors = [
        {name: style[name].astype(np.float64) - value for name, value in root.items()}
        for style in styles
    ]
    mixed = {
        name: sum(w * vector[name] for w, vector in zip(weights, vectors, strict=True))
        for name in root
    }
    length = _length(mixed)
    kept = sum(w * _length(vector) for w, vector in zip(weights, vectors, strict=True))
    factor = strength * kept / length if length > 0 else 0.0
    return {
        name: np.asarray(value + factor * mixed[name], np.float32) for name, value in root.items()
    }


def _length(vector: Mapping[str, Any]) -> float:
    return math.sqrt(sum(float(np.square(values).sum()) for values in vector.values()))


@functools.cache
def _root(network: str) -> onnx.ModelProto:
    """The package's root of a network, whose parameters are those its SHA-256 was taken of."""
    path = STARTS[network]["photograph"]
    model = load(path.read_bytes(), f"the root {path.name}")
    if fingerprint(parameters(model)) != metadata_of(model).get("root"):
        raise UserError(f"the root {str(path)!r} is not as it was shipped: install fast_nst again")
    return model


def style_parameters(part: Part) -> tuple[Parameters, dict[str, str]]:
    """A style's parameters and metadata, if it can be mixed with others of its network.

    Raises:
        NoCommonRoot: It descends from no root, or from another one than the package's of its
            network, or it is not what it says.
    """
    try:
        model = load(part.data, part.name)
    except UserError as error:
        raise NoCommonRoot(str(error)) from error
    metadata = metadata_of(model)
    remedy = (
        "only what was trained from the package's base mixes: train it with --start base or "
        "photograph"
    )
    if not metadata.get("root") or metadata.get("network") not in STARTS:
        raise NoCommonRoot(f"{part.name} names no root; {remedy}")
    shipped = _root(metadata["network"])
    if metadata["root"] != metadata_of(shipped)["root"]:
        raise NoCommonRoot(f"{part.name} descends from another root; {remedy}")
    root = parameters(shipped)
    try:
        style = parameters(model)
    except (ValueError, TypeError) as error:
        raise NoCommonRoot(f"{part.name} has damaged parameters: export it again") from error
    if {name: value.shape for name, value in style.items()} != {
        name: value.shape for name, value in root.items()
    }:
        raise NoCommonRoot(
            f"{part.name} names the package's root, but has other parameters than it: {remedy}"
        )
    if not all(np.isfinite(value).all() for value in style.values()):
        raise NoCommonRoot(f"{part.name} holds parameters that are no numbers; {remedy}")
    return style, metadata


def styles_parameters(parts: Sequence[Part]) -> list[tuple[Parameters, dict[str, str]]]:
    """`style_parameters` of several that are to be mixed with each other.

    Raises:
        NoCommonRoot: One cannot be mixed, or they are of different networks.
    """
    found = [style_parameters(part) for part in parts]
    names: dict[str, list[str]] = {}
    for part, (_, metadata) in zip(parts, found, strict=True):
        names.setdefault(metadata["network"], []).append(part.name)
    if len(names) > 1:
        said = "; ".join(f"{', '.join(named)} of {network}" for network, named in names.items())
        raise NoCommonRoot(f"styles of two networks do not mix, and here are {said}")
    return found


def mix(parts: Sequence[Part], strength: float) -> bytes:
    """A model file of several styles, or of one at another strength.

    Args:
        parts: The styles with their shares.
        strength: See `mix_parameters`.

    Returns:
        The root's graph with the mixed parameters. Its metadata tells `blend`: the strength, and of
        each part the share, title, recipe, start and style image's SHA-256.

    Raises:
        NoCommonRoot: A part cannot be mixed.
    """
    found = styles_parameters(parts)
    shipped = _root(found[0][1]["network"])
    model = onnx.ModelProto()
    model.CopyFrom(shipped)
    root = parameters(model)
    shares = normalized([part.share for part in parts])
    mixed = mix_parameters(root, [style for style, _ in found], shares, strength)
    for tensor in model.graph.initializer:
        if tensor.name.startswith(PREFIX):
            value = mixed[tensor.name.removeprefix(PREFIX)]
            tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    said = _blend_metadata([metadata for _, metadata in found], shares, strength)
    del model.metadata_props[:]
    helper.set_model_props(model, {**said, "root": metadata_of(shipped)["root"]})
    return model.SerializeToString()


def _blend_metadata(
    parts: Sequence[Mapping[str, str]], shares: Sequence[float], strength: float
) -> dict[str, str]:
    titles = [part.get("title", "") for part in parts]
    if len(parts) == 1:
        title = titles[0]
    else:
        title = " + ".join(f"{t} {s:.3g}" for t, s in zip(titles, shares, strict=True))
    joined = {
        key: ", ".join(dict.fromkeys(part[key] for part in parts if part.get(key)))
        for key in ("artist", "year", "licence")
    }
    blend = {
        "strength": strength,
        "parts": [
            {
                "share": share,
                **{key: part.get(key, "") for key in ("title", "style", "style_sha256")},
                **{key: _decoded(part.get(key, "")) for key in ("recipe", "start", "blend")},
            }
            for part, share in zip(parts, shares, strict=True)
        ],
    }
    network = parts[0].get("network", "")
    return {
        "title": title,
        **joined,
        "network": network,
        "blend": json.dumps(blend),
        "fast_nst": __version__,
    }


def _decoded(text: str) -> Any:
    """JSON as what it says; anything else as the text it is."""
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return text
