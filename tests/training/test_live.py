"""Trainings that end after minutes, paint a photograph meanwhile, and report as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fast_nst.commands.main import main
from fast_nst.pictures.read import open_photograph
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training.checkpoints import read_checkpoint
from tests.conftest import pixels

pytestmark = pytest.mark.integration
TINY = "--size 48 --style-size 64 --precision 32 --trainer.logger false"


@pytest.mark.slow
def test_minutes_live_and_json(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    photo, out = tmp_path / "photo.png", tmp_path / "run"
    open_photograph(Path("fast_nst/assets/photos/coffee.jpg"), 700).save(photo)
    flags = f"{TINY} --photos {photographs} --live {photo} --out {out} --json"
    # Without validation the last step is exported, which the last live painting shows.
    flags += " --minutes 0.03 --steps 100000 --trainer.limit_val_batches 0"
    assert main(["train", *flags.split()]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    *steps, exporting, done = events
    assert {event["state"] for event in steps} == {"training"}
    assert (exporting["state"], exporting["left"]) == ("exporting", 0)
    assert done["state"] == "done"
    assert done["model"] == str(out / "model.onnx")
    assert done["style"] == "sample_style"
    assert 0 < done["steps"] == exporting["step"] < 1000
    assert exporting["seconds"] >= 1.8
    assert exporting["paintings"] >= 2
    for event in steps:  # the time is further than the steps are
        assert event["left"] == pytest.approx(max(1.8 - event["seconds"], 0), abs=0.01)
    assert read_checkpoint(out / "last.ckpt").config.minutes == 0.03
    live = pixels(out / "live.jpg")
    assert max(live.shape) == 512
    small = open_photograph(photo, 512)
    Stylizer(out / "model.onnx")(small).save(tmp_path / "expected.jpg", quality=90, subsampling=0)
    assert np.abs(live.astype(float) - pixels(tmp_path / "expected.jpg")).mean() < 0.5


def test_json_reports_why_a_training_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    small = tmp_path / "small.png"
    Image.new("RGB", (8, 8)).save(small)
    assert main(["train", "--style", str(small), "--json", "--out", str(tmp_path / "run")]) == 2
    event = json.loads(capsys.readouterr().out)
    assert event["state"] == "failed"
    assert "is 8x8" in event["error"]


def test_live_and_json_are_for_one_style(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["train", "--style", "a.jpg", "b.jpg", "--json"]) == 2
    assert "give one style" in capsys.readouterr().err
    assert main(["train", "--live", str(tmp_path / "none.jpg")]) == 2
    assert "none.jpg" in capsys.readouterr().err
    assert main(["train", "--minutes", "0"]) == 2
    assert "--minutes is 0: it must be a number above 0" in capsys.readouterr().err
