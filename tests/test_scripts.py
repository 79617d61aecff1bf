"""The scripts that made the files in the package, at a scale of seconds."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from fast_nst import Stylizer
from fast_nst.assets import SAMPLE_STYLE
from fast_nst.training.models import read_model
from fast_nst.training.settings import TrainConfig
from fast_nst.training.start import fingerprint, starting_point
from fast_nst.vgg import VGG19

SCRIPTS = Path(__file__).parents[1] / "scripts"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look it up
    spec.loader.exec_module(module)
    return module


def test_the_root_is_trained_towards_its_input():
    root = script("train_root")
    vgg, photo = VGG19(["relu2_2"]), torch.rand(1, 3, 32, 32)
    part = root.Part(1, 1e-3, "relu2_2", 20.0)
    assert root.reconstruction_loss(vgg, photo, photo, part) == 0
    features = [vgg(picture)["relu2_2"] for picture in (photo, photo + 0.01)]
    content = ((features[0] - features[1]) ** 2).mean() / 2
    off = root.reconstruction_loss(vgg, photo + 0.01, photo, part)
    assert off.item() == pytest.approx(content.item() + 20 * 0.01, rel=1e-4)


def test_a_root_is_its_own_root(photographs: Path, tmp_path: Path, monkeypatch, capsys):
    root = script("train_root")
    parts = (root.Part(2, 3e-3, "relu1_1"), root.Part(1, 1e-3, "relu1_2"))
    monkeypatch.setattr(root, "PARTS", parts)
    target = tmp_path / "root.onnx"
    monkeypatch.setattr("sys.argv", ["train_root.py", str(photographs), "-o", str(target)])
    root.main()
    assert "defects, and what passes: screen" in capsys.readouterr().out
    model = read_model(target)
    assert model.metadata["root"] == fingerprint(model.network.state_dict())
    assert [part["steps"] for part in json.loads(model.metadata["recipe"])["parts"]] == [2, 1]
    assert starting_point(TrainConfig(start=str(target))).root == model.metadata["root"]


def test_the_gallery_is_trained_in_parts(photographs: Path, tmp_path: Path, monkeypatch, capsys):
    gallery = script("train_gallery")
    configs, paintings = tmp_path / "configs", tmp_path / "paintings"
    configs.mkdir()
    paintings.mkdir()
    (paintings / "wave.jpg").write_bytes(SAMPLE_STYLE.read_bytes())
    common = "size: 32\nstyle_size: 32\nprecision: 32\nstyle: somewhere/{}.jpg\n"
    first = common.format("wave") + "start: photograph\nsteps: 2\nstyle_weight: 9\n"
    (configs / "wave.first.yaml").write_text(first)
    (configs / "wave.yaml").write_text(common.format("wave") + "steps: 1\n")
    (configs / "gone.yaml").write_text(common.format("gone") + "steps: 1\n")
    (configs / "quick.yaml").write_text("steps: 1\n")
    monkeypatch.setattr(gallery, "CONFIGS", configs)
    out = tmp_path / "out"
    command = ["train_gallery.py", str(paintings), str(photographs), "-o", str(out)]
    monkeypatch.setattr("sys.argv", command)
    assert gallery.main() == 1
    printed = capsys.readouterr()
    assert "1 of 2 in" in printed.out
    assert "error: gone: " in printed.err
    metadata = Stylizer(out / "wave.onnx").metadata
    start = json.loads(metadata["start"])
    assert (start["recipe"]["steps"], start["recipe"]["style_weight"]) == (2, 9.0)
    assert start["recipe"]["start"] == "photograph"
    assert json.loads(metadata["recipe"])["steps"] == 1
    monkeypatch.setattr("sys.argv", [*command, "--styles", "wave"])
    (out / "wave.onnx").unlink()
    assert gallery.main() == 0  # what is trained is not trained again
    assert "step" not in capsys.readouterr().err
    assert (out / "wave.onnx").is_file()
    (configs / "udnie.yaml").write_text(common.format("wave") + "steps: 5\nstyle_weight: 2\n")
    (configs / "steady.yaml").write_text("steps: 2\nsteady: 20\nsteady_shift: 3\n")
    monkeypatch.setattr("sys.argv", [*command, "--styles", "udnie", "--steady"])
    assert gallery.main() == 0
    metadata = Stylizer(out / "udnie_steady.onnx").metadata
    recipe = json.loads(metadata["recipe"])
    assert (recipe["steps"], recipe["style_weight"], recipe["steady"]) == (2, 2.0, 20.0)
    assert json.loads(metadata["start"])["name"] == "udnie"
