"""Norms with statistics from outside: by hand on a graph of one norm, then on the real networks."""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from fast_nst.assets import DEFAULT_MODEL
from fast_nst.models.catalogue import find_model
from fast_nst.models.graphs import load
from fast_nst.models.norm_stats import (
    Norm,
    noise_tile_of,
    norms_of,
    with_given_stats,
    with_running_stats,
)
from fast_nst.networks import build_network
from fast_nst.training.models import read_model, to_onnx
from tests.conftest import noise


def one_norm() -> onnx.ModelProto:
    """Pixels as floats, through one norm of weight 1, 2, 3 and bias 4, 5, 6."""
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
            node("Cast", ["planes"], ["x"], to=TensorProto.FLOAT),
            node("InstanceNormalization", ["x", "weight", "bias"], ["stylized"], epsilon=0.5),
        ],
        "one_norm",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info("stylized", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [
            numpy_helper.from_array(np.array([1, 2, 3], np.float32), "weight"),
            numpy_helper.from_array(np.array([4, 5, 6], np.float32), "bias"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def run(model: onnx.ModelProto, **feeds: np.ndarray) -> list[np.ndarray]:
    onnx.checker.check_model(model)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)


def test_a_norm_by_hand():
    norm = Norm(np.float32([2, 3]), np.float32([1, -1]), 0.25)
    scale, shift = norm.affine(np.array([10.0, 0.0]), np.array([3.75, -1e-12]))
    np.testing.assert_allclose(scale, [2 / 2, 3 / 0.5])  # a variance below 0 is rounding
    np.testing.assert_allclose(shift, [1 - 10, -1])
    assert scale.dtype == shift.dtype == np.float32


def test_the_norms_are_found():
    (norm,) = norms_of(one_norm())
    assert (norm.weight.tolist(), norm.bias.tolist(), norm.epsilon) == ([1, 2, 3], [4, 5, 6], 0.5)
    assert noise_tile_of(one_norm()) is None


def test_a_window_is_summed_exactly():
    pixels = noise(7, 9)
    window = np.array([1, 2, -1, 2**62])
    sums, squares, count = run(
        with_given_stats(one_norm(), until=0), image=pixels[None], window=window
    )
    inside = pixels[1:-1, 2:].astype(np.float64)
    np.testing.assert_array_equal(sums, [inside.sum((0, 1))])
    np.testing.assert_array_equal(squares, [(inside**2).sum((0, 1))])
    assert (count, sums.dtype) == (inside[..., 0].size, np.float64)


def test_scale_and_shift_come_from_outside():
    pixels = noise(3, 5)
    scale, shift = np.float32([1, 2, 3]), np.float32([-1, 0, 1])
    (out,) = run(
        with_given_stats(one_norm()),
        image=pixels[None],
        scale_0=scale.reshape(1, 3, 1, 1),
        shift_0=shift.reshape(1, 3, 1, 1),
    )
    np.testing.assert_array_equal(out[0], (pixels * scale + shift).transpose(2, 0, 1))


def test_the_file_stays_as_it_is():
    model = load(DEFAULT_MODEL.read_bytes(), "the model")
    before = model.SerializeToString()
    for until in (None, 0, 3):
        with_given_stats(model, until)
    assert model.SerializeToString() == before


def test_the_graph_stops_at_the_norm():
    model = load(DEFAULT_MODEL.read_bytes(), "the model")
    stem = with_given_stats(model, until=0)
    assert {value.name for value in stem.graph.input} == {"image", "window"}
    assert sum(node.op_type == "Conv" for node in stem.graph.node) == 1
    assert not any(tensor.name.startswith("network.blocks") for tensor in stem.graph.initializer)
    third = with_given_stats(model, until=2)
    expected = {"image", "window", "noise", "scale_0", "shift_0", "scale_1", "shift_1"}
    assert {value.name for value in third.graph.input} == expected
    whole = with_given_stats(model)
    assert len(whole.graph.input) == 2 + 2 * len(norms_of(model))
    assert not any(node.op_type == "InstanceNormalization" for node in whole.graph.node)


@pytest.mark.integration
@pytest.mark.parametrize("name", ["fine", "fast", pytest.param("johnson", marks=pytest.mark.slow)])
def test_the_sums_are_those_that_pytorch_sees(name: str):
    if name != "johnson":
        path = {"fine": DEFAULT_MODEL, "fast": find_model("udnie_fast")}[name]
        network, data = read_model(path).network, path.read_bytes()
    else:
        torch.manual_seed(0)
        network = build_network(name).eval()
        data = to_onnx(network, {"network": name})
    seen = []
    for module in network.modules():
        if isinstance(module, nn.InstanceNorm2d):
            module.register_forward_pre_hook(lambda _, given: seen.append(given[0].double()))
    pixels = noise(37, 42)
    with torch.no_grad():
        network(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255)
    model = load(data, "the model")
    feeds = {"image": pixels[None], "window": np.array([0, 0, 2**62, 2**62])}
    tile = noise_tile_of(model)
    if tile is not None:
        feeds["noise"] = tile[:10, :11]
    for k, (norm, x) in enumerate(zip(norms_of(model), seen, strict=True)):
        graph = with_given_stats(model, until=k)
        wanted = {value.name for value in graph.graph.input}
        sums, squares, count = run(graph, **{n: v for n, v in feeds.items() if n in wanted})
        assert count == math.prod(x.shape[2:])
        energy = x.square().sum((2, 3)).numpy()
        np.testing.assert_allclose(squares, energy, rtol=1e-4, atol=1e-4 * energy.max())
        np.testing.assert_allclose(
            sums, x.sum((2, 3)).numpy(), atol=1e-4 * math.sqrt(count * energy.max())
        )
        mean = sums[0] / count
        scale, shift = norm.affine(mean, squares[0] / count - mean**2)
        feeds |= {
            f"scale_{k}": scale.reshape(1, -1, 1, 1),
            f"shift_{k}": shift.reshape(1, -1, 1, 1),
        }


def carried(keep: float, mean: list[float], variance: list[float]) -> dict[str, np.ndarray]:
    def column(values: list[float]) -> np.ndarray:
        return np.float32(values).reshape(1, -1, 1, 1)

    return {"ema_decay": np.float32(keep), "mean_0": column(mean), "variance_0": column(variance)}


@pytest.mark.parametrize("keep", [0.0, 0.25, 1.0])
def test_a_norm_that_remembers_by_hand(keep: float):
    image = noise(5, 7)[None]
    given = carried(keep, [100, 110, 120], [50, 500, 5000])
    feeds = {name: np.asarray(value) for name, value in given.items()}
    found, mean, variance = run(with_running_stats(one_norm()), image=image, **feeds)
    x = image.transpose(0, 3, 1, 2).astype(np.float64)
    own_mean, own_variance = x.mean((2, 3), keepdims=True), x.var((2, 3), keepdims=True)
    np.testing.assert_allclose(mean, own_mean, rtol=1e-5)
    np.testing.assert_allclose(variance, own_variance, rtol=1e-5)
    taken_mean = keep * feeds["mean_0"] + (1 - keep) * own_mean
    taken_variance = keep * feeds["variance_0"] + (1 - keep) * own_variance
    weight, bias = (np.float64(v).reshape(1, 3, 1, 1) for v in ([1, 2, 3], [4, 5, 6]))
    expected = weight * (x - taken_mean) / np.sqrt(taken_variance + 0.5) + bias
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_network_that_remembers_nothing_paints_as_before():
    model = load(DEFAULT_MODEL.read_bytes(), "the default")
    derived = with_running_stats(model)
    assert [given.name for given in derived.graph.input][:2] == ["image", "ema_decay"]
    image = noise(45, 70)[None]
    (expected,) = run(model, image=image)
    feeds = {"ema_decay": np.zeros((), np.float32)}
    for given in derived.graph.input[2:]:
        channels = given.type.tensor_type.shape.dim[1].dim_value
        feeds[given.name] = np.zeros((1, channels, 1, 1), np.float32)
    painted, *own = run(derived, image=image, **feeds)
    assert np.abs(painted.astype(int) - expected).max() <= 1
    assert len(own) == 2 * len(norms_of(model)) == len(feeds) - 1
    again, *_ = run(derived, image=255 - image, **{**feeds, "ema_decay": np.array(0.9, np.float32)})
    assert np.abs(again.astype(int) - painted).max() > 50
