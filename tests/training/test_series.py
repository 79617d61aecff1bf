"""Several styles in turn, past failures, to one table and one sheet."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from PIL import Image

from fast_nst import Stylizer
from fast_nst.commands.main import main
from fast_nst.errors import UserError
from fast_nst.pictures.read import open_image
from fast_nst.training.series import series_sheet, style_images, train_series
from fast_nst.training.settings import TrainConfig
from tests.conftest import noise

SMALL = "--steps 2 --size 32 --style-size 32 --precision 32 --network fast"
SMALL += " --content-layers relu1_1 --style-layers relu1_1"


@pytest.fixture
def images(tmp_path: Path, monkeypatch) -> Path:
    """Two styles, one that is too small, and one whose name has commas."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "styles"
    folder.mkdir()
    for name, side in (("sea.png", 50), ("night, moon, and wind.png", 44), ("dot.png", 9)):
        Image.fromarray(noise(side, side)).save(folder / name)
    return folder


def test_patterns_of_styles(images: Path, capsys):
    assert main(["train", "--style", "styles/d*.png", "--photos", "none"]) == 2
    assert "'styles/dot.png' is 9x9" in capsys.readouterr().err
    assert main(["train", "--style", "styles/x*.png"]) == 2
    assert "no image matches 'styles/x*.png'" in capsys.readouterr().err


def test_a_folder_is_trained_past_a_failure(images: Path, photographs: Path, capsys):
    assert main(["train", "--style", "styles", "--photos", str(photographs), *SMALL.split()]) == 1
    out, err = capsys.readouterr()
    rows = [line for line in out.splitlines() if line.split("  ")[0].endswith((".png", "style"))]
    assert rows[0].split() == ["style", "steps", "seconds", "validation", "loss", "folder"]
    assert rows[1].startswith("dot.png ")
    assert "at least 32 px" in rows[1]
    assert rows[2].startswith("night, moon, and wind.png  2 ")
    assert rows[2].endswith("runs/night, moon, and wind")
    assert float(rows[3].split()[3]) > 0
    assert "failed: " in err
    assert "3 of 3: styles/sea.png" in err
    assert "2 photographs skipped" in err
    assert Stylizer("sea").metadata["title"] == "sea"
    assert open_image("runs/sheet.jpg").height > 600  # a row each
    assert not Path("runs/dot/model.onnx").exists()


@pytest.mark.slow
def test_files_are_trained_in_their_order(images: Path, photographs: Path, capsys):
    command = ["train", "--style", "styles/sea.png", "styles/night, moon, and wind.png"]
    assert main([*command, "--photos", str(photographs), *SMALL.split()]) == 0
    assert capsys.readouterr().out.index("sea.png") > 0
    assert main([*command, "--photos", str(photographs), *SMALL.split()]) == 0
    assert Path("runs/sea-2/model.onnx").is_file()
    assert Path("runs/sheet-2.jpg").is_file()  # nothing is replaced


def test_one_reason_for_all_is_an_error_of_the_command(images: Path, capsys):
    Path("styles/dot.png").unlink()  # it has another
    assert main(["train", "--style", "styles", "--photos", "nowhere", *SMALL.split()]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: no folder")


@pytest.mark.parametrize("flag", ["--out x", "--title x", "--resume last", "--from-preview 1"])
def test_what_belongs_to_one_style_is_refused(images: Path, capsys, flag: str):
    assert main(["train", "--style", "styles", *flag.split()]) == 2
    assert f"{flag.split()[0]} belongs to one style" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_several_devices_are_refused():
    for given in ({"devices": "2"}, {"num_nodes": 2}):
        with pytest.raises(UserError, match="on one device: give devices 1"):
            train_series(TrainConfig(**given), [Path("a.png")])


def test_a_stop_ends_the_series_and_leaves_its_model(images: Path, photographs: Path):
    config = TrainConfig(
        photos=str(photographs),
        steps=4,
        size=32,
        style_size=32,
        precision="32",
        content_layers=["relu1_1"],
        style_layers=["relu1_1"],
    )
    styles = style_images(["styles/sea.png", "styles/night, moon, and wind.png"])
    outcomes = train_series(config, styles, on_progress=lambda step, *_: step == 2)
    assert outcomes[0].result.steps == 2
    assert outcomes[0].result.model.is_file()
    assert (outcomes[1].result, outcomes[1].error) == (None, "")
    assert series_sheet(outcomes[1:], []) is None


def test_a_name_that_is_no_text_is_trained_past(images: Path, photographs: Path):
    """As a folder from another system may have it: what cannot be said in UTF-8 is replaced."""
    name = os.fsdecode(b"M\xfcller.png")
    Image.fromarray(noise(40, 40)).save(f"styles/{name}")
    given = {"steps": 2, "size": 32, "style_size": 32, "precision": "32", "network": "fast"}
    layers = {"content_layers": ["relu1_1"], "style_layers": ["relu1_1"]}
    config = TrainConfig(photos=str(photographs), **given, **layers)
    said: list[str] = []
    (outcome,) = train_series(config, [Path("styles", name)], log=said.append)
    assert outcome.error == ""
    assert Stylizer(outcome.result.model).metadata["title"] == "M\ufffdller"
    settings = (outcome.result.folder / "config.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(settings)["style"] == "styles/M\ufffdller.png"
    assert any("gets no logs" in line for line in said)
