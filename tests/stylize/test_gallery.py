"""The gallery: what its files say, what they are, and how they look together."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import fast_nst
from fast_nst import Stylizer
from fast_nst.assets import DEFAULT_MODEL, STARTS, STYLES
from fast_nst.models.catalogue import find_model, live_name
from fast_nst.models.graphs import with_metadata
from fast_nst.models.own_styles import add_style
from fast_nst.stylize.gallery import gallery_sheet
from fast_nst.training.defects import MEASURES, faults
from fast_nst.training.settings import TrainConfig
from tests.conftest import inverting_model, noise

CONFIGS = Path(__file__).parents[2] / "configs"
NAMES = sorted(path.stem for path in STYLES.glob("*.onnx"))


def test_styles_are_sorted_by_name_and_say_what_their_files_do():
    found = fast_nst.styles()
    assert [style.name for style in found] == NAMES
    assert len(found) >= 8
    wave = next(style for style in found if style.name == "great_wave")
    assert wave.title == "The Great Wave off Kanagawa"
    assert (wave.artist, wave.year) == ("Katsushika Hokusai", "1831")
    assert wave.licence == "public domain"
    assert all(style.size < 1_000_000 for style in found)
    assert all(style.title and style.artist and style.year and style.licence for style in found)
    assert DEFAULT_MODEL.stem in NAMES
    assert {style.source for style in found} == {"package"}


def test_styles_of_the_user_follow_those_of_the_package(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place, seed in (("runs/sea/model.onnx", 0), ("runs/wave/model.onnx", 1)):
        Path(place).parent.mkdir(parents=True)
        Path(place).write_bytes(with_metadata(inverting_model(), title=f"Number {seed}"))
    own = add_style("runs/wave/model.onnx")
    found = fast_nst.styles()[len(NAMES) :]
    assert [(style.name, style.title, style.source, style.path) for style in found] == [
        ("number_1", "Number 1", "own", own),
        ("sea", "Number 0", "run", Path("runs/sea/model.onnx")),
    ]
    assert list(gallery_sheet().paintings) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_style_descends_from_its_root_and_is_what_its_config_says(name: str):
    metadata = Stylizer(name).metadata
    root = STARTS[metadata["network"]]["photograph"]
    assert metadata["root"] == Stylizer(root).metadata["root"]
    given = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    recipe = json.loads(metadata["recipe"])
    config = TrainConfig(**given)
    for key in ("network", "style_size", "style_weight", "tv_weight", "style_layers"):
        assert recipe[key] == getattr(config, key), key
    for key in ("title", "artist", "year", "licence"):
        assert metadata[key] == str(given[key])
    assert json.loads(metadata["training"])["steps"] >= 2000


@pytest.mark.parametrize("name", NAMES)
def test_a_style_has_a_model_for_films(name: str):
    live = live_name(name, steady=False)
    metadata = Stylizer(find_model(live)).metadata
    assert metadata["network"] == "fast"
    assert metadata["root"] == Stylizer(STARTS["fast"]["photograph"]).metadata["root"]
    assert metadata["title"] == Stylizer(name).metadata["title"]
    measures = json.loads(metadata["defects"])
    assert set(measures) == set(MEASURES)
    assert faults(measures) == []


def test_the_styles_are_different_pictures():
    pixels = noise(64, 64)
    paintings = {hashlib.sha256(Stylizer(name)(pixels)).digest() for name in NAMES}
    assert len(paintings) == len(NAMES)


def test_the_sheet_has_every_style_in_its_place():
    photo = Image.fromarray(noise(24, 36))
    sheet = np.asarray(gallery_sheet().draw(photo, height=24))
    # Eight px around each picture and twenty for its label.
    for place, name in enumerate(["", *NAMES]):
        row, column = divmod(place, 4)
        top, left = 8 + row * (24 + 28) + 20, 8 + column * (36 + 8)
        tile = sheet[top : top + 24, left : left + 36]
        expected = np.asarray(Stylizer(name)(photo) if name else photo)
        np.testing.assert_array_equal(tile, expected)
    seen = []
    gallery_sheet().draw(
        photo, height=24, on_progress=lambda *step: seen.append(step) or len(seen) == 2
    )
    assert seen == [(1, len(NAMES)), (2, len(NAMES))]
