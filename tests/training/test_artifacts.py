"""Each measure by hand, and the models that have the fault."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from fast_nst import Stylizer
from fast_nst.assets import DEFAULT_MODEL, REFERENCE_PHOTOGRAPHS, STYLES
from fast_nst.commands.artifacts import report_artifacts
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_photograph
from fast_nst.training.artifacts import MEASURES, border, checkerboard, faults, inspect, weave
from fast_nst.training.models import read_model, to_onnx
from tests.conftest import noise

GREY = np.full((480, 480, 3), 128, np.uint8)


def photo() -> np.ndarray:
    return to_array(open_photograph(REFERENCE_PHOTOGRAPHS[1]))


def with_pattern(image: np.ndarray, period: int, amplitude: int) -> np.ndarray:
    y, x = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
    sign = np.where((x // (period // 2) + y // (period // 2)) % 2, amplitude, -amplitude)
    return np.clip(image.astype(int) + sign[..., None], 0, 255).astype(np.uint8)


@pytest.mark.parametrize("period", [2, 4])
def test_a_checkerboard_is_as_strong_as_it_is(period: int):
    assert checkerboard(GREY) == 0
    assert checkerboard(with_pattern(GREY, period, 20)) == pytest.approx(20, rel=1e-6)
    assert checkerboard(with_pattern(photo(), period, 20)) == pytest.approx(20, rel=0.1)


def test_stripes_are_one_too_and_other_textures_none():
    assert checkerboard(GREY + 10 * (np.arange(480) % 4 < 2)[:, None, None]) > 4
    waves = 128 + 40 * np.sin(np.arange(480) * 2 * np.pi / 6)  # every 6 px
    assert checkerboard(np.tile(np.rint(waves), (480, 1))[..., None].repeat(3, 2)) < 0.5
    assert checkerboard(photo()) < 1
    assert checkerboard(noise(256, 256)) < 12


def test_a_frame_is_as_far_from_the_inside_as_it_is():
    framed = GREY.copy()
    assert border(framed) == 0
    framed[:8] = framed[-8:] = framed[:, :8] = framed[:, -8:] = 158
    assert border(framed) == pytest.approx(30)
    speckled = GREY.copy()
    speckled[8:-8, 8:-8] += (20 * (np.indices((464, 464)).sum(0) % 2))[..., None].astype(np.uint8)
    assert border(speckled) == pytest.approx(np.hypot(10, 10), rel=1e-3)


def test_a_weave_is_what_repeats():
    assert weave(GREY) == 0
    tile = noise(30, 30)
    assert weave(np.tile(tile, (16, 16, 1))) == pytest.approx(1)
    assert weave(noise(480, 480)) < 0.1
    half = (np.tile(tile, (16, 16, 1)).astype(float) + noise(480, 480, seed=1)) / 2
    assert weave(half.astype(np.uint8)) == pytest.approx(0.5, abs=0.05)
    narrow = np.tile(noise(5, 5), (96, 96, 1))
    assert weave(narrow) == pytest.approx(1)  # through its multiples


def test_without_noise_the_default_style_is_a_weave():
    network = read_model(DEFAULT_MODEL).network
    assert inspect(Stylizer(DEFAULT_MODEL))["weave"] < MEASURES["weave"].limit
    torch.nn.init.zeros_(network.noise)
    measured = inspect(Stylizer(to_onnx(network, {})))
    assert measured["weave"] > MEASURES["weave"].limit
    assert any("weave" in fault for fault in faults(measured))


@pytest.mark.parametrize("path", sorted(STYLES.glob("*.onnx")), ids=lambda path: path.stem)
def test_no_style_in_the_gallery_has_a_fault(path):
    stylizer = Stylizer(path)
    measured = inspect(stylizer)
    assert faults(measured) == []
    assert json.loads(stylizer.metadata["artifacts"]) == pytest.approx(measured, abs=0.1)


def test_faults_are_warned_about(capsys):
    report_artifacts({"checkerboard": 12.5, "border": 3.0, "weave": 0.85})
    out, err = capsys.readouterr()
    assert "checkerboard 12.5 of 12, border 3 of 20, weave 0.85 of 0.85" in out
    assert err.count("\n") == 1
    assert err.startswith("WARNING: checkerboard 12.5, above 12: levels of a pattern")
