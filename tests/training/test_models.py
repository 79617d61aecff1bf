"""A network as a file and back: the same pixels, the same weights, to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from fast_nst import Stylizer
from fast_nst.errors import UserError
from fast_nst.networks import NETWORKS, ImageTransformation, build_network
from fast_nst.training.models import PixelNetwork, check_parity, read_model, to_onnx
from tests.conftest import inverting_model, noise

pytestmark = pytest.mark.integration


def random_network(name: str, seed: int = 1) -> ImageTransformation:
    torch.manual_seed(seed)
    network = build_network(name).eval()
    for key, value in network.named_parameters():
        if "norm" in key or key == "noise":  # which begin as ones and zeros
            torch.nn.init.normal_(value)
    return network


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[pytest.mark.slow] if name == "johnson" else [])
        for name in sorted(NETWORKS)
    ],
)
def exported(request) -> tuple[bytes, PixelNetwork]:
    network = random_network(request.param)
    metadata = {"title": "x", "network": request.param}
    return to_onnx(network, metadata), PixelNetwork(network).eval()


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def stylize(request, exported) -> Stylizer:
    return Stylizer(exported[0], engine=request.param)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 90), st.integers(1, 90))
def test_the_engines_paint_as_pytorch(exported, stylize, n: int, height: int, width: int):
    pixels = exported[1]
    image = noise(n * height, width).reshape(n, height, width, 3)
    with torch.no_grad():
        expected = pixels(torch.from_numpy(image)).numpy()
    actual = stylize.run(image)
    assert actual.shape == expected.shape == image.shape
    assert np.abs(actual.astype(int) - expected).max() <= 1


@torch.no_grad()
def test_pixels_are_the_networks_own(exported):
    pixels = exported[1]
    image = noise(31, 50)[None]
    scaled = torch.from_numpy(image).permute(0, 3, 1, 2) / 255
    painted = (pixels.network(scaled) * 255).round().byte().permute(0, 2, 3, 1)
    assert (pixels(torch.from_numpy(image)).int() - painted.int()).abs().max() <= 1


def test_every_parameter_is_an_initializer_with_its_value(exported):
    data, pixels = exported
    graph = onnx.load_model_from_string(data).graph
    assert [value.name for value in graph.input] == ["image"]
    found = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    assert len(found) == len(graph.initializer)
    for name, value in pixels.network.state_dict().items():
        stored = found[f"network.{name}"]
        is_half = pixels.network.half_weights and value.ndim == 4
        assert stored.dtype == (np.float16 if is_half else np.float32)
        np.testing.assert_array_equal(stored, value.numpy().astype(stored.dtype))
    used = {name for node in graph.node for name in node.input}
    assert {f"network.{name}" for name in pixels.network.state_dict()} <= used
    if hasattr(pixels.network, "noise_tile"):
        np.testing.assert_array_equal(found["noise_tile"], pixels.network.noise_tile.numpy())
        assert "noise_tile" in used
    assert len(graph.node) < 250


def test_a_file_reads_back_and_writes_again_the_same(exported, tmp_path: Path):
    data, pixels = exported
    (tmp_path / "m.onnx").write_bytes(data)
    model = read_model(tmp_path / "m.onnx")
    assert model.metadata["title"] == "x"
    state = model.network.state_dict()
    assert list(state) == list(pixels.network.state_dict())
    for name, value in pixels.network.state_dict().items():
        is_half = pixels.network.half_weights and value.ndim == 4
        assert torch.equal(state[name], value.half().float() if is_half else value)
    assert to_onnx(model.network, model.metadata) == data


def test_weights_are_float32_where_float16_would_show():
    network = random_network("fine")
    with torch.no_grad():  # a slope so steep that float16's steps are levels
        network.head.weight.mul_(3000)
    exact = to_onnx(network, {})
    assert exact == to_onnx(network, {}, exact=True)
    stored = {item.name: item for item in onnx.load_model_from_string(exact).graph.initializer}
    assert stored["network.head.weight"].data_type == onnx.TensorProto.FLOAT


def test_a_graph_that_paints_otherwise_is_refused():
    one, other = random_network("fast", 2), random_network("fast", 3)
    with pytest.raises(UserError, match=r"from PyTorch by \d+ levels on 7x2 px .*image 0 of 1"):
        check_parity(to_onnx(one, {}), PixelNetwork(other).eval())


def _without(data: bytes, **changes: str) -> bytes:
    """A model with other metadata, or without one of its initializers."""
    model = onnx.load_model_from_string(data)
    for item in model.metadata_props:
        item.value = changes.get(item.key, item.value)
    for place, item in enumerate(model.graph.initializer):
        if item.name == changes.get("drop"):
            del model.graph.initializer[place]
            break
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (None, "no model"),
        ("folder", "cannot read the model"),
        (b"text, no model", "not an ONNX model"),
        (inverting_model(), "no model that fast-nst wrote"),
        ({"network": "fats"}, "Did you mean 'fast'"),
        ({"network": "johnson"}, "infer still paints with it"),
        ({"drop": "network.noise"}, "infer still paints with it"),
    ],
)
def test_what_cannot_be_read_back_is_said(tmp_path: Path, content, word: str):
    path = tmp_path / "m.onnx"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, dict):
        data = to_onnx(random_network("fast"), {"network": "fast"})
        path.write_bytes(_without(data, **content))
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=word):
        read_model(path)
