"""Styles by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fast_nst import Stylizer
from fast_nst.assets import DEFAULT_MODEL
from fast_nst.commands.main import main
from fast_nst.errors import UserError
from fast_nst.stylize.gallery import find_model, runs_of, style_names
from tests.conftest import inverting_model, noise


@pytest.fixture
def runs(tmp_path: Path, monkeypatch) -> Path:
    """Two runs of one style, one of a name that begins alike, one that has not got far."""
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(("wave", "wave-2", "wavelet")):
        (tmp_path / "runs" / name).mkdir(parents=True)
        model = tmp_path / "runs" / name / "model.onnx"
        model.write_bytes(inverting_model())
        os.utime(model, (i, i))
    (tmp_path / "runs" / "sea").mkdir()
    return tmp_path / "runs"


def test_a_name_is_the_newest_run_of_that_style(runs: Path):
    assert find_model("wave") == Path("runs/wave-2/model.onnx")
    os.utime(runs / "wave" / "model.onnx", (9, 9))
    assert find_model("wave") == Path("runs/wave/model.onnx")
    assert find_model("wavelet") == Path("runs/wavelet/model.onnx")
    assert runs_of("wave", "model.onnx")[0] == Path("runs/wave-2/model.onnx")
    pixels = noise(3, 4)
    assert (Stylizer("wave", detail=0)(pixels) == 255 - pixels).all()


def test_an_unknown_name_lists_what_there_is(runs: Path, tmp_path: Path, capsys):
    names = style_names()
    assert names == sorted(names)
    assert {"starry_night", "wave", "wave-2", "wavelet"} < set(names)
    with pytest.raises(UserError, match=r"unknown style 'waev'\. Did you mean 'wave'\? Choose"):
        find_model("waev")
    assert main(["infer", "x.jpg", "-o", "y.jpg", "-m", "sea"]) == 2
    assert f"Choose one of: {', '.join(names)}" in capsys.readouterr().err


def test_a_run_of_ones_own_beats_the_style_in_the_package(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = DEFAULT_MODEL.stem
    assert find_model(name) == DEFAULT_MODEL
    own = tmp_path / "runs" / name / "model.onnx"
    own.parent.mkdir(parents=True)
    own.touch()
    assert find_model(name).resolve() == own


def test_files_and_the_default_are_themselves(runs: Path):
    assert find_model(None) == DEFAULT_MODEL
    assert find_model("a/b.onnx") == Path("a/b.onnx")
    Path("wave").touch()  # a file beats a run
    assert find_model("wave") == Path("wave")
