"""Checkpoints are found, read and continued."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import torch

from fast_nst.commands import progress
from fast_nst.commands.main import main
from fast_nst.errors import UserError
from fast_nst.training.checkpoints import find_checkpoint
from fast_nst.training.plan import resolve
from fast_nst.training.run import TrainResult, fit
from fast_nst.training.settings import TrainConfig


def test_the_last_run_of_a_style_is_found(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(("wave", "wave-2", "wavelet", "other")):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "last.ckpt").touch()
        os.utime(folder / "last.ckpt", (i, i))
    assert find_checkpoint("last", "wave.jpg", None) == Path("runs/wave-2/last.ckpt")
    newest = max(Path("runs").glob("*/last.ckpt"), key=lambda path: path.stat().st_mtime)
    assert find_checkpoint("last", None, None) == newest
    assert find_checkpoint("last", "wave.jpg", "runs/other") == Path("runs/other/last.ckpt")
    assert find_checkpoint("x.ckpt", None, None) == Path("x.ckpt")
    with pytest.raises(UserError, match="nothing to resume"):
        find_checkpoint("last", "sea.jpg", None)


def test_settings_given_beat_those_of_the_checkpoint(run: TrainResult, tmp_path: Path):
    asked = {"resume": str(run.checkpoint), "steps": 9, "style_weight": 2.0}
    config = resolve(asked).config
    assert (config.steps, config.style_weight) == (9, 2.0)
    assert (config.size, config.batch_size, config.title) == (48, 2, "Tiny")  # its own
    assert config.out == str(run.folder)
    assert resolve({**asked, "out": str(tmp_path)}).config.out == str(tmp_path)
    default = TrainConfig().size
    assert resolve({**asked, "size": default}).config.size == default != config.size
    assert resolve(TrainConfig(**asked)).config == config
    fresh = TrainConfig(steps=3)
    assert resolve(fresh).config == fresh


def test_what_contradicts_the_checkpoint_is_refused(run: TrainResult):
    with pytest.raises(UserError, match="network johnson contradicts resume"):
        resolve(TrainConfig(resume=str(run.checkpoint), network="johnson", steps=9))
    with pytest.raises(UserError, match="has completed step 6, its last: raise steps"):
        resolve(TrainConfig(resume=str(run.checkpoint)))


def test_the_command_resumes_as_python_does(
    run: TrainResult, tmp_path: Path, capfd, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)  # where there is no terminal: each step
    out = tmp_path / "longer"
    resume = ["train", "--resume", str(run.checkpoint), "--out", str(out)]
    assert main(resume) == 2
    assert "raise --steps to train on" in capfd.readouterr().err
    assert main([*resume, "--steps", "7"]) == 0
    printed = capfd.readouterr().err
    python = fit(TrainConfig(resume=str(run.checkpoint), out=str(tmp_path / "python"), steps=7))
    one, other = (
        torch.load(path, weights_only=True)["state_dict"]
        for path in (out / "last.ckpt", python.checkpoint)
    )
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    shown = re.findall(r"(\d+)/(\d+) \[", printed)  # the bar starts where the run was
    assert shown[0] == ("7", "7")


def test_a_checkpoint_of_an_earlier_version_resumes(run: TrainResult, tmp_path: Path):
    """Without the settings and records that came later."""
    old = torch.load(run.checkpoint, weights_only=True)
    for name in ("vgg_scales", "style_sha256"):
        del old["fast_nst"][name]
    del old["fast_nst"]["config"]["trainer"]
    torch.save(old, tmp_path / "old.ckpt")
    assert resolve({"resume": str(tmp_path / "old.ckpt"), "steps": 9}).config.trainer == {}
