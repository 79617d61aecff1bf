"""One source of truth: the dataclass, the YAML files and the flags agree."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from fast_nst.assets import STYLES
from fast_nst.commands.parsing import parse, parse_given
from fast_nst.errors import UserError
from fast_nst.options import renamed
from fast_nst.training.settings import Recipe, TrainConfig, given_values

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


def parsed(*argv: str) -> TrainConfig:
    return parse(TrainConfig, argv, "fast-nst train", None)


def given(*argv: str) -> dict[str, object]:
    return parse_given(TrainConfig, argv, "fast-nst train", None)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_shipped_files_are_valid(path: Path):
    config = parsed("--config", str(path))
    assert config.trainer == {}
    assert given("--config", str(path))


def test_there_is_one_for_each_style_and_the_quick_one_is_the_default():
    names = {path.stem.removesuffix(".first") for path in CONFIGS}
    assert names == {path.stem for path in STYLES.glob("*.onnx")} | {"quick", "gpu", "steady"}
    quick = next(path for path in CONFIGS if path.stem == "quick")
    assert parsed("--config", str(quick)) == parsed() == TrainConfig()
    assert {"steps", "size", "style_weight", "network"} < set(given("--config", str(quick)))


def test_a_file_beats_the_one_before_it():
    files = {path.stem: str(path) for path in CONFIGS}
    config = parsed("--config", files["great_wave"], "--config", files["gpu"], "--steps", "3")
    assert (config.title, config.style_weight) == ("The Great Wave off Kanagawa", 6.0)
    assert (config.batch_size, config.steps) == (8, 3)


def test_a_flag_beats_the_file(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "steps: 7\nsize: 64\nprecision: 32\ndevices: 1\ntrainer: {max_time: 00:00:01:00}\n"
    )
    config = parsed("--config", str(path), "--steps", "9")
    assert (config.steps, config.size, config.precision, config.devices) == (9, 64, "32", "1")
    assert config.trainer == {"max_time": "00:00:01:00"}


def test_layers_come_with_spaces_or_commas():
    config = parsed("--style-layers", "relu1_1", "relu2_1,relu3_1", "--seed", "3")
    assert config.style_layers == ["relu1_1", "relu2_1", "relu3_1"]
    assert config.seed == 3


def test_a_single_layer_in_a_file_is_a_list_of_one(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("style_layers: relu1_1\n")
    assert parsed("--config", str(tmp_path / "a.yaml")).style_layers == ["relu1_1"]


def test_what_was_given_is_told_from_what_is_default():
    assert given_values(TrainConfig(steps=450, seed=3)) == {"steps": 450, "seed": 3}
    assert given("--steps", "600") == {"steps": TrainConfig().steps}  # a default, but asked for
    config = TrainConfig(seed=3)
    config.size = 64  # assigned is asked for
    assert given_values(config) == {"size": 64, "seed": 3}


def test_a_recipe_names_no_place_on_a_machine():
    config = TrainConfig(
        style="/home/me/wave.jpg",
        photos="/home/me/photos",
        out="/home/me/run",
        vgg="/home/me/vgg.pth",
        trainer={"max_time": "00:01", "callbacks": [{"class_path": "mine.Callback"}]},
    )
    recipe = config.recipe()
    assert "home" not in json.dumps(recipe)
    assert recipe["vgg"] == "vgg.pth"
    assert recipe["trainer"] == {"max_time": "00:01"}
    fields = {item.name for item in dataclasses.fields(Recipe)}
    assert set(recipe) == {*fields, "start"} - {"init"}
    assert Recipe(**renamed(Recipe, recipe)).style_weight == config.style_weight


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("steps", 0),
        ("steps", "many"),
        ("steps", 1.5),
        ("steps", True),
        ("steps", None),
        ("batch_size", 0),
        ("size", 31),
        ("style_size", 16),
        ("style_weight", 0.0),
        ("content_weight", -1.0),
        ("tv_weight", float("nan")),
        ("lr", float("inf")),
        ("seed", -1),
        ("workers", -1),
        ("style_layers", "relu1_1"),
        ("trainer", "max_time"),
    ],
)
def test_values_out_of_range_are_refused(setting: str, value: object):
    with pytest.raises(UserError, match=f"^{setting} is "):
        TrainConfig(**{setting: value})


@pytest.mark.parametrize(
    ("setting", "value"),
    [("precision", "8"), ("network", "fats"), ("pooling", "mean"), ("style_layers", ["relu4-1"])],
)
def test_unknown_names_are_refused(setting: str, value: object):
    with pytest.raises(UserError, match=r"unknown .* Choose one of"):
        TrainConfig(**{setting: value})
