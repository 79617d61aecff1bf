"""Style vectors: by hand, then against PyTorch, then what they do to pictures."""

from __future__ import annotations

import hashlib
import itertools
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from fast_nst import Stylizer
from fast_nst.assets import SAMPLE_PHOTOGRAPHS, STARTS, STYLES
from fast_nst.errors import UserError
from fast_nst.models.catalogue import find_model, style_names
from fast_nst.models.graphs import (
    NoCommonBase,
    fingerprint,
    load,
    metadata_of,
    mix,
    mix_parameters,
    parameters,
    with_metadata,
)
from fast_nst.models.model import Model, WeightedModel, normalized
from fast_nst.networks import build_network
from fast_nst.pictures.edit import resize_longest, to_array
from fast_nst.pictures.read import open_image
from fast_nst.training.models import PixelNetwork, read_model, to_onnx
from tests.conftest import inverting_model

ROOT, FAST_ROOT = (STARTS[network]["photograph"] for network in ("fine", "fast"))
NAMES = sorted(path.stem for path in STYLES.glob("*.onnx"))


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return to_array(resize_longest(open_image(SAMPLE_PHOTOGRAPHS / "chelsea.jpg"), 96))


def values(*numbers: float) -> dict[str, np.ndarray]:
    return {"a": np.array(numbers[:2], np.float32), "b": np.array(numbers[2], np.float32)}


def test_the_mean_keeps_the_lengths():
    # Vectors (3, 0, 0) and (0, 4, 0): their mean (1.5, 2, 0) is 2.5 long, they are 3.5 on average.
    root, first, second = values(1, 1, 1), values(4, 1, 1), values(1, 5, 1)
    mixed = mix_parameters(root, [first, second], [0.5, 0.5], 1.0)
    np.testing.assert_allclose(mixed["a"], [1 + 1.5 * 1.4, 1 + 2 * 1.4], rtol=1e-6)
    assert (mixed["b"], mixed["b"].shape, mixed["a"].dtype) == (1.0, (), np.float32)
    # With shares 3 and 1: (2.25, 1, 0) becomes 3.25 long, and twice that at strength 2.
    mixed = mix_parameters(root, [first, second], [3, 1], 2.0)
    factor = 2 * 3.25 / np.hypot(2.25, 1)
    np.testing.assert_allclose(mixed["a"], [1 + 2.25 * factor, 1 + factor], rtol=1e-6)


def test_strength_stretches_the_vector():
    root, style = values(1, 2, 3), values(2, 0, 3)
    for strength in (0.0, 0.5, 1.0, 1.5):
        mixed = mix_parameters(root, [style], [0.3], strength)
        np.testing.assert_array_equal(mixed["a"], [1 + strength, 2 - 2 * strength])
    assert fingerprint(mix_parameters(root, [root, root], [1, 2], 1.2)) == fingerprint(root)


@settings(max_examples=50)
@given(st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=5))
def test_shares_become_parts_of_one(shares: list[float]):
    assert sum(normalized(shares)) == pytest.approx(1)
    assert all(0 <= share <= 1 for share in normalized(shares))


def test_fingerprint_by_hand():
    found = {"b": np.array([[1.0, -2.5]], np.float32), "a": np.array(0.1, np.float32)}
    assert fingerprint(found) == hashlib.sha256(struct.pack("<3f", 0.1, 1.0, -2.5)).hexdigest()


@torch.no_grad()
@pytest.mark.parametrize("strength", [0.25, 0.6, 1.0, 1.5])
def test_mixed_files_paint_as_mixed_state_dicts(strength: float, pixels: np.ndarray):
    names, shares = ("udnie", "great_wave", "evening"), (0.5, 0.3, 0.2)
    root = read_model(ROOT).network.state_dict()
    styles = [read_model(STYLES / f"{name}.onnx").network.state_dict() for name in names]
    vectors = [{key: style[key].double() - root[key].double() for key in root} for style in styles]
    mean = {
        key: sum(share * v[key] for share, v in zip(shares, vectors, strict=True)) for key in root
    }

    def length(vector: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.cat([part.flatten() for part in vector.values()]).norm()

    kept = sum(share * length(v) for share, v in zip(shares, vectors, strict=True))
    factor = strength * kept / length(mean)
    state = {key: (root[key].double() + factor * mean[key]).float() for key in root}
    mixed = mix(Model.read(dict(zip(names, shares, strict=True))).parts, strength)
    for key, value in parameters(load(mixed, "mix")).items():
        np.testing.assert_allclose(value, state[key].numpy(), rtol=1e-6, atol=1e-8)
    network = build_network("fine").eval()
    network.load_state_dict(state)
    expected = PixelNetwork(network)(torch.from_numpy(pixels.copy())[None]).numpy()
    assert np.abs(Stylizer(mixed).run(pixels[None]).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("name", [*NAMES, "udnie_fast"])
def test_one_style_at_strength_1_is_that_style(name: str, pixels: np.ndarray):
    data = find_model(name).read_bytes()
    mixed = mix(Model.read(name).parts, 1.0)
    assert fingerprint(parameters(load(mixed, "mix"))) == fingerprint(parameters(load(data, name)))
    # The mix has float32 where the file may have float16: both are cast to the same numbers.
    np.testing.assert_array_equal(
        Stylizer(mixed).run(pixels[None]), Stylizer(data).run(pixels[None])
    )


def test_styles_of_two_networks_do_not_mix_and_it_is_said_which_are_which():
    with pytest.raises(NoCommonBase, match="two networks") as caught:
        mix(Model.read({"udnie": 1, "udnie_fast": 1, "evening_fast": 1}).parts, 1.0)
    said = str(caught.value)
    assert "udnie.onnx' of fine" in said
    assert "udnie_fast.onnx', " in said
    assert "evening_fast.onnx' of fast" in said


def test_styles_of_fast_mix_with_each_other(pixels: np.ndarray):
    mixed = mix(Model.read({"udnie_fast": 1, "evening_fast": 1}).parts, 0.5)
    metadata = metadata_of(load(mixed, "mix"))
    assert metadata["network"] == "fast"
    assert metadata["root"] == metadata_of(load(FAST_ROOT.read_bytes(), "root"))["root"]
    assert Stylizer(mixed).run(pixels[None]).std() > 15


def test_a_mix_says_what_it_is_of():
    data = mix(Model.read({"starry_night": 3, "the_scream": 2}).parts, 1.1)
    said = metadata_of(load(data, "mix"))
    assert said["title"] == "The Starry Night 0.6 + The Scream 0.4"
    assert said["artist"] == "Vincent van Gogh, Edvard Munch"
    assert said["licence"] == "public domain"
    assert said["root"] == Stylizer(ROOT).metadata["root"]
    blend = json.loads(said["blend"])
    assert blend["strength"] == 1.1
    assert [part["share"] for part in blend["parts"]] == pytest.approx([0.6, 0.4])
    for part, name in zip(blend["parts"], ("starry_night", "the_scream"), strict=True):
        original = Stylizer(name).metadata
        assert part["recipe"] == json.loads(original["recipe"])
        assert part["style_sha256"] == original["style_sha256"]
    # A mix is a style like others: it mixes on, and is exported and read back.
    again = json.loads(metadata_of(load(mix([WeightedModel("x", data)], 0.5), "mix"))["blend"])
    assert again["parts"][0]["blend"] == blend


@pytest.mark.slow
def test_every_pair_at_half_and_half_is_a_picture(pixels: np.ndarray):
    for first, second in itertools.combinations(NAMES, 2):
        mixed = mix(Model.read({first: 0.5, second: 0.5}).parts, 1.0)
        weights = parameters(load(mixed, "mix"))
        assert all(np.isfinite(value).all() for value in weights.values())
        painting = Stylizer(mixed)(pixels)
        assert np.isin(painting, (0, 255)).mean() < 0.1, (first, second)
        assert painting.std() > 15, (first, second)


@pytest.mark.integration
def test_all_styles_at_all_strengths_are_pictures(pixels: np.ndarray):
    for name in NAMES:
        stylize = Stylizer(name)
        for strength in (0.1, 0.5, 1.0, 1.5):
            painting = stylize(pixels, strength=strength)
            assert np.isin(painting, (0, 255)).mean() < 0.25, (name, strength)
            assert painting.std() > 15, (name, strength)


def changed(change: Callable[[onnx.ModelProto], None]) -> bytes:
    model = load((STYLES / "udnie.onnx").read_bytes(), "udnie")
    change(model)
    return model.SerializeToString()


def _poison(model: onnx.ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.name == "network.noise")
    tensor.CopyFrom(numpy_helper.from_array(np.full(48, np.nan, np.float32), tensor.name))


def _widen(model: onnx.ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.name == "network.noise")
    tensor.CopyFrom(numpy_helper.from_array(np.zeros((48, 1), np.float32), tensor.name))


def _cut(model: onnx.ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.name == "network.noise")
    tensor.raw_data = tensor.raw_data[:-3]


@pytest.mark.integration
@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: changed(_cut), "damaged parameters"),
        (lambda: with_metadata((STYLES / "udnie.onnx").read_bytes(), root="0" * 64), "another"),
        (lambda: with_metadata((STYLES / "udnie.onnx").read_bytes(), root=""), "names no base"),
        (inverting_model, "names no base"),
        (lambda: to_onnx(build_network("johnson").eval(), {"network": "johnson"}), "names no base"),
        (
            lambda: to_onnx(
                build_network("johnson"),
                {"network": "fine", "root": Stylizer(ROOT).metadata["root"]},
            ),
            "other parameters",
        ),
        (lambda: changed(_poison), "not finite"),
        (lambda: changed(_widen), "other parameters"),
        (lambda: b"hello", "not an ONNX model"),
    ],
)
def test_what_has_no_common_base_is_refused_in_one_line(make: Callable[[], bytes], word: str):
    with pytest.raises(NoCommonBase, match=word) as caught:
        mix([*Model.read("evening").parts, WeightedModel("'mine.onnx'", make())], 1.0)
    assert "\n" not in str(caught.value)
    assert "'mine.onnx'" in str(caught.value)


@pytest.mark.parametrize(
    ("blend", "word"),
    [
        ({}, "the blend is empty"),
        ({"udnie": -1}, "weight of 'udnie' is -1"),
        ({"udnie": float("nan")}, "weight of 'udnie' is nan"),
        ({"udnie": True}, "weight of 'udnie' is True"),
        ({"udnie": "1"}, "weight of 'udnie' is '1'"),
        ({"udnie": 0, "evening": 0}, "all weights are 0"),
        ({"udnei": 1, "evening": 1}, "Did you mean 'udnie'"),
    ],
)
def test_what_is_no_blend_gets_a_clear_word(blend: dict, word: str):
    with pytest.raises(UserError, match=word):
        Model.read(blend)


def test_a_style_with_weight_0_is_left_out():
    assert [part.weight for part in Model.read({"udnie": 0, "evening": 2}).parts] == [2.0]
    assert set(style_names()) >= set(NAMES)
    assert Path(Model.read("udnie").parts[0].name.strip("'")) == STYLES / "udnie.onnx"
