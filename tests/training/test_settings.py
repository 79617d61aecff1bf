"""One source of truth: the dataclass, the YAML files and the flags agree."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fast_nst.commands.main import parse_training
from fast_nst.errors import UserError
from fast_nst.networks import NETWORKS
from fast_nst.training.settings import TrainConfig, settings
from fast_nst.vgg import check_layers

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


def test_every_setting_says_what_it_is():
    for name, _, _, text in settings():
        assert len(text) > 10, name


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_shipped_files_are_valid(path: Path):
    config, options = parse_training(["--config", str(path)])
    assert options == {}
    assert config.network in NETWORKS
    check_layers(config.content_layers + config.style_layers)
    assert path.read_text().count("#") >= 2  # commented, as promised


def test_there_is_one_for_each_painting_and_the_quick_one_is_the_default():
    names = {path.stem for path in CONFIGS}
    paintings = {"starry_night", "great_wave", "the_scream", "composition_vii", "udnie"}
    assert names == paintings | {"quick"}
    quick = next(path for path in CONFIGS if path.stem == "quick")
    assert parse_training(["--config", str(quick)])[0] == TrainConfig()
    assert parse_training([])[0] == TrainConfig()
    assert set(yaml.safe_load(quick.read_text())) > {"steps", "size", "style_weight", "network"}


def test_a_flag_beats_the_file(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "steps: 7\nsize: 64\nprecision: 32\ndevices: 1\ntrainer: {max_time: 00:00:01:00}\n"
    )
    config, options = parse_training(["--config", str(path), "--steps", "9"])
    assert (config.steps, config.size, config.precision, config.devices) == (9, 64, "32", "1")
    assert options == {"max_time": "00:00:01:00"}


def test_layers_come_with_spaces_or_commas():
    config, _ = parse_training(["--style-layers", "relu1_1", "relu2_1,relu3_1", "--seed", "3"])
    assert config.style_layers == ["relu1_1", "relu2_1", "relu3_1"]
    assert config.seed == 3


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("steps", 0),
        ("batch_size", 0),
        ("size", 31),
        ("style_size", 16),
        ("style_weight", 0.0),
        ("content_weight", -1.0),
        ("tv_weight", float("nan")),
        ("lr", float("inf")),
        ("seed", -1),
        ("workers", -1),
        ("precision", "8"),
    ],
)
def test_values_out_of_range_are_refused(setting: str, value: object):
    with pytest.raises(UserError, match=setting.replace("_", "-")):
        TrainConfig(**{setting: value})
