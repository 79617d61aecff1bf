"""Where training starts, and what is remembered of it."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from fast_nst import Stylizer
from fast_nst.assets import LIVE_STYLES, REFERENCE_PHOTOGRAPHS, STARTS
from fast_nst.commands.main import main
from fast_nst.errors import UserError
from fast_nst.networks import build_network
from fast_nst.pictures.read import open_photograph
from fast_nst.training.checkpoints import read_checkpoint
from fast_nst.training.initialization import fingerprint, load_initialization
from fast_nst.training.models import read_model, to_onnx
from fast_nst.training.run import TrainResult
from fast_nst.training.settings import TrainConfig
from tests.conftest import inverting_model

pytestmark = pytest.mark.integration


def test_fingerprint_by_hand():
    state = {"b": torch.tensor([[1.0, -2.5]]), "a": torch.tensor(0.1)}
    assert fingerprint(state) == hashlib.sha256(struct.pack("<3f", 0.1, 1.0, -2.5)).hexdigest()


@pytest.mark.parametrize("network", STARTS)
def test_the_root_is_its_own_root_and_all_else_descends_from_it(network: str):
    photograph, base = (read_model(STARTS[network][name]) for name in ("photograph", "base"))
    root = fingerprint(photograph.network.state_dict())
    assert photograph.metadata["root"] == base.metadata["root"] == root
    assert fingerprint(base.network.state_dict()) != root


@pytest.mark.parametrize("network", STARTS)
def test_the_root_paints_a_photograph_of_the_photograph(network: str):
    stylize = Stylizer(STARTS[network]["photograph"], detail=0)
    photos = [np.asarray(open_photograph(path)) for path in REFERENCE_PHOTOGRAPHS]
    likeness = [np.corrcoef(stylize(photo).ravel(), photo.ravel())[0, 1] for photo in photos]
    assert np.mean(likeness) > 0.85  # not more: the norms lose each photograph's own contrast


@pytest.mark.parametrize("network", STARTS)
def test_names_and_their_defaults(network: str):
    assert load_initialization(TrainConfig(network=network)).name == "base"
    assert load_initialization(TrainConfig(network=network, init="average")).name == "base"
    assert load_initialization(TrainConfig(network="johnson")).name == "scratch"
    for name, path in STARTS[network].items():
        start = load_initialization(TrainConfig(network=network, init=name))
        expected = read_model(path)
        assert (start.name, start.identity_sha256) == (name, expected.metadata["root"])
        assert fingerprint(start.state) == fingerprint(expected.network.state_dict())
    scratch = load_initialization(TrainConfig(init="scratch"))
    assert (scratch.state, scratch.identity_sha256) == (None, "")


def test_files_are_starts_too(run: TrainResult):
    state = read_checkpoint(run.checkpoint).network.state_dict()
    rounded = {name: v.half().float() if v.ndim == 4 else v for name, v in state.items()}
    for path, weights in ((run.model, rounded), (run.checkpoint, state)):
        start = load_initialization(TrainConfig(init=str(path)))
        assert start.name == path.name
        assert fingerprint(start.state) == fingerprint(weights)
        assert start.identity_sha256 == read_model(STARTS["fine"]["photograph"]).metadata["root"]
        assert (start.recipe["steps"], start.recipe["start"]) == (6, "base")


def test_a_run_records_its_start(run: TrainResult):
    metadata = Stylizer(run.model).metadata
    assert metadata["root"] == read_model(STARTS["fine"]["photograph"]).metadata["root"]
    start = json.loads(metadata["start"])
    assert (start["name"], start["recipe"]) == ("base", {})
    assert json.loads(metadata["recipe"])["start"] == "base"


def test_a_second_part_remembers_the_first(run: TrainResult, photographs: Path, tmp_path: Path):
    command = f"train --init {run.model} --photos {photographs} --steps 1 --size 32 --precision 32"
    assert main([*command.split(), "--style-size", "32", "--out", str(tmp_path / "a")]) == 0
    resume = f"train --resume {tmp_path / 'a' / 'last.ckpt'} --steps 2 --out {tmp_path / 'b'}"
    assert main(resume.split()) == 0
    for name in ("a", "b"):
        metadata = Stylizer(tmp_path / name / "model.onnx").metadata
        assert metadata["root"] == read_model(run.model).metadata["root"]
        start = json.loads(metadata["start"])
        assert start == {
            "name": "model.onnx",
            "recipe": json.loads(Stylizer(run.model).metadata["recipe"]),
            "photographs": Stylizer(run.model).metadata["photographs"],
        }


def test_resuming_and_starting_contradict_each_other(run: TrainResult, capsys):
    command = f"train --resume {run.checkpoint} --steps 9 --start photograph"
    assert main(command.split()) == 2
    assert "--init photograph contradicts --resume" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("start", "word"),
    [
        ("bsae", "Did you mean 'base'"),
        ("MISSING.onnx", "no model"),
        ("MISSING.ckpt", "no checkpoint"),
        ("negative.onnx", "names no network"),
        ("johnson.onnx", "is of 'johnson', and network is 'fine'"),
    ],
)
def test_what_is_no_start_is_said(tmp_path: Path, monkeypatch, start: str, word: str):
    monkeypatch.chdir(tmp_path)
    Path("negative.onnx").write_bytes(inverting_model())
    if start == "johnson.onnx":
        johnson = build_network("johnson").eval()
        Path(start).write_bytes(to_onnx(johnson, {"network": "johnson"}))
    with pytest.raises(UserError, match=word):
        load_initialization(TrainConfig(init=start))
    if start == "johnson.onnx":
        assert load_initialization(TrainConfig(init=start, network="johnson")).state is not None


def test_a_models_name_is_a_start_whatever_lies_there(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("udnie_fast").mkdir()
    own = Path("runs", "dusk.v2", "model.onnx")
    own.parent.mkdir(parents=True)
    own.write_bytes((LIVE_STYLES / "evening_fast.onnx").read_bytes())
    for name in ("udnie_fast", "dusk.v2"):
        start = load_initialization(TrainConfig(init=name, network="fast"))
        assert start.name == name
        assert start.state is not None
    Path("weights.pt").touch()
    with pytest.raises(UserError, match=r"unknown init 'weights.pt'.* write \./weights.pt$"):
        load_initialization(TrainConfig(init="weights.pt"))
