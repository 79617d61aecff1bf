"""A run is never lost: kills, full disks, photographs that go away."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fast_nst.commands.main import main
from fast_nst.errors import UserError
from fast_nst.training.checkpoints import BEST, CHECKPOINT, read_checkpoint
from fast_nst.training.run import fit, train
from fast_nst.training.saving import AtomicCheckpoints, Checkpoints, TensorBoardLogs
from fast_nst.training.settings import TrainConfig
from tests.conftest import noise

pytestmark = pytest.mark.integration

TINY = {"steps": 40, "size": 32, "style_size": 32, "precision": "32"}
SHALLOW = {
    "network": "fast",
    "style_layers": ["relu1_1", "relu2_1"],
    "content_layers": ["relu2_1"],
}


def settings(photographs: Path, out: Path, **others) -> TrainConfig:
    return TrainConfig(**{**TINY, **SHALLOW, **others}, photos=str(photographs), out=str(out))


def saved(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def best_of(path: Path) -> float:
    """The validation loss that a checkpoint knows as the lowest."""
    return saved(path)["callbacks"]["Checkpoints"]["best"]


def logged(folder: Path, tag: str) -> dict[int, set[float]]:
    """Step -> what was logged of it, by all the runs that logged into the folder."""
    log = EventAccumulator(str(folder / "tensorboard"), {"scalars": 0})
    log.Reload()
    found: dict[int, set[float]] = {}
    for event in log.Scalars(tag):
        found.setdefault(event.step, set()).add(event.value)
    return found


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(tmp_path: Path):
    target = tmp_path / "last.ckpt"
    checkpoints = AtomicCheckpoints()
    checkpoints.save_checkpoint({"step": 1}, target)
    with pytest.raises(Exception, match="pickle"):
        checkpoints.save_checkpoint({"step": 2, "broken": lambda: None}, target)
    assert saved(target) == {"step": 1}
    assert list(tmp_path.iterdir()) == [target]


KILLED = """
import os, signal, sys
from fast_nst.training.run import fit
from fast_nst.training.settings import TrainConfig

def each(step, steps, loss):
    if step == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

fit(TrainConfig(photos=sys.argv[1], out=sys.argv[2], steps=40, size=32, style_size=32,
    precision="32", network="fast", style_layers=["relu1_1", "relu2_1"],
    content_layers=["relu2_1"]), on_progress=each)
"""


@pytest.mark.slow
def test_forty_steps_are_twenty_and_a_kill_and_a_resume(photographs: Path, tmp_path: Path):
    """To the bit: weights, Adam's moments, every logged loss."""
    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    fit(settings(photographs, straight))
    child = [sys.executable, "-c", KILLED, str(photographs), str(resumed), "22"]
    assert subprocess.run(child, capture_output=True).returncode == -signal.SIGKILL
    assert read_checkpoint(resumed / CHECKPOINT).step == 20
    assert main(["train", "--resume", "last", "--out", str(resumed)]) == 0
    one, other = saved(straight / CHECKPOINT), saved(resumed / CHECKPOINT)
    assert one["global_step"] == other["global_step"] == 40
    for key, value in one["state_dict"].items():
        assert torch.equal(value, other["state_dict"][key])
    (adam,), (adam_too,) = one["optimizer_states"], other["optimizer_states"]
    for number, moments in adam["state"].items():
        for name, value in moments.items():
            assert torch.equal(value, adam_too["state"][number][name])
    assert one["fast_nst"]["recent_losses"] == other["fast_nst"]["recent_losses"]
    for tag in ("train/total", "train/style", "train/lr", "val/total"):
        assert logged(straight, tag) == logged(resumed, tag)
    assert len(logged(straight, "train/total")) == 40
    assert len(logged(straight, "val/total")) == 10
    best = [read_checkpoint(folder / BEST) for folder in (straight, resumed)]
    assert best[0].step == best[1].step


def test_the_best_checkpoint_by_validation_loss_is_the_one_exported(
    photographs: Path, tmp_path: Path
):
    """With a learning rate that ruins it in the end."""

    def restless(step: int, *_: object) -> bool:
        return step == 25

    run = train(settings(photographs, tmp_path / "run", lr=0.03), on_progress=restless)
    validation = {step: min(values) for step, values in logged(run.folder, "val/total").items()}
    lowest = min(validation, key=lambda step: validation[step])
    assert run.best == run.folder / BEST
    assert read_checkpoint(run.checkpoint).step == 25
    assert read_checkpoint(run.best).step == lowest + 1  # Lightning logs it under the step before
    assert best_of(run.best) == validation[lowest]
    assert len(validation) == 7  # six on the way, and the end


def test_the_end_of_a_run_is_judged_too(photographs: Path, tmp_path: Path):
    fitted = fit(settings(photographs, tmp_path / "run", steps=23))
    validation = logged(fitted.folder, "val/total")
    assert max(validation) == 23
    best = min(validation, key=lambda step: min(validation[step]))
    assert best == 23
    assert read_checkpoint(fitted.best).step == 23
    assert {best_of(fitted.best)} == validation[23]
    assert fitted.validation_loss == best_of(fitted.best)


def test_a_best_that_was_judged_otherwise_is_forgotten(photographs: Path, tmp_path: Path):
    fit(settings(photographs, tmp_path / "run", steps=4))
    state = saved(tmp_path / "run" / CHECKPOINT)["callbacks"]["Checkpoints"]
    same = Checkpoints(tmp_path / "run", 1, state["judged_by"])
    same.load_state_dict({**state, "best": 99.0})  # `last.ckpt` may be older than the best one
    assert same.best == best_of(tmp_path / "run" / BEST) < 10
    for folder, validated_with in (
        ("run", {**state["judged_by"], "style_weight": 3.0}),
        ("other", state["judged_by"]),
    ):
        other = Checkpoints(tmp_path / folder, 1, validated_with)
        other.load_state_dict(state)
        assert other.best is None
    # With a heavier loss nothing would ever be better than what the lighter one judged.
    resumed = TrainConfig(resume=str(tmp_path / "run" / CHECKPOINT), steps=6, style_weight=60.0)
    assert read_checkpoint(fit(resumed).best).step > 4


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_time_saves_between_the_steps_that_do(tmp_path: Path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr("fast_nst.training.saving.time", clock)
    written: list[int] = []
    trainer = SimpleNamespace(
        global_step=0,
        world_size=1,
        loggers=[],
        save_checkpoint=lambda path: written.append(trainer.global_step),
    )
    checkpoints = Checkpoints(tmp_path, 100, {})
    checkpoints.on_train_start(trainer, None)
    for step in range(1, 202):
        clock.now += 50
        trainer.global_step = step
        checkpoints.on_train_batch_end(trainer, None, None, None, 0)
        checkpoints.on_train_batch_end(trainer, None, None, None, 0)  # half of the next step
    assert written[:4] == [3, 6, 9, 12]
    assert 100 in written  # also on steps, and the clock starts anew
    assert 103 in written
    assert len(written) == len(set(written))


@pytest.fixture
def full_disk(monkeypatch) -> Iterator[set[str]]:
    """Names of checkpoints for which there is no room."""
    full: set[str] = set()
    write = TorchCheckpointIO.save_checkpoint

    def save(self, checkpoint, path, storage_options=None) -> None:
        if any(name in Path(path).name for name in full):
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, checkpoint, path, storage_options)

    monkeypatch.setattr(TorchCheckpointIO, "save_checkpoint", save)
    return full


def test_a_disk_that_is_full_for_a_while_costs_nothing(
    photographs: Path, tmp_path: Path, full_disk: set[str]
):
    said: list[str] = []

    def each(step: int, *_: object) -> None:
        full_disk.clear()
        if 8 <= step <= 30:
            full_disk.add("last.ckpt")

    fitted = fit(settings(photographs, tmp_path / "run"), on_progress=each, log=said.append)
    assert [line for line in said if "cannot save" in line] == [
        f"cannot save {str(tmp_path / 'run' / 'last.ckpt')!r}: No space left on device; "
        "training goes on, and tries again"
    ]
    assert fitted.steps == read_checkpoint(fitted.checkpoint).step == 40
    assert not list(fitted.folder.glob(".*.part"))


@pytest.mark.parametrize("stop", [25, 23])  # at a validation, and between two
def test_a_best_that_finds_no_room_is_not_taken_for_saved(
    photographs: Path, tmp_path: Path, full_disk: set[str], stop: int
):
    def each(step: int, *_: object) -> bool:
        if step > 9:
            full_disk.add("best.ckpt")
        return step == stop

    fitted = fit(settings(photographs, tmp_path / "run"), on_progress=each)
    step = read_checkpoint(fitted.best).step
    assert fitted.best.name == BEST
    assert step <= 8
    assert fitted.validation_loss == best_of(fitted.best)
    assert {fitted.validation_loss} == logged(fitted.folder, "val/total")[step - 1]


def test_a_disk_that_stays_full_is_an_error_and_leaves_what_was(
    photographs: Path, tmp_path: Path, full_disk: set[str]
):
    def each(step: int, *_: object) -> None:
        if step > 30:
            full_disk.add("last.ckpt")

    with pytest.raises(UserError, match=r"No space left.*is from before\. Make room, then resum"):
        fit(settings(photographs, tmp_path / "run"), on_progress=each)
    full_disk.clear()
    assert read_checkpoint(tmp_path / "run" / CHECKPOINT).step == 28  # 4, 8, ... and after a step
    resumed = fit(TrainConfig(resume="last", out=str(tmp_path / "run")))
    assert resumed.steps == 40


def test_logs_that_cannot_be_written_end_and_training_does_not(
    photographs: Path, tmp_path: Path, monkeypatch
):
    said: list[str] = []
    written: list[int] = []

    class Full:
        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append(step)
            if step > 9:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        add_image = add_scalar

        def flush(self) -> None:
            pass

        close = flush

    monkeypatch.setattr(TensorBoardLogs, "experiment", Full())
    fitted = fit(settings(photographs, tmp_path / "run"), log=said.append)
    assert fitted.steps == 40
    assert max(written) == 10  # and never again
    assert [line for line in said if "logs end here" in line] == said
    assert "No space left on device" in said[0]


def many(folder: Path) -> Path:
    folder.mkdir()
    for i in range(5):
        Image.fromarray(noise(60, 70, seed=i)).save(folder / f"{i}.png")
    return folder


def test_a_photograph_that_is_deleted_on_the_way_is_passed_over(tmp_path: Path):
    photos = many(tmp_path / "photos")

    def each(step: int, *_: object) -> None:
        if step == 5:
            (photos / "0.png").unlink()  # held out
            (photos / "3.png").unlink()

    result = train(settings(photos, tmp_path / "run", steps=12), on_progress=each)
    assert result.steps == 12
    assert result.unreadable == [str(photos / "3.png")]
    assert result.model.is_file()
    assert result.preview.is_file()


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_when_all_photographs_are_gone_the_run_is_kept(tmp_path: Path, workers: int):
    photos = many(tmp_path / "photos")
    fit(settings(photos, tmp_path / "straight", steps=12))
    kept = {path: path.read_bytes() for path in photos.iterdir()}

    def each(step: int, *_: object) -> None:
        if step == 5:
            for path in kept:
                path.unlink()

    out = tmp_path / "run"
    with pytest.raises(UserError, match=r"^none of the 4 .* put them back, then resume the run$"):
        fit(settings(photos, out, steps=12, workers=workers), on_progress=each)
    for path, data in kept.items():
        path.write_bytes(data)
    step = read_checkpoint(out / CHECKPOINT).step
    assert step in range(5, 10)  # batches are read ahead
    fit(TrainConfig(resume="last", out=str(out)))
    one, other = (saved(f / CHECKPOINT)["state_dict"] for f in (tmp_path / "straight", out))
    assert all(torch.equal(value, other[key]) for key, value in one.items())
