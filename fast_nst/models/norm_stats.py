"""Graphs whose instance norms take their statistics as inputs, made in memory.

An instance norm normalizes by the mean and variance of the whole image; everything else in our
networks has a small receptive field. With statistics that were accumulated over all tiles first
(`with_given_stats`), an image painted tile by tile is the same as in one piece. With statistics
that are averaged over the frames of a film (`with_running_stats`), its colors do not flicker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from fast_nst.models.graphs import NOISE_TILE
from fast_nst.models.signature import EMA_DECAY


@dataclass(frozen=True)
class Norm:
    """The parameters of an instance norm.

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
        """The scale and shift, (C,) each, that the norm applies to a map of these statistics.

        Args:
            mean: (C,).
            variance: (C,), the population variance.
        """
        scale = self.weight / np.sqrt(np.maximum(variance, 0) + self.epsilon)
        return scale.astype(np.float32), (self.bias - mean * scale).astype(np.float32)


def norms_of(model: onnx.ModelProto) -> list[Norm]:
    """A network's instance norms, in the order in which an image passes them."""
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
    """The noise that a network tiles over the image, (rows, columns); None if it has none."""
    for tensor in model.graph.initializer:
        if tensor.name == NOISE_TILE:
            return numpy_helper.to_array(tensor)
    return None


def with_given_stats(model: onnx.ModelProto, until: int | None = None) -> onnx.ModelProto:
    """A network whose instance norms take their scale and shift as inputs.

    Norm k becomes `x * scale_k + shift_k` of the inputs `scale_k`, `shift_k` (N, C, 1, 1) float32,
    and the noise, if the network has any, the input `noise` (rows, columns) float32.

    Args:
        model: An exported model; it is not changed.
        until: Stop before this norm, and return sums over the map that it would normalize. The map
            x is cropped to the input `window` (4,) int64: top, left, bottom and right, with the
            meaning of Python's slices, x[..., top:bottom, left:right].

    Returns:
        The network, `image` to `stylized` as before; with `until` its outputs are `sums` and
        `squares` (N, C) float64, over the window, and `count`, the positions in it.
    """
    derived = onnx.ModelProto()
    derived.CopyFrom(model)
    graph = derived.graph
    norms = {node.output[0]: k for k, node in enumerate(_norm_nodes(model))}
    nodes: list[onnx.NodeProto] = []
    noisy = {NOISE_TILE}  # the tile, and the rows gathered from it
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


STATS = ("mean", "variance")


def with_running_stats(model: onnx.ModelProto) -> onnx.ModelProto:
    """A network whose instance norms use an exponential moving average of statistics.

    Norm k normalizes by `ema_decay` times the statistics it is given plus `1 - ema_decay` times
    those of the image itself, which are outputs too.

    Args:
        model: An exported model; it is not changed.

    Returns:
        The network, with the inputs `ema_decay` () and `mean_k`, `variance_k` (N, C, 1, 1),
        float32, and after `stylized` the outputs `own_mean_k`, `own_variance_k` of the same shape.
    """
    derived = onnx.ModelProto()
    derived.CopyFrom(model)
    graph = derived.graph
    nodes = [helper.make_node("Sub", ["one", EMA_DECAY], ["take"])]
    inputs = [*graph.input, helper.make_tensor_value_info(EMA_DECAY, TensorProto.FLOAT, [])]
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
        nodes += _running_norm(node.input[0], node.output[0], k)
        for kind in STATS:
            shape: list[str | int | None] = ["N", len(norm.weight), 1, 1]
            for name, values in ((f"{kind}_{k}", inputs), (f"own_{kind}_{k}", outputs)):
                values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    for name, value in constants.items():
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return _pruned(derived, nodes, inputs, outputs)


def _running_norm(x: str, y: str, k: int) -> list[onnx.NodeProto]:
    """The nodes of norm k, from its map x to its output y."""

    def node(operation: str, inputs: str, output: str) -> onnx.NodeProto:
        return helper.make_node(operation, list(map(own, inputs.split())), [own(output)])

    def own(name: str) -> str:
        return name if name in (x, y, EMA_DECAY, "take", "both_axes") else f"{name}_{k}"

    taken = []
    for kind in STATS:
        taken += [
            node("Mul", f"own_{kind} take", f"new_{kind}"),
            node("Mul", f"{kind} {EMA_DECAY}", f"old_{kind}"),
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
    """The nodes from a map to its sums in a window: of rows in float32, of those in float64."""
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
    """The model with the nodes and initializers that its outputs need, and no others."""
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
