"""`fast-nst styles add`, `remove` and `show`, and the models that `train` installs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fast_nst
from fast_nst import Stylizer
from fast_nst.assets import STYLES
from fast_nst.commands.main import main
from fast_nst.models.catalogue import find_model
from fast_nst.models.home import HOME, own_style_files, own_styles
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_image
from fast_nst.training.run import TrainResult
from tests.conftest import noise

UDNIE = str(STYLES / "udnie.onnx")
TINY = "--steps 2 --size 32 --style-size 32 --precision 32 --network fast --content-layers relu1_1"
TINY += " --style-layers relu1_1"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_style_is_added_listed_painted_with_and_removed(photo: Path, capsys):
    assert main(["styles", "add", UDNIE, "--name", "mine"]) == 0
    out = capsys.readouterr().out
    assert out == "added 'mine': fast-nst infer PHOTO.jpg --style mine -o painting.jpg\n"
    assert main(["styles"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[-3:] == ["own", "548", "kB"]
    assert main(["styles", "--json"]) == 0
    *_, udnie, last = sorted(
        json.loads(capsys.readouterr().out), key=lambda s: s["source"] == "own"
    )
    assert set(last) == set(udnie)
    assert (last["name"], last["path"]) == ("mine", str(own_styles() / "mine.onnx"))
    assert main(["infer", str(photo), "-s", "mine:0.5", "-s", f"{UDNIE}:0.5", "-o", "a.png"]) == 0
    np.testing.assert_allclose(
        to_array(open_image("a.png")).astype(int), np.asarray(Stylizer("udnie")(photo)), atol=1
    )
    assert main(["styles", "remove", "mine", "yours"]) == 2
    assert main(["styles", "add", UDNIE, "--name", "yours"]) == 0
    assert main(["styles", "remove", "mine", "yours", "mine"]) == 0
    assert own_style_files() == []


def test_a_style_is_a_name_or_a_file_in_every_flag(photo: Path, capsys):
    shutil.copy(UDNIE, "my.onnx")
    paint = ["infer", str(photo), "--overwrite", "-o"]
    assert main([*paint, "a.png", "--style", "udnie"]) == 0
    for flags in (["--style", "my.onnx"], ["-s", "./my.onnx:2"], ["-m", "my.onnx"]):
        assert main([*paint, "b.png", *flags]) == 0
        assert Path("b.png").read_bytes() == Path("a.png").read_bytes()


def test_show_says_what_the_file_says(negative: Path, capsys):
    assert main(["styles", "show", "udnie", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    metadata = Stylizer("udnie").metadata
    for name in ("title", "artist", "year", "licence", "network", "style", "style_sha256"):
        assert shown[name] == metadata[name]
    for name in ("recipe", "start", "training", "defects"):
        assert shown[name] == json.loads(metadata[name])
    assert (shown["source"], shown["path"], shown["mixes"]) == ("package", UDNIE, True)
    assert shown["size"] == len(Path(UDNIE).read_bytes())
    assert main(["styles", "show", "udnie"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.replace(UDNIE, "").splitlines())) < 100
    assert "steps 860, batch_size 8" in out
    assert "(at most 1.5)" in out
    assert main(["styles", "show", str(negative)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["negative", "  title        Negative"]
    assert any(line.split()[:2] == ["from", "file"] for line in lines)
    assert any(line.startswith("  blends with  none: ") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("add", "required: FILE (see fast-nst styles add --help)"),
        ("add UDNIE", "choose another with --name, or add --overwrite to replace it"),
        ("add UDNIE --name udnie", "is a style in the package: choose another with --name"),
        ("add UDNIE --name a.b", "--name is 'a.b': give letters"),
        ("add UDNIE other", "unrecognized arguments: other"),
        ("add README.md", "unknown style 'README.md'"),
        ("remove", "required: NAME"),
        ("remove udnie", "in the package, and not one of yours"),
        ("show", "required: NAME|FILE"),
        ("show udnei", "Did you mean 'udnie'?"),
        ("./add", "no output: add -o sheet.png"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(capsys, arguments: str, words: str):
    assert main(["styles", "add", UDNIE]) == 0
    assert main(["styles", *arguments.replace("UDNIE", UDNIE).split()]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert words in err
    assert [path.stem for path in own_style_files()] == ["udnie_young_american_girl_the_dance"]


@pytest.mark.parametrize("form", ["add", "remove", "show"])
def test_each_form_has_its_help(capsys, form: str):
    for words in (["styles", form, "--help"], ["styles", "--help"]):
        with pytest.raises(SystemExit):
            main(words)
    first, second = capsys.readouterr().out.split("usage: ")[1:]
    assert first.startswith(f"fast-nst styles {form} [-h]")
    assert form in second


@pytest.mark.slow
def test_train_installs_the_model_and_says_under_which_name(
    photographs: Path, tmp_path: Path, monkeypatch, capsys
):
    tiny = ["train", "--photos", str(photographs), *TINY.split()]
    Path("a").mkdir()
    Path("b").mkdir()
    for place, seed in (("a/sea.png", 0), ("b/sea.png", 1), ("udnie.png", 2)):
        Image.fromarray(noise(40, 40, seed=seed)).save(place)

    def said() -> str:
        out = capsys.readouterr().out
        return next((line for line in out.splitlines() if line.startswith("Installed")), "")

    assert main([*tiny, "--style", "a/sea.png", "udnie.png", "b/sea.png", "a/sea.png"]) == 0
    assert said() == (
        "Installed as 'sea'; 'udnie-2', since 'udnie' is a style in the package; "
        "'sea-2', since 'sea' is another style of yours; 'sea' in place of its earlier model."
    )
    assert Path("runs/sea-3/model.onnx").read_bytes() == find_model("sea").read_bytes()
    assert main([*tiny, "--style", "a/sea.png", "--no-install"]) == 0
    assert "-m runs/sea-4/model.onnx" in capsys.readouterr().out
    assert main([*tiny, "--style", "a/sea.png", "--out", "runs/sea_steady", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["style"] == "sea_steady"
    assert [path.stem for path in own_style_files()] == ["sea", "sea-2", "sea_steady", "udnie-2"]


def test_train_without_a_users_folder_keeps_the_run(
    run: TrainResult, photographs: Path, tmp_path: Path, monkeypatch, capsys
):
    Path("file").touch()
    monkeypatch.setenv(HOME, str(tmp_path / "file"))
    resume = ["train", "--resume", str(run.checkpoint), "--out", "again", "--steps", "7"]
    assert main(resume) == 0
    out, err = capsys.readouterr()
    assert "note: not installed: cannot make the folder" in err
    assert "-m again/model.onnx" in out


def test_train_from_python_installs_if_it_is_asked_to(photographs: Path):
    Image.fromarray(noise(40, 40)).save("sea.png")
    settings = {"steps": 1, "size": 32, "style_size": 32, "precision": "32", "network": "fast"}
    settings |= {"content_layers": ["relu1_1"], "style_layers": ["relu1_1"]}
    result = fast_nst.train("sea.png", photographs, **settings)
    assert result.installed is None
    assert own_style_files() == []
    result = fast_nst.train("sea.png", photographs, install=True, **settings)
    assert result.installed == own_styles() / "sea.onnx" == find_model("sea")
