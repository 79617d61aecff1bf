"""Styles by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from fast_nst import Stylizer
from fast_nst.assets import DEFAULT_MODEL, LIVE_STYLES
from fast_nst.commands.infer import InferOptions
from fast_nst.commands.main import main
from fast_nst.commands.shared import blend_of
from fast_nst.errors import UserError, UserNote
from fast_nst.models.catalogue import (
    find_model,
    is_name,
    is_style,
    live_name,
    runs_of,
    style_names,
)
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


def run_named(name: str) -> Path:
    model = Path("runs", name, "model.onnx")
    model.parent.mkdir(parents=True)
    model.write_bytes(inverting_model())
    return model


def test_the_style_in_the_package_keeps_its_name_and_the_run_is_told(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, shipped in (
        (DEFAULT_MODEL.stem, DEFAULT_MODEL),
        ("udnie_fast", LIVE_STYLES / "udnie_fast.onnx"),
    ):
        assert find_model(name) == shipped
        own = run_named(name)
        with pytest.warns(
            UserNote, match=f"^'{name}' is the style in the package.* the model {own}$"
        ):
            assert find_model(name) == shipped
        assert find_model(str(own)) == own


def test_the_note_is_a_line_unless_quiet_is_asked_for(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_named("udnie_fast")
    Image.fromarray(noise(20, 30)).save("photo.png")
    paint = ["infer", "photo.png", "--style", "udnie_fast", "--overwrite", "-o"]
    assert main([*paint, "a.png"]) == 0
    err = capsys.readouterr().err
    assert err.count("note: 'udnie_fast' is the style in the package") == 1
    assert main([*paint, "b.png", "-q"]) == 0
    assert capsys.readouterr().err == ""
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_a_run_for_films_of_a_style_in_the_package_is_told(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert live_name("udnie") == "udnie_fast"
    own = run_named("udnie_steady")
    with pytest.warns(UserNote, match=f"^films of the package's style 'udnie' are .* by {own}$"):
        assert live_name("udnie") == "udnie_steady"
    run_named("wave_steady")
    assert live_name("wave") == "wave_steady"  # of no style in the package: nothing to tell


def test_files_and_the_default_are_themselves(runs: Path):
    assert find_model(None) == DEFAULT_MODEL
    for path in ("a/b.onnx", "./wave", "b.ONNX", "last.ckpt", "runs/wave/model.onnx"):
        assert not is_name(path)
        assert find_model(path) == Path(path)


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
def test_what_lies_there_under_a_styles_name_changes_nothing(runs: Path, make):
    for name in ("wave", "udnie", "udnie_fast"):
        before = find_model(name)
        make(Path(name))
        assert find_model(name) == before
    assert live_name("udnie") == "udnie_fast"


def test_a_file_that_is_given_like_a_style_is_told_how(runs: Path):
    Path("weights.bin").touch()
    with pytest.raises(UserError, match=r"unknown style 'weights.bin'.* write \./weights.bin$"):
        find_model("weights.bin")


@pytest.mark.parametrize("name", ["wave.v2", "Screenshot 2026-05-01 at 10.15.33", "sky:0.5", ".x"])
def test_a_paintings_name_is_its_styles_whatever_is_in_it(runs: Path, name: str):
    model = run_named(name)
    assert is_style(name)
    assert name in style_names()
    assert find_model(name) == model
    assert blend_of([name, f"{name}:0.7", "wave:0.5"], "NAME") == {name: 1.7, "wave": 0.5}
    options = InferOptions(inputs=["a"], output="b", style=[f"{name}:2"], model=["./c.onnx:0.5"])
    assert options.blend == {name: 2.0, "./c.onnx": 0.5}


def test_a_number_that_belongs_to_the_painting_is_no_run_of_another(runs: Path):
    run_named("IMG_2026-05-01")
    assert runs_of("IMG_2026-05", "model.onnx") == []
    assert runs_of("IMG_2026-05-01", "model.onnx") == [Path("runs/IMG_2026-05-01/model.onnx")]


def test_a_file_named_like_a_style_with_a_share_is_none(runs: Path):
    Path("wave:0.5").touch()
    assert blend_of(["wave:0.5"], "NAME") == {"wave": 0.5}
    assert blend_of(["./wave:0.5"], "NAME") == {"./wave:0.5": 1.0}


def test_a_folder_named_like_its_style_takes_a_second_run(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(noise(20, 30)).save(Path("photos", name))
        assert main(["infer", "photos", "-o", "udnie_fast/", "--style", "udnie_fast"]) == 0
    assert "1 of 2 pictures stylized into udnie_fast/, 1 skipped" in capsys.readouterr().err
