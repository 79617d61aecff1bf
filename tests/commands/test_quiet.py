"""--quiet of the commands that train: warnings and errors only."""

from __future__ import annotations

from pathlib import Path

import pytest

from fast_nst.commands.main import main
from fast_nst.training.run import TrainResult


@pytest.mark.slow
def test_quiet_training_prints_warnings_only(photographs: Path, tmp_path: Path, capsys):
    out = tmp_path / "run"
    command = f"train -q --photos {photographs} --out {out} --steps 3 --size 32 --style-size 32"
    assert main(command.split()) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert "2 photographs skipped" in lines
    known = ("skipped, cannot be read: ", "2 photographs skipped", "WARNING: ", "note: ")
    assert all(line.startswith(known) for line in lines)


def test_quiet_export(run: TrainResult, tmp_path: Path, capsys):
    target = tmp_path / "model.onnx"
    assert main(["export", "-q", str(run.checkpoint), "-o", str(target)]) == 0
    printed = capsys.readouterr()
    assert target.exists()
    assert printed.out == ""
    assert all(line.startswith("WARNING: ") for line in printed.err.splitlines())
