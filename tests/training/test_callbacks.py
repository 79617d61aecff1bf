"""A checkpoint is whole or not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from fast_nst.commands.main import main
from fast_nst.training.callbacks import AtomicCheckpoints
from fast_nst.training.run import TrainResult


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(tmp_path: Path):
    target = tmp_path / "last.ckpt"
    checkpoints = AtomicCheckpoints()
    checkpoints.save_checkpoint({"step": 1}, target)
    with pytest.raises(Exception, match="pickle"):
        checkpoints.save_checkpoint({"step": 2, "broken": lambda: None}, target)
    assert torch.load(target, weights_only=True) == {"step": 1}
    assert list(tmp_path.iterdir()) == [target]


def test_the_bar_of_a_resumed_run_starts_where_the_run_does(
    run: TrainResult, photographs: Path, tmp_path: Path, capfd
):
    flags = ["--photos", photographs, "--out", tmp_path / "longer", "--steps", 9]
    assert main(["train", "--resume", str(run.checkpoint), *map(str, flags)]) == 0
    printed = capfd.readouterr()
    shown = re.findall(r"(\d+)/(\d+) \[", printed.out + printed.err)
    assert {total for _, total in shown} == {"9"}
    assert [int(done) for done, _ in shown] == sorted(int(done) for done, _ in shown)
    assert int(shown[0][0]) >= 6
    assert shown[-1] == ("9", "9")
