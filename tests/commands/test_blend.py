"""Strength and blends at the command line: `infer --strength`, several `--style`, `blend`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fast_nst import Stylizer
from fast_nst.assets import STYLES
from fast_nst.commands.main import main
from fast_nst.models.graphs import with_metadata
from fast_nst.networks import build_network
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_image
from fast_nst.training.models import read_model, to_onnx
from fast_nst.training.run import TrainResult
from tests.conftest import inverting_model


@pytest.fixture
def here(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pixels(path: str | Path) -> np.ndarray:
    return to_array(open_image(path))


def test_infer_with_strength_and_blend(photo: Path, here: Path, capsys):
    base = ["infer", str(photo), "-o", "x.png", "--overwrite"]
    assert main([*base, "--style", "udnie", "--strength", "1.3"]) == 0
    expected = Stylizer("udnie", strength=1.3)(pixels(photo))
    np.testing.assert_array_equal(pixels("x.png"), expected)
    assert main([*base, "--strength", "0"]) == 0
    np.testing.assert_array_equal(pixels("x.png"), pixels(photo))
    blend = ["--style", "udnie:0.6", "--style", "evening:0.4", "--strength", "0.8"]
    assert main([*base, *blend, "--keep-colors"]) == 0
    stylize = Stylizer({"udnie": 0.6, "evening": 0.4}, strength=0.8)
    np.testing.assert_array_equal(pixels("x.png"), stylize(pixels(photo), keep_colors=True))
    assert "note" not in capsys.readouterr().err


def test_blend_of_file_and_style(photo: Path, here: Path):
    (here / "mine.onnx").write_bytes((STYLES / "evening.onnx").read_bytes())
    words = ["--style", "udnie:3", "-m", "mine.onnx:1"]
    assert main(["infer", str(photo), "-o", "x.png", *words]) == 0
    expected = Stylizer({"udnie": 3, "evening": 1})(pixels(photo))
    np.testing.assert_array_equal(pixels("x.png"), expected)


def test_trained_style_blends_with_gallery(run: TrainResult, photo: Path, here: Path):
    assert not Stylizer(run.model).unmixable
    out = here / "mix.onnx"
    assert main(["blend", f"{run.model}:0.5", "great_wave:0.5", "-o", str(out)]) == 0
    said = Stylizer(out).metadata
    assert said["title"] == "Tiny 0.5 + The Great Wave off Kanagawa 0.5"
    assert said["artist"] == "A. Non, Katsushika Hokusai"
    mixed = Stylizer({run.model: 1, "great_wave": 1})(pixels(photo))
    np.testing.assert_array_equal(Stylizer(out)(pixels(photo)), mixed)


def test_blend_file_is_a_model(photo: Path, here: Path, capsys):
    words = ["blend", "starry_night:0.6", "the_scream:0.4", "--strength", "1.1", "-o", "mix.onnx"]
    assert main(words) == 0
    assert "The Starry Night 0.6 + The Scream 0.4, strength 1.1" in capsys.readouterr().err
    painted = Stylizer("mix.onnx")(pixels(photo))
    stylize = Stylizer({"starry_night": 0.6, "the_scream": 0.4}, strength=1.1)
    np.testing.assert_array_equal(painted, stylize(pixels(photo)))
    assert json.loads(Stylizer("mix.onnx").metadata["blend"])["strength"] == 1.1
    assert main(words) == 2
    assert "add --overwrite" in capsys.readouterr().err
    # It mixes on, is exported again with all it says, and is no model that one loss has trained.
    assert main(["infer", str(photo), "-m", "mix.onnx", "--strength", "0.5", "-o", "x.png"]) == 0
    assert main(["export", "mix.onnx", "-o", "again.onnx"]) == 0
    assert Stylizer("again.onnx").metadata["blend"] == Stylizer("mix.onnx").metadata["blend"]
    again = read_model("again.onnx").network.state_dict()
    for name, value in read_model("mix.onnx").network.state_dict().items():
        assert (again[name] == (value.half().float() if value.ndim == 4 else value)).all()
    capsys.readouterr()
    assert main(["compare", str(photo), "-m", "mix.onnx", "-o", "report"]) == 2
    assert "is a blend" in capsys.readouterr().err


def test_blend_of_one_style_at_strength_1_is_identical(photo: Path, here: Path):
    assert main(["blend", "udnie", "-o", "same.onnx", "--quiet"]) == 0
    np.testing.assert_array_equal(
        Stylizer("same.onnx")(pixels(photo)), Stylizer("udnie")(pixels(photo))
    )


def test_training_starts_from_blend(here: Path, photographs: Path):
    assert main(["blend", "udnie", "evening", "-o", "mix.onnx"]) == 0
    words = f"train --init mix.onnx --photos {photographs} --steps 1 --size 32 --style-size 32"
    assert main([*words.split(), "--out", "run"]) == 0
    said = Stylizer("run/model.onnx").metadata
    assert said["root"] == Stylizer("udnie").metadata["root"]
    blend = json.loads(Stylizer("mix.onnx").metadata["blend"])
    start = json.loads(said["start"])
    assert (start["name"], start["recipe"]) == ("mix.onnx", {"blend": blend})
    assert start["photographs"] == Stylizer("udnie").metadata["photographs"]
    assert "blend" not in said


def test_fade_without_common_identity_model_warns_once(photo: Path, here: Path, capsys):
    (here / "negative.onnx").write_bytes(inverting_model())
    (here / "photos").mkdir()
    for name in ("a.png", "b.png"):
        (here / "photos" / name).write_bytes(photo.read_bytes())
    words = ["infer", "photos", "-m", "negative.onnx", "--strength", "0.5", "-o", "out"]
    words += ["--detail", "0"]
    assert main(words) == 0
    err = capsys.readouterr().err
    assert err.count("note: strength 0.5 fades pixels: 'negative.onnx' names no base") == 1
    expected = 0.5 * pixels(photo) + 0.5 * (255 - pixels(photo).astype(float))
    assert np.abs(pixels("out/a.png") - expected).max() <= 0.51
    assert main([*words, "--quiet", "--overwrite"]) == 0
    assert capsys.readouterr().err == ""


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "negative.onnx").write_bytes(inverting_model())
    johnson = to_onnx(build_network("johnson").eval(), {"network": "johnson", "root": ""})
    (folder / "johnson.onnx").write_bytes(johnson)
    udnie = (STYLES / "udnie.onnx").read_bytes()
    (folder / "tampered.onnx").write_bytes(with_metadata(udnie, root="12" * 32))
    (folder / "text.onnx").write_text("hello")
    return folder


@pytest.mark.parametrize("name", ["negative", "johnson", "tampered", "text"])
@pytest.mark.parametrize(
    "words",
    [
        "infer PHOTO -m FILE --strength 1.2 -o x.png",
        "infer PHOTO -m FILE --style udnie -o x.png",
        "blend FILE -o mix.onnx",
        "blend udnie FILE:0.3 -o mix.onnx",
        "styles PHOTO --strengths FILE -o x.png",
        "styles PHOTO --blend udnie FILE -o x.png",
    ],
)
def test_impossible_blends_are_one_line_errors(
    name: str, words: str, foreign: Path, photo: Path, here: Path, capsys
):
    meant = {"PHOTO": str(photo), "FILE": str(foreign / f"{name}.onnx")}
    meant["FILE:0.3"] = meant["FILE"] + ":0.3"
    assert main([meant.get(word, word) for word in words.split()]) == 2
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith("error: ")
    assert err.count("error") == 1
    assert f"{name}.onnx" in err
    assert list(here.glob("*.onnx")) == list(here.glob("x.*")) == []


@pytest.mark.parametrize(
    ("words", "word"),
    [
        ("blend udnie", "no output: add -o mix.onnx"),
        ("blend -o x.onnx", "required: NAME[:WEIGHT]"),
        ("blend udnie -o x.png", "does not end in .onnx"),
        ("blend udnie:0 -o x.onnx", "a weight above 0"),
        ("blend udnie:-1 -o x.onnx", "a weight above 0"),
        ("blend udnie:nan -o x.onnx", "a weight above 0"),
        ("blend udnei -o x.onnx", "Did you mean 'udnie'"),
        ("blend none.onnx -o x.onnx", "no model 'none.onnx'"),
        ("blend udnie --strength 0.1 -o x.onnx", "from 0.25 to 1.5"),
        ("blend udnie --strength 1.6 -o x.onnx", "from 0.25 to 1.5"),
        ("infer PHOTO --style udnie:0 -o x.png", "a weight above 0"),
        ("infer PHOTO --style :1 -o x.png", "a weight above 0"),
        ("infer PHOTO --strength 1.6 -o x.png", "from 0 to 1.5"),
        ("infer PHOTO --strength nan -o x.png", "from 0 to 1.5"),
    ],
)
def test_mistakes_get_one_line(words: str, word: str, photo: Path, here: Path, capsys):
    assert main([{"PHOTO": str(photo)}.get(w, w) for w in words.split()]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert word in err
    assert not list(here.glob("x.*"))
