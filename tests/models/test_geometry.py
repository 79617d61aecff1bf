"""The geometry that networks declare, against what their graphs do."""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from fast_nst.assets import STARTS, STYLES
from fast_nst.errors import UserError
from fast_nst.models.geometry import GEOMETRIES, KEY, Geometry, NormMap, geometry_of
from fast_nst.models.graphs import load, metadata_of
from fast_nst.models.norm_stats import noise_tile_of, norms_of, with_given_stats
from fast_nst.networks import NETWORKS, build_network
from fast_nst.stylize.session import read_geometry
from fast_nst.training.models import to_onnx

EVERYTHING = np.array([0, 0, np.iinfo(np.int64).max, np.iinfo(np.int64).max])

NAMES = [
    pytest.param(name, marks=[pytest.mark.slow] if name == "johnson" else []) for name in NETWORKS
]


def graph_of(name: str) -> onnx.ModelProto:
    if name in STARTS:
        return load(STARTS[name]["base"].read_bytes(), name)
    return load(to_onnx(build_network(name).eval(), {"network": name}), name)


def attribute(node: onnx.NodeProto, name: str, default):
    values = [helper.get_attribute_value(a) for a in node.attribute if a.name == name]
    return values[0] if values else default


def halo_of(graph: onnx.ModelProto) -> tuple[float, int]:
    """What the convolutions and interpolations of a graph add up to, and its largest stride, in px.

    Valid for one path from input to output with skips that are no longer.
    """
    factors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    strides = {"image": 1.0}
    halo = 0.0
    for node in graph.graph.node:
        stride = next((strides[name] for name in node.input if name in strides), None)
        if stride is None:
            continue
        if node.op_type == "Conv":
            halo += stride * (max(attribute(node, "kernel_shape", [1])) - 1) / 2
            stride *= max(attribute(node, "strides", [1]))
        elif node.op_type == "Resize":
            if attribute(node, "mode", b"nearest") == b"linear":
                halo += stride  # a pixel lies between two positions
            stride /= float(factors[node.input[2]][-1])
        elif node.op_type == "DepthToSpace":
            stride /= attribute(node, "blocksize", 1)
        strides |= dict.fromkeys(node.output, stride)
    return halo, round(max(strides.values()))


def test_the_halo_of_a_chain_by_hand():
    node, weight = helper.make_node, np.zeros((1, 1, 5, 5), np.float32)
    graph = helper.make_graph(
        [
            node("Conv", ["image", "w"], ["a"], kernel_shape=[5, 5], strides=[2, 2]),  # 2 px
            node("Relu", ["a"], ["b"]),
            node("Conv", ["b", "w"], ["c"], kernel_shape=[5, 5], strides=[2, 2]),  # 2 of 2 px
            node("Conv", ["c", "w"], ["d"], kernel_shape=[5, 5], strides=[1, 1]),  # 2 of 4
            node("Resize", ["d", "", "by"], ["e"], mode="nearest"),
            node("Conv", ["e", "w"], ["f"], kernel_shape=[5, 5]),  # 2 of 2
            node("DepthToSpace", ["f"], ["g"], blocksize=2),
            node("Conv", ["g", "w"], ["h"], kernel_shape=[5, 5]),  # 2 of 1
        ],
        "chain",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 1, 64, 64])],
        [helper.make_tensor_value_info("h", onnx.TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(weight, "w"),
            numpy_helper.from_array(np.float32([1, 1, 2, 2]), "by"),
        ],
    )
    assert halo_of(helper.make_model(graph)) == (20, 4)


@pytest.mark.integration
@pytest.mark.parametrize("name", NAMES)
def test_the_declared_halo_covers_the_convolutions(name: str):
    geometry = GEOMETRIES[name]
    halo, stride = halo_of(graph_of(name))
    assert stride == geometry.stride
    assert geometry.halo % stride == 0
    # One position more for each rounding down: strides end a position where it suits them.
    assert geometry.halo == (math.ceil(halo / stride) + 2) * stride


@pytest.mark.integration
@pytest.mark.parametrize("name", NAMES)
def test_the_declared_maps_are_those_that_the_norms_see(name: str):
    """A side of s px has s / stride + 2 * padding positions: found with two sizes."""
    graph = graph_of(name)
    norms, noise = norms_of(graph), noise_tile_of(graph)
    found = []
    for k in range(len(norms)):
        derived = with_given_stats(graph, until=k).SerializeToString()
        session = onnxruntime.InferenceSession(derived)
        wanted = [given.name for given in session.get_inputs()]
        positions = []
        for side in (32, 64):
            feeds = {"image": np.zeros((1, side, side, 3), np.uint8), "window": EVERYTHING}
            if noise is not None:
                feeds["noise"] = noise[: side // 4, : side // 4]
            for n, norm in enumerate(norms[:k]):
                zeros = np.zeros((1, len(norm.weight), 1, 1), np.float32)
                feeds |= {f"scale_{n}": zeros, f"shift_{n}": zeros}
            counted = session.run(["count"], {key: feeds[key] for key in wanted})[0]
            positions.append(math.isqrt(int(counted)))
        stride = 32 // (positions[1] - positions[0])
        found.append(NormMap(stride, (positions[0] - 32 // stride) // 2))
    assert tuple(found) == GEOMETRIES[name].norms


@pytest.mark.integration
def test_an_export_declares_its_geometry_and_an_older_file_has_that_of_its_network():
    exported = metadata_of(load(to_onnx(build_network("fast").eval(), {}), "fast"))
    assert geometry_of(exported) == GEOMETRIES["fast"]
    assert "network" not in exported
    older = metadata_of(load((STYLES / "udnie.onnx").read_bytes(), "udnie"))
    older.pop(KEY, None)
    assert geometry_of(older) == GEOMETRIES["fine"]
    unknown = geometry_of({})
    assert unknown.norms == ()
    assert unknown.bytes_per_pixel == max(g.bytes_per_pixel for g in GEOMETRIES.values())
    other = Geometry(halo=8, stride=2, norms=(NormMap(2, 1),), bytes_per_pixel=7)
    assert geometry_of({KEY: other.to_json(), "network": "fine"}) == other


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", '{"norms": 1}', '{"halo": 1, "norms": []}'),
        '{"halo": 1, "stride": 4, "norms": [], "bytes_per_pixel": "80"}',
        '{"halo": -4, "stride": 4, "norms": []}',
        '{"halo": 4, "stride": 4, "norms": [{"stride": 0}]}',
    ],
)
def test_damaged_metadata_are_an_error_in_one_line(text: str):
    with pytest.raises(UserError, match="metadata are damaged") as caught:
        read_geometry({KEY: text})
    assert "\n" not in str(caught.value)
