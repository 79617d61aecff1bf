"""A sheet to choose from, and training that goes on from a tile of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fast_nst import Stylizer
from fast_nst.commands.main import main
from fast_nst.errors import UserError
from fast_nst.pictures.read import open_image, open_photograph
from fast_nst.training import preview as module
from fast_nst.training.models import read_model
from fast_nst.training.plan import Plan, resolve
from fast_nst.training.preview import (
    STRENGTHS,
    PreviewSettings,
    fit_time,
    preview,
    style_sizes,
)
from fast_nst.training.preview_tiles import find_tile
from fast_nst.training.settings import TrainConfig
from tests.conftest import noise

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a style image, and the preview that the command made of it."""
    folder = tmp_path_factory.mktemp("place")
    Image.fromarray(noise(90, 120)).save(folder / "wave.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["preview", "--style", "wave.png", "--steps", "2", "--precision", "32"]) == 0
    return folder


def test_sizes_of_strokes_fit_the_style_image():
    assert style_sizes(3000) == [256, 512]
    assert style_sizes(400) == [256, 512]
    assert style_sizes(150) == [150, 300]
    assert style_sizes(70) == [70, 140]
    assert style_sizes(32) == [32, 64]


def test_a_preview_leaves_a_sheet_and_what_its_tiles_are(place: Path, monkeypatch):
    monkeypatch.chdir(place)
    folder = Path("runs/wave_preview")
    assert {path.name for path in folder.iterdir()} == {
        "sheet.jpg",
        "preview.json",
        "strokes_90",
        "strokes_180",
        "strokes_90.onnx",
        "strokes_180.onnx",
    }
    width, height = open_image(folder / "sheet.jpg").size
    assert width > 1000  # three a row,
    assert 1200 < height < 1400  # in three rows
    tiles = [find_tile("wave.png", number) for number in range(1, 7)]
    assert [tile.strength for tile in tiles] == [*STRENGTHS, *STRENGTHS]
    assert [tile.style_size for tile in tiles] == [90] * 3 + [180] * 3
    for tile in tiles:
        metadata = Stylizer(tile.model).metadata
        recipe = json.loads(metadata["recipe"])
        assert (recipe["style_size"], recipe["steps"]) == (tile.style_size, 2)
        assert json.loads(metadata["start"])["name"] == "base"


def test_a_tile_is_what_its_model_paints(place: Path, monkeypatch):
    monkeypatch.chdir(place)
    sheet = np.asarray(open_image("runs/wave_preview/sheet.jpg")).astype(int)
    tile = find_tile("wave.png", 3)
    photo = open_photograph(Path(__file__).parents[2] / "fast_nst/assets/photos/astronaut.jpg", 640)
    painting = Stylizer(tile.model, strength=1.3)(photo)
    scaled = painting.resize((round(painting.width * 400 / painting.height), 400), 1)
    left, top = 2 * (scaled.width + 8) + 8, 8 + 20 + 400 + 8 + 20
    shown = sheet[top : top + 400, left : left + scaled.width]
    assert np.abs(shown - np.asarray(scaled)).mean() < 4  # it is a JPEG
    other = Stylizer(tile.model, strength=0.6)(photo).resize(scaled.size, 1)
    assert np.abs(shown - np.asarray(other)).mean() > 4


@pytest.mark.slow
def test_the_command_names_what_goes_on_from_each_tile(place: Path, monkeypatch, capsys):
    monkeypatch.chdir(place)
    assert main(["preview", "--style", "wave.png", "--steps", "1", "--precision", "32"]) == 0
    out = capsys.readouterr().out
    assert "Look at runs/wave_preview-2/sheet.jpg" in out
    assert "4: style size 180, strength 0.6\n    fast-nst train --style wave.png" in out
    commands = [line.split() for line in out.splitlines() if "fast-nst train" in line]
    assert [command[-2:] for command in commands] == [
        ["--from-preview", str(n + 1)] for n in range(6)
    ]
    small = "--size 32 --steps 2 --precision 32 --content-layers relu1_1 --style-layers relu1_1"
    assert main([*commands[5][1:], *small.split()]) == 0
    assert "--style wave --strength 1.3 -o painting.jpg" in capsys.readouterr().out
    metadata = Stylizer("runs/wave/model.onnx").metadata
    assert json.loads(metadata["start"])["name"] == "strokes_180.onnx"
    assert json.loads(metadata["recipe"])["style_size"] == 180
    assert metadata["root"] == Stylizer("evening").metadata["root"]


@pytest.mark.slow
def test_an_own_folder_is_named_by_its_files(place: Path, tmp_path: Path, capsys):
    out = tmp_path / "here"
    command = f"preview --style {place / 'wave.png'} --steps 1 --precision 32 --out {out}"
    assert main(command.split()) == 0
    assert f"--init {out / 'strokes_90.onnx'} --style-size 90\n" in capsys.readouterr().out
    assert main(command.split()) == 2
    assert "holds a preview: change --out" in capsys.readouterr().err


def test_the_settings_are_the_tile_s(place: Path, monkeypatch):
    monkeypatch.chdir(place)
    plan = resolve(TrainConfig(style="wave.png", from_preview=5, steps=7))
    config = plan.config
    assert plan.tile == find_tile("wave.png", 5)
    assert (config.style_size, config.steps, config.from_preview) == (180, 7, None)
    start = read_model(str(config.init)).network.state_dict()
    mine = read_model(find_tile("wave.png", 5).model).network.state_dict()
    assert all(torch.equal(value, mine[name]) for name, value in start.items())
    plain = TrainConfig(steps=7)
    assert resolve(plain) == Plan(plain, given=frozenset({"steps"}))


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"from_preview": 7}, "the tiles of .* are 1 to 6"),
        ({"from_preview": 1, "style": "sea.png"}, "no preview in .*fast-nst preview --style sea"),
        ({"from_preview": 1, "style_size": 300}, "style_size contradicts"),
        ({"from_preview": 1, "resume": "last"}, "resume contradicts"),
        ({"from_preview": 1, "style": "other/wave.png"}, "is of another image"),
    ],
)
def test_what_cannot_be_gone_on_from_is_said(place: Path, monkeypatch, given: dict, word: str):
    monkeypatch.chdir(place)
    Path("other").mkdir(exist_ok=True)
    Image.fromarray(noise(40, 40, seed=1)).save("other/wave.png")
    with pytest.raises(UserError, match=word):
        resolve({"style": "wave.png", **given})


def test_a_damaged_record_is_said(place: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("runs/wave_preview").mkdir(parents=True)
    for text in ("{", "[]", '{"tiles": [{"number": 1}], "style_sha256": ""}'):
        Path("runs/wave_preview/preview.json").write_text(text)
        with pytest.raises(UserError, match="is damaged: make it again by"):
            find_tile("wave.png", 1)


def test_ctrl_c_leaves_a_sheet_of_what_there_is(place: Path, tmp_path: Path):
    seen: list[tuple[int, int]] = []

    def each(step: int, steps: int, loss: float) -> bool:
        seen.append((step, steps))
        return step == 2

    settings = PreviewSettings(
        style=str(place / "wave.png"), out=str(tmp_path / "p"), steps=5, precision="32"
    )
    made = preview(settings, on_progress=each)
    assert seen == [(1, 10), (2, 10)]
    assert [tile.number for tile in made.tiles] == [1, 2, 3]
    assert open_image(made.sheet).height < 900


CONFIG = TrainConfig(steps=400, size=256)


@pytest.mark.parametrize(
    ("seconds", "left", "expected"),
    [
        (0.5, 200, (400, 256, 200)),
        (1.0, 80, (320, 128, 80)),  # a quarter of the arithmetic
        (0.6, 200, (400, 128, 200)),  # never more than those given
        (4.0, 50, (100, 128, 100)),  # fewer show nothing
        (4.0, -9, (100, 128, 100)),
    ],
)
def test_steps_that_take_too_long_are_fewer_of_smaller_crops(
    seconds: float, left: float, expected: tuple[int, int, float]
):
    config, line = fit_time(CONFIG, seconds, left)
    steps, size, planned = expected
    assert (config.steps, config.size) == (steps, size)
    assert config.minutes == pytest.approx(planned / 60)
    assert line.startswith(f"{steps} steps on crops of 128 px") == (size == 128)
    assert ("take 1.7 minutes here" in line) == (left < planned)


@pytest.mark.slow
def test_a_slow_machine_takes_fewer_steps(place: Path, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr(module, "FEWEST", 3)
    command = f"preview --style {place / 'wave.png'} --out {tmp_path / 'p'} --precision 32"
    assert main([*command.split(), "--steps", "50", "--minutes", "0.001"]) == 0
    line = "3 steps on crops of 128 px for each size of strokes take"
    assert line in capsys.readouterr().err.split("training")[0]
    for size in (90, 180):
        recipe = json.loads(Stylizer(tmp_path / f"p/strokes_{size}.onnx").metadata["recipe"])
        assert recipe["size"] == 128
        assert recipe["steps"] == 3
