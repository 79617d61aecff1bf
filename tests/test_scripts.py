"""The scripts that made the files in the package, at a scale of seconds."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from fast_nst import Stylizer
from fast_nst.assets import LIVE_STYLES, SAMPLE_PHOTOGRAPHS, SAMPLE_STYLE, STARTS, STYLES
from fast_nst.devices import to_tensor
from fast_nst.pictures.read import open_photograph
from fast_nst.training.distillation import distance
from fast_nst.training.initialization import fingerprint, load_initialization
from fast_nst.training.models import read_model
from fast_nst.training.settings import TrainConfig

pytestmark = pytest.mark.integration

SCRIPTS = Path(__file__).parents[1] / "scripts"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look it up
    spec.loader.exec_module(module)
    return module


def test_train_base_identity_loss_is_the_mean_difference():
    base = script("train_base")
    photo = torch.rand(1, 3, 32, 32)
    assert base.difference(lambda x, z: x, photo, None) == 0
    assert base.difference(lambda x, z: x + z, photo, -0.25).item() == pytest.approx(0.25)


@pytest.mark.slow
def test_train_base_writes_both_models(photographs: Path, tmp_path: Path, monkeypatch, capsys):
    base = script("train_base")
    paintings = tmp_path / "paintings"
    paintings.mkdir()
    for name in ("one", "two"):
        (paintings / f"{name}.jpg").write_bytes(SAMPLE_STYLE.read_bytes())
    command = ["train_base.py", "--paintings", str(paintings), "--photos", str(photographs)]
    command += ["--photos-source", "samples, CC0-1.0"]
    command += ["-o", str(tmp_path / "starts"), "--minutes", "0.02", "--size", "32"]
    monkeypatch.setattr("sys.argv", [*command, "--style-size", "32"])
    base.main()
    assert capsys.readouterr().out.count("defects, and what passes") == 2
    found = {name: read_model(tmp_path / "starts" / f"{name}.onnx") for name in STARTS["fine"]}
    root = fingerprint(found["photograph"].network.state_dict())
    assert {model.metadata["root"] for model in found.values()} == {root}
    assert json.loads(found["photograph"].metadata["start"])["name"] == "base"
    recipes = [json.loads(found[name].metadata["recipe"]) for name in ("base", "photograph")]
    assert [recipe["batch_size"] for recipe in recipes] == [1, 2]
    assert all(recipe["steps"] >= 1 and recipe["network"] == "fine" for recipe in recipes)
    terms = {
        (model.metadata["photographs"], model.metadata["model_license"]) for model in found.values()
    }
    assert terms == {("samples, CC0-1.0", "MIT")}
    start = load_initialization(TrainConfig(init=str(tmp_path / "starts" / "base.onnx")))
    assert start.identity_sha256 == root != fingerprint(start.state)


@pytest.fixture
def gallery(tmp_path: Path, monkeypatch) -> ModuleType:
    """The script, with a gallery of two styles in `tmp_path`."""
    gallery = script("train_gallery")
    for name in ("configs", "paintings", "styles"):
        (tmp_path / name).mkdir()
    (tmp_path / "paintings" / "wave.jpg").write_bytes(SAMPLE_STYLE.read_bytes())
    for name in ("udnie", "wave"):
        (tmp_path / "configs" / f"{name}.yaml").write_text(
            "style: somewhere/wave.jpg\ntitle: Wave\nartist: A\nyear: 1831\nlicence: none\n"
            "style_size: 48\nsteps: 4000\n"
        )
    (tmp_path / "configs" / "quick.yaml").write_text("steps: 1\n")
    monkeypatch.setattr(gallery, "CONFIGS", tmp_path / "configs")
    monkeypatch.setattr(gallery, "STYLES", tmp_path / "styles")
    return gallery


def run_gallery(gallery: ModuleType, photographs: Path, folder: Path, *more: str) -> int:
    words = ["train_gallery.py", "--paintings", str(folder / "paintings")]
    words += ["--photos", str(photographs), "-o", str(folder / "out"), "--size", "32", *more]
    words += ["--photos-source", "samples, CC0-1.0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", words)
        return gallery.main()


@pytest.mark.slow
def test_train_gallery_replaces_only_worse_models(
    gallery: ModuleType, photographs: Path, tmp_path: Path, capsys, monkeypatch
):
    monkeypatch.setattr(gallery, "worse", lambda *_: [])  # so brief a training cannot be clean
    assert run_gallery(gallery, photographs, tmp_path, "--minutes", "0.02") == 0
    said = capsys.readouterr().out
    assert "udnie: " in said  # nothing is trained yet: the first of the order
    assert (tmp_path / "out" / "udnie.jpg").is_file()
    metadata = Stylizer(tmp_path / "styles" / "udnie.onnx").metadata
    training = json.loads(metadata["training"])
    assert training["crops"] == training["steps"] > 0
    assert (metadata["network"], metadata["year"]) == ("fine", "1831")
    assert json.loads(metadata["start"])["name"] == "base"
    assert metadata["root"] == Stylizer(STARTS["fine"]["photograph"]).metadata["root"]
    assert run_gallery(gallery, photographs, tmp_path, "--minutes", "0.02") in (0, 1)
    assert "wave: " in capsys.readouterr().out  # the fewest crops: none
    # What has become worse is refused, and the file stays.
    before = (tmp_path / "styles" / "udnie.onnx").read_bytes()
    monkeypatch.setattr(gallery, "worse", lambda *_: ["screen"])
    more = ("--minutes", "0.02", "--style", "udnie")
    assert run_gallery(gallery, photographs, tmp_path, *more) == 1
    assert "worse: screen: the style stays as it is" in capsys.readouterr().out
    assert (tmp_path / "styles" / "udnie.onnx").read_bytes() == before


def test_train_gallery_counts_defects_only_beyond_their_limits(gallery: ModuleType):
    fine = {"screen": 0.5, "palette": 0.9}
    assert gallery.worse(fine, {"screen": 1.4, "palette": 0.75}) == []
    assert gallery.worse(fine, {"screen": 1.6, "palette": 0.9}) == ["screen"]
    assert gallery.worse(fine, {"screen": 0.5, "palette": 0.6}) == ["palette"]
    assert gallery.worse({"screen": 3.0}, {"screen": 2.5}) == []


def test_train_gallery_resumes_an_interrupted_cycle(gallery: ModuleType, tmp_path: Path):
    network, other = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    adam = torch.optim.Adam(network.parameters())
    at = gallery.timed.Progress(7, 3.5, adam.state_dict())
    gallery._keep(tmp_path / "x.ckpt", network, at, 60.0)
    assert gallery._resumed(tmp_path / "x.ckpt", other, 90.0) == gallery.timed.Progress()
    assert gallery._resumed(tmp_path / "x.ckpt", other, 60.0) == at
    assert torch.equal(network.weight, other.weight)
    assert gallery._resumed(tmp_path / "none.ckpt", other, 60.0).step == 0


def test_train_gallery_names_a_missing_style(gallery: ModuleType, photographs, tmp_path, capsys):
    assert run_gallery(gallery, photographs, tmp_path, "--style", "wvae") == 2
    assert "error: unknown style 'wvae'. Did you mean 'wave'?" in capsys.readouterr().err


@pytest.mark.slow
def test_train_live_approaches_its_teacher(photographs: Path, tmp_path: Path, monkeypatch, capsys):
    live = script("train_live")
    command = ["train_live.py", "--photos", str(photographs), "--style", "udnie"]
    command += ["-o", str(tmp_path), "--minutes", "0.2", "--size", "48", "--photos-source", "own"]
    monkeypatch.setattr("sys.argv", command)
    monkeypatch.setattr(live, "LIVE_STYLES", tmp_path)  # no weights of its own: from the base
    assert live.main() == 0
    assert "udnie_fast.onnx" in capsys.readouterr().out
    student = read_model(tmp_path / "udnie_fast.onnx")
    assert student.metadata["network"] == "fast"
    assert student.metadata["title"].startswith("Udnie")
    assert json.loads(student.metadata["training"])["distilled_from"] == "udnie"
    base = read_model(STARTS["fast"]["base"])
    assert student.metadata["root"] == base.metadata["root"]
    photo = to_tensor(open_photograph(photographs / "photo0.jpg").resize((48, 48)))
    noise = torch.zeros(1, 1, 12, 12)
    target = read_model(live.STYLES / "udnie.onnx").network(photo, noise)
    before, after = (distance(m.network(photo, noise), target) for m in (base, student))
    assert after < before


def test_mend_borders_targets_are_the_paintings_that_go_on_behind_the_borders():
    borders = script("mend_borders")
    photo, noise = torch.rand(2, 3, 64, 72), torch.randn(2, 1, 16, 18)
    assert torch.equal(borders.target(lambda x, z: x, photo, noise), photo)
    cells = F.interpolate(noise, scale_factor=4).expand(-1, 3, -1, -1)
    painted = borders.target(
        lambda x, z: F.interpolate(z, size=x.shape[-2:]).expand(-1, 3, -1, -1), photo, noise
    )
    assert torch.equal(painted, cells)


def test_mend_borders_measures_the_frame_alone():
    borders = script("mend_borders")
    photo = torch.rand(1, 3, 64, 64)

    def framed(x: torch.Tensor, z: torch.Tensor | None = None) -> torch.Tensor:
        inside = F.pad(torch.ones(1, 1, 32, 32), [16] * 4)
        return x + 0.1 * (1 - inside)

    assert borders.frame_difference(framed, lambda x, z: x, photo) == pytest.approx(25.5, abs=0.01)
    assert borders.frame_difference(lambda x, z: x, lambda x, z: x, photo) == 0


@pytest.mark.slow
def test_mend_borders_keeps_the_style_and_says_what_changed(
    photographs: Path, tmp_path: Path, monkeypatch, capsys
):
    borders = script("mend_borders")
    command = ["mend_borders.py", "--paintings", str(tmp_path), "--photos", str(photographs)]
    command += ["--held-out", str(photographs), "--photos-source", "samples, CC0-1.0"]
    command += ["--style", "evening", "--minutes", "0.1", "--size", "64", "-o", str(tmp_path)]
    monkeypatch.setattr("sys.argv", command)
    levels = iter([2.0, 1.0, 1.0, 2.0])  # seconds of training may change anything
    monkeypatch.setattr(borders, "frame_difference", lambda *_: next(levels))
    monkeypatch.setattr(borders, "worse", lambda before, after: [])
    assert borders.main() == 0
    assert "differ by 2.0 levels, now 1.0: wrote" in capsys.readouterr().out
    before, after = (read_model(folder / "evening.onnx") for folder in (STYLES, tmp_path))
    assert after.metadata["recipe"] == before.metadata["recipe"]
    assert after.metadata["root"] == before.metadata["root"]
    seen = f"samples, CC0-1.0; initial weights: {before.metadata['photographs']}"
    assert after.metadata["photographs"] == seen
    mended = json.loads(after.metadata["training"])["borders"]
    assert mended["steps"] == mended["crops"] >= 1
    assert mended["device"] == "CPU"
    (tmp_path / "evening.onnx").unlink()
    assert borders.main() == 1  # no better
    assert "not written, no better" in capsys.readouterr().out
    assert not (tmp_path / "evening.onnx").exists()


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--style", "udnie"], "is the one that the model was trained on"),
        (["--style", "evening", "--size", "48"], "--size 48: give a multiple of 4 above 48"),
        (["--style", "evening", "--size", "66"], "--size 66: give a multiple of 4 above 48"),
        (["--style", "udnei"], "Did you mean 'udnie'?"),
    ],
)
def test_mend_borders_refuses_before_it_trains(
    photographs: Path, tmp_path: Path, monkeypatch, capsys, flags: list[str], line: str
):
    command = ["mend_borders.py", "--paintings", str(photographs), "--photos", str(photographs)]
    command += ["--held-out", str(photographs), "--photos-source", "own", "-o", str(tmp_path)]
    monkeypatch.setattr("sys.argv", [*command, *flags])
    assert script("mend_borders").main() == 2
    assert line in capsys.readouterr().err


def test_blind_sheets_show_the_new_gallery_where_the_key_says(tmp_path: Path, monkeypatch):
    blind = script("blind_sheets")
    for folder, source in (
        ("old", LIVE_STYLES / "evening_fast.onnx"),
        ("new", STYLES / "evening.onnx"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "evening.onnx").write_bytes(source.read_bytes())
    photos = [
        str(SAMPLE_PHOTOGRAPHS / f"{name}.jpg")
        for name in ("coffee", "rocket", "chelsea", "astronaut")
    ]
    command = ["blind_sheets.py", "make", "--old", str(tmp_path / "old")]
    command += ["--new", str(tmp_path / "new"), "--paintings", str(tmp_path)]
    command += ["--key", str(tmp_path / "key.json"), "-o", str(tmp_path / "sheets")]
    monkeypatch.setattr("sys.argv", [*command, "--size", "64", "--seed", "1", *photos])
    assert blind.main() == 0
    key = json.loads((tmp_path / "key.json").read_text())
    assert {of["new"] for of in key.values()} == {"left", "right"}
    paint = Stylizer(STYLES / "evening.onnx")
    for photo in photos:
        name = f"evening_{Path(photo).stem}"
        expected = np.asarray(paint(open_photograph(Path(photo), 64)))
        sheet = np.asarray(Image.open(tmp_path / "sheets" / f"{name}.png"))
        height, width = expected.shape[:2]
        top = 2 * blind.GAP + blind.SMALL
        left = blind.GAP + (width + blind.GAP) * (key[name]["new"] == "right")
        assert np.array_equal(sheet[top : top + height, left : left + width], expected)


def test_blind_sheets_count_majorities(tmp_path: Path, monkeypatch, capsys):
    blind = script("blind_sheets")
    key = {f"s_{n}": {"style": "s", "new": side} for n, side in enumerate(("left", "right"))}
    (tmp_path / "key.json").write_text(json.dumps(key))
    judges = (
        "s_0 left\n\ns_1 left a grid\n",
        "s_1 right\ns_0 left\n",
        "s_0 right\ns_1 left blurred\n",
    )
    files = [tmp_path / f"{number}.txt" for number in range(3)]
    for file, said in zip(files, judges, strict=True):
        file.write_text(said)
    command = ["blind_sheets.py", "count", "--key", str(tmp_path / "key.json")]
    monkeypatch.setattr("sys.argv", [*command, *map(str, files)])
    assert blind.main() == 0
    assert capsys.readouterr().out.splitlines() == [
        "s: 1 of 2",
        "the new gallery wins 1 of 2 sheets",
        "s_1: 1 of 3: a grid; blurred",
    ]
    files[0].write_text("s_0 left\n")
    assert blind.main() == 2
    assert "says nothing of 1 sheets, as s_1" in capsys.readouterr().err
    files[0].write_text("s_0 both\n")
    assert blind.main() == 2
    assert "give SHEET left|right" in capsys.readouterr().err
    files[0].unlink()
    assert blind.main() == 2
    assert "cannot be read" in capsys.readouterr().err
    (tmp_path / "key.json").write_text("[]")
    assert blind.main() == 2
    assert "is no key of sheets" in capsys.readouterr().err
