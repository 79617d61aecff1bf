"""`fast-nst styles add`, `remove` and `show`, and the models that `train` installs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fast_nst
from fast_nst import Stylizer
from fast_nst.assets import STYLES
from fast_nst.commands import train
from fast_nst.commands.main import main
from fast_nst.models.catalogue import find_model
from fast_nst.models.home import HOME, own_style_files, own_styles
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_image
from fast_nst.training.installation import install
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
    first, *_, last = json.loads(capsys.readouterr().out)
    assert set(last) == set(first)
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
def test_a_series_is_installed_under_free_names(photographs: Path, capsys):
    for place, seed in (("a/sea.png", 0), ("b/sea.png", 1), ("udnie.png", 2)):
        Path(place).parent.mkdir(exist_ok=True)
        Image.fromarray(noise(40, 40, seed=seed)).save(place)
    styles = ["--style", "a/sea.png", "udnie.png", "b/sea.png"]
    assert main(["train", "--photos", str(photographs), *TINY.split(), *styles]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "Installed" in line)
    assert line == (
        "Installed as 'sea'; 'udnie-2', since 'udnie' is a style in the package; "
        "'sea-2', since 'sea' is another style of yours."
    )
    assert Path("runs/sea/model.onnx").read_bytes() == find_model("sea").read_bytes()
    assert [path.stem for path in own_style_files()] == ["sea", "sea-2", "udnie-2"]


@pytest.mark.slow
def test_train_from_python_installs_if_it_is_asked_to(photographs: Path):
    Image.fromarray(noise(40, 40)).save("sea.png")
    settings = {"steps": 1, "size": 32, "style_size": 32, "precision": "32", "network": "fast"}
    settings |= {"content_layers": ["relu1_1"], "style_layers": ["relu1_1"]}
    result = fast_nst.train("sea.png", photographs, install=True, **settings)
    assert result.installed == own_styles() / "sea.onnx" == find_model("sea")


def test_a_run_is_installed_under_the_name_of_its_style(run: TrainResult, tmp_path: Path):
    assert install(run).name == "sample_style"
    names = {"sample_style-2": "sample_style", "sea_steady": "sea_steady", "udnie": "udnie-2"}
    for folder, name in names.items():
        assert install(replace(run, folder=Path("runs", folder))).name == name


def test_a_run_that_cannot_be_installed_says_why(
    run: TrainResult, tmp_path: Path, monkeypatch, capsys
):
    Path("file").touch()
    monkeypatch.setenv(HOME, str(tmp_path / "file"))
    assert train._install(run) is None
    err = capsys.readouterr().err
    assert err.startswith(f"note: not installed: cannot make the folder '{tmp_path}/file/styles'")
