"""Several devices and machines: real processes over gloo, started from the command."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fast_nst.training.checkpoints import read_checkpoint
from tests.training.test_run import weights_of


@pytest.mark.slow
def test_two_processes_train_what_one_does_with_twice_the_batch(photographs: Path, tmp_path: Path):
    """Two real processes over gloo, started by Lightning from the command."""
    common = f"--photos {photographs} --steps 3 --size 32 --style-size 32 --precision 32"
    # In a trained network more biases are without effect than those left out below.
    common += " --network fast --start scratch"
    common += " --accelerator cpu --style-layers relu1_1,relu2_1 --content-layers relu2_1"
    for name, flags in (
        ("one", "--batch-size 4 --devices 1"),
        ("two", "--batch-size 2 --devices 2 --strategy ddp"),
    ):
        command = [sys.executable, "-m", "fast_nst.commands.main", "train", *common.split()]
        command += [*flags.split(), "--out", str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Wrote to") == 1  # the second process is silent
    one, two = (weights_of(tmp_path / name / "last.ckpt") for name in ("one", "two"))
    for key, value in one.items():
        # A norm takes away what the bias before it adds: its gradient is rounding, Adam's food.
        if not key.endswith(("down2.bias", "conv1.bias")):
            torch.testing.assert_close(two[key], value, rtol=0, atol=2e-4, msg=key)


def _command(arguments: str, **environment: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fast_nst.commands.main", "train", *arguments.split()]
    settings = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=settings, stdout=pipe, stderr=pipe, text=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


_DISTRIBUTED = "--steps 12 --size 32 --style-size 32 --precision 32 --accelerator cpu"
_DISTRIBUTED += (
    " --network fast --start scratch --style-layers relu1_1,relu2_1 --content-layers relu2_1"
)


@pytest.mark.slow
def test_two_machines_train_one_model(photographs: Path, tmp_path: Path):
    """As the README says: the same command on each, which differ in what they are told of it."""
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": _free_port()}
    arguments = f"{_DISTRIBUTED} --photos {photographs} --num-nodes 2 --devices 1 --strategy ddp"
    arguments += f" --batch-size 2 --out {tmp_path / 'two'}"
    machines = [_command(arguments, **shared, NODE_RANK=rank) for rank in (0, 1)]
    said = [machine.communicate(timeout=300) for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], said
    assert "Wrote to" in said[0][0]
    assert "Wrote to" not in said[1][0]
    assert read_checkpoint(tmp_path / "two" / "best.ckpt").config.num_nodes == 2
    one = _command(f"{_DISTRIBUTED} --photos {photographs} --batch-size 4 --out {tmp_path / 'one'}")
    one.communicate(timeout=300)
    assert one.returncode == 0
    weights, other = (weights_of(tmp_path / name / "last.ckpt") for name in ("one", "two"))
    for key, value in weights.items():
        if not key.endswith(("down2.bias", "conv1.bias")):  # see above
            torch.testing.assert_close(other[key], value, rtol=0, atol=2e-3, msg=key)


@pytest.mark.slow
def test_processes_diverge_and_go_on_together(photographs: Path, tmp_path: Path):
    """A learning rate that no run survives: both halve it, twice, and both stop."""
    run = _command(
        f"{_DISTRIBUTED} --photos {photographs} --devices 2 --strategy ddp --lr 1e30"
        f" --out {tmp_path / 'run'}"
    )
    out, err = run.communicate(timeout=300)
    assert run.returncode == 2, err
    assert err.count("going on from") == 2
    assert "halved 2 times: training stopped" in err
    assert "Wrote to" not in out
