"""Graphs whose instance norms take mean and variance from outside, made in memory.

For tiles (`with_statistics`) and for films (`carrying_statistics`).

An instance norm sees the whole picture; everything else in our networks looks a few dozen pixels
far. With its statistics taken beforehand, over all tiles, a picture painted tile by tile is the
same as in one piece.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from fast_nst.models.graphs import NOISE_TILE
from fast_nst.models.signature import INPUT, KEEP


@dataclass(frozen=True)
class Norm:
    """An instance norm, whose mean and variance may come from outside.

    Attributes:
        weight: (C,) float32.
        bias: (C,) float32.
        epsilon: Added to the variance.
    """

    weight: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    epsilon: float

    def affine(
        self, mean: npt.NDArray[np.float64], variance: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Scale and shift, (C,) each: what the norm does to a map with these statistics.

        Args:
            mean: (C,).
            variance: (C,), of all positions (not of a sample).
        """
        scale = self.weight / np.sqrt(np.maximum(variance, 0) + self.epsilon)
        return scale.astype(np.float32), (self.bias - mean * scale).astype(np.float32)


def norms_of(model: onnx.ModelProto) -> list[Norm]:
    """A network's instance norms, in the order in which a picture passes them."""
    values = {tensor.name: tensor for tensor in model.graph.initializer}
    return [
        Norm(
            numpy_helper.to_array(values[node.input[1]]),
            numpy_helper.to_array(values[node.input[2]]),
            _attribute(node, "epsilon", 1e-5),
        )
        for node in _norm_nodes(model)
    ]


def noise_tile_of(model: onnx.ModelProto) -> npt.NDArray[np.float32] | None:
    """The map of noise that a network repeats over the picture, (rows, columns); None without."""
    for tensor in model.graph.initializer:
        if tensor.name == NOISE_TILE:
            return numpy_helper.to_array(tensor)
    return None


def reach_of(model: onnx.ModelProto) -> tuple[int, int]:
    """How far a network looks, once its norms' statistics come from outside.

    Returns:
        The distance in px from which on nothing bears on a pixel, a multiple of the second: the
        pixels in a cell of the coarsest map.
    """
    steps = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    scales = {INPUT: 1.0}  # of each map: how many px apart its cells are
    reach = 0.0
    for node in model.graph.node:
        scale = next((scales[name] for name in node.input if name in scales), None)
        if scale is None:
            continue
        if node.op_type == "Conv":
            reach += scale * (max(_attribute(node, "kernel_shape", [1])) - 1) / 2
            scale *= max(_attribute(node, "strides", [1]))
        elif node.op_type == "Resize":
            if _attribute(node, "mode", b"nearest") == b"linear":
                reach += scale  # a pixel lies between two cells
            scale /= float(steps[node.input[2]][-1])
        elif node.op_type == "DepthToSpace":
            scale /= _attribute(node, "blocksize", 1)
        scales |= dict.fromkeys(node.output, scale)
    cell = round(max(scales.values()))
    # One cell more on account of each rounding down: strides end a cell where it suits them.
    return (math.ceil(reach / cell) + 2) * cell, cell


def with_statistics(model: onnx.ModelProto, until: int | None = None) -> onnx.ModelProto:
    """A network whose instance norms take their statistics from outside.

    Norm k becomes `x * scale_k + shift_k` of the inputs `scale_k`, `shift_k` (N, C, 1, 1) float32,
    and the map of noise, if there is one, the input `noise` (rows, columns) float32.

    Args:
        model: Exported by us; it stays as it is.
        until: Stop at this norm instead, and tell what its statistics are made of. The map x that
            it would see is cut to the input `window` (4,) int64: top, left, bottom and right as
            Python's slices take them, x[..., top:bottom, left:right].

    Returns:
        The network, image to stylized as before; with `until` its outputs are `sums` and `squares`
        (N, C) float64, over the window, and `count`, the positions in it.
    """
    derived = onnx.ModelProto()
    derived.CopyFrom(model)
    graph = derived.graph
    norms = {node.output[0]: k for k, node in enumerate(_norm_nodes(model))}
    nodes: list[onnx.NodeProto] = []
    noisy = {NOISE_TILE}  # the tile, and its rows once they are chosen
    for node in model.graph.node:
        k = norms.get(node.output[0])
        if k is not None and k == until:
            nodes += _summed(node.input[0])
            break
        if k is not None:
            scaled = f"{node.output[0]}_scaled"
            nodes.append(helper.make_node("Mul", [node.input[0], f"scale_{k}"], [scaled]))
            nodes.append(helper.make_node("Add", [scaled, f"shift_{k}"], [node.output[0]]))
        elif node.op_type == "Gather" and node.input[0] in noisy:
            noisy.add(node.output[0])
        else:
            kept = onnx.NodeProto.FromString(node.SerializeToString())
            kept.input[:] = ["noise" if name in noisy else name for name in node.input]
            nodes.append(kept)
    channels = [len(norm.weight) for norm in norms_of(model)]
    inputs = [
        *graph.input,
        helper.make_tensor_value_info("noise", TensorProto.FLOAT, ["rows", "columns"]),
        helper.make_tensor_value_info("window", TensorProto.INT64, [4]),
        *(
            helper.make_tensor_value_info(f"{kind}_{k}", TensorProto.FLOAT, ["N", count, 1, 1])
            for k, count in enumerate(channels)
            for kind in ("scale", "shift")
        ),
    ]
    outputs = list(graph.output)
    if until is not None:
        outputs = [
            helper.make_tensor_value_info("sums", TensorProto.DOUBLE, ["N", channels[until]]),
            helper.make_tensor_value_info("squares", TensorProto.DOUBLE, ["N", channels[until]]),
            helper.make_tensor_value_info("count", TensorProto.INT64, []),
        ]
        for name, value in _CONSTANTS.items():
            graph.initializer.append(numpy_helper.from_array(value, name))
    return _pruned(derived, nodes, inputs, outputs)


CARRIED = ("mean", "variance")


def carrying_statistics(model: onnx.ModelProto) -> onnx.ModelProto:
    """A network whose instance norms remember: for films, whose frames are alike.

    Norm k takes `keep` times the statistics it is given and `1 - keep` times those of the picture
    at hand, its own, which it tells: what is given are averages of those of pictures before.

    Args:
        model: Exported by us; it stays as it is.

    Returns:
        The network, with the inputs `keep` () and `mean_k`, `variance_k` (N, C, 1, 1), float32,
        and the outputs `own_mean_k`, `own_variance_k`, behind `stylized`, of the same shape.
    """
    derived = onnx.ModelProto()
    derived.CopyFrom(model)
    graph = derived.graph
    nodes = [helper.make_node("Sub", ["one", KEEP], ["take"])]
    inputs = [*graph.input, helper.make_tensor_value_info(KEEP, TensorProto.FLOAT, [])]
    outputs = list(graph.output)
    constants: dict[str, Any] = {"one": np.float32(1), "both_axes": np.array([2, 3])}
    norms = {node.output[0]: k for k, node in enumerate(_norm_nodes(model))}
    known = norms_of(model)
    for node in model.graph.node:
        k = norms.get(node.output[0])
        if k is None:
            nodes.append(node)
            continue
        norm = known[k]
        column = (1, len(norm.weight), 1, 1)
        constants |= {
            f"weight_{k}": norm.weight.reshape(column),
            f"bias_{k}": norm.bias.reshape(column),
            f"epsilon_{k}": np.float32(norm.epsilon),
        }
        nodes += _remembering(node.input[0], node.output[0], k)
        for kind in CARRIED:
            shape: list[str | int | None] = ["N", len(norm.weight), 1, 1]
            for name, values in ((f"{kind}_{k}", inputs), (f"own_{kind}_{k}", outputs)):
                values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    for name, value in constants.items():
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return _pruned(derived, nodes, inputs, outputs)


def _remembering(x: str, y: str, k: int) -> list[onnx.NodeProto]:
    """Nodes of norm k, from its map to its output."""

    def node(operation: str, inputs: str, output: str) -> onnx.NodeProto:
        return helper.make_node(operation, list(map(own, inputs.split())), [own(output)])

    def own(name: str) -> str:
        return name if name in (x, y, KEEP, "take", "both_axes") else f"{name}_{k}"

    taken = []
    for kind in CARRIED:
        taken += [
            node("Mul", f"own_{kind} take", f"new_{kind}"),
            node("Mul", f"{kind} {KEEP}", f"old_{kind}"),
            node("Add", f"new_{kind} old_{kind}", f"taken_{kind}"),
        ]
    return [
        node("ReduceMean", f"{x} both_axes", "own_mean"),
        node("Sub", f"{x} own_mean", "centred"),
        node("Mul", "centred centred", "squared"),
        node("ReduceMean", "squared both_axes", "own_variance"),
        *taken,
        node("Add", "taken_variance epsilon", "above_zero"),
        node("Sqrt", "above_zero", "deviation"),
        node("Div", "weight deviation", "scale"),
        node("Mul", "taken_mean scale", "scaled_mean"),
        node("Sub", "bias scaled_mean", "shift"),
        node("Mul", f"{x} scale", "scaled"),
        node("Add", "scaled shift", y),
    ]


_CONSTANTS = {
    "window_begin": np.array([0, 1]),
    "window_end": np.array([2, 3]),
    "rows_axis": np.array([2]),
    "columns_axis": np.array([3]),
    "row_sums_axis": np.array([2]),
    "both_axes": np.array([2, 3]),
}


def _summed(name: str) -> list[onnx.NodeProto]:
    """Nodes from a map to its sums in a window: rows in float32, what they come to in float64."""
    node = helper.make_node
    return [
        node("Gather", ["window", "window_begin"], ["window_starts"], axis=0),
        node("Gather", ["window", "window_end"], ["window_ends"], axis=0),
        node("Slice", [name, "window_starts", "window_ends", "both_axes"], ["inside"]),
        node("ReduceSum", ["inside", "columns_axis"], ["row_sums"], keepdims=0),
        node("ReduceSumSquare", ["inside", "columns_axis"], ["row_squares"], keepdims=0),
        node("Cast", ["row_sums"], ["exact_sums"], to=TensorProto.DOUBLE),
        node("Cast", ["row_squares"], ["exact_squares"], to=TensorProto.DOUBLE),
        node("ReduceSum", ["exact_sums", "row_sums_axis"], ["sums"], keepdims=0),
        node("ReduceSum", ["exact_squares", "row_sums_axis"], ["squares"], keepdims=0),
        node("Shape", ["inside"], ["inside_size"], start=2),
        node("ReduceProd", ["inside_size"], ["count"], keepdims=0),
    ]


def _pruned(
    model: onnx.ModelProto,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """The model with what its outputs need of these, and no more."""
    needed = {value.name for value in outputs}
    kept = []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    graph = model.graph
    initializers = [tensor for tensor in graph.initializer if tensor.name in needed]
    fields: list[tuple[Any, Sequence[Any]]] = [
        (graph.node, kept[::-1]),
        (graph.initializer, initializers),
        (graph.input, [value for value in inputs if value.name in needed]),
        (graph.output, outputs),
        (graph.value_info, []),
    ]
    for field, values in fields:
        copies = [type(value).FromString(value.SerializeToString()) for value in values]
        del field[:]
        field.extend(copies)
    return model


def _norm_nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == "InstanceNormalization"]


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    for attribute in node.attribute:
        if attribute.name == name:
            return helper.get_attribute_value(attribute)
    return default
