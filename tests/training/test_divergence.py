"""A loss that explodes: back to what was good, at half the learning rate, twice."""

from __future__ import annotations

import math
from pathlib import Path

import lightning as L
import pytest
import torch

from fast_nst.training.checkpoints import BEST, CHECKPOINT, read_checkpoint
from fast_nst.training.divergence import last_good_checkpoint
from fast_nst.training.module import TrainingDiverged, one_cycle
from fast_nst.training.run import fit
from fast_nst.training.settings import TrainConfig

TINY = {"steps": 40, "size": 32, "style_size": 32, "precision": "32"}
SHALLOW = {
    "network": "fast",
    "style_layers": ["relu1_1", "relu2_1"],
    "content_layers": ["relu2_1"],
}


class Poison(L.Callback):
    """Breaks the network, or the loss, after some step, each time it comes, so many times."""

    def __init__(self, step: int, times: int, spike: bool = False) -> None:
        self.step, self.times, self.spike = step, times, spike
        self.rates: dict[int, float] = {}
        self.begun: list[int] = []

    def on_train_start(self, trainer, module) -> None:
        self.begun.append(trainer.global_step)
        module.loss.style.weight = 6.0

    def on_train_batch_end(self, trainer, module, *_) -> None:
        self.rates[trainer.global_step - 1] = trainer.optimizers[0].param_groups[0]["lr"]
        if trainer.global_step == self.step and self.times:
            self.times -= 1
            if self.spike:
                module.loss.style.weight = 600.0
            else:
                torch.nn.init.constant_(module.network.up2.bias, math.nan)


def settings(photographs: Path, out: Path) -> TrainConfig:
    return TrainConfig(**TINY, **SHALLOW, photos=str(photographs), out=str(out))


@pytest.mark.parametrize("spike", [False, True])
def test_once_is_survived_with_half_the_learning_rate(
    photographs: Path, tmp_path: Path, spike: bool
):
    said: list[str] = []
    poison = Poison(18, 1, spike)
    fitted = fit(settings(photographs, tmp_path), {"callbacks": [poison]}, log=said.append)
    assert fitted.steps == 40
    assert poison.begun == [0, 16]
    assert poison.rates[10] == pytest.approx(3e-3 * one_cycle(10, 40))
    assert poison.rates[30] == pytest.approx(1.5e-3 * one_cycle(30, 40))
    assert len(said) == 1
    assert f": going on from {str(tmp_path / CHECKPOINT)!r} with --lr 0.0015, half" in said[0]
    assert ("over 10 times its median" if spike else "the loss is nan at step 18") in said[0]
    checkpoint = read_checkpoint(fitted.checkpoint)
    assert checkpoint.recoveries == 1
    assert all(torch.isfinite(value).all() for value in checkpoint.network.state_dict().values())


def test_the_third_time_stops_says_what_to_lower_and_leaves_what_was_good(
    photographs: Path, tmp_path: Path
):
    said: list[str] = []
    poison = Poison(18, 3)
    with pytest.raises(
        TrainingDiverged,
        match=r"at step 18 with the learning rate halved 2 times: training stopped, .* is from "
        r"before\. Lower lr \(it was 0.00075\), or style_weight",
    ):
        fit(settings(photographs, tmp_path), {"callbacks": [poison]}, log=said.append)
    assert poison.begun == [0, 16, 16]
    assert len(said) == 2
    checkpoint = read_checkpoint(tmp_path / CHECKPOINT)
    assert all(torch.isfinite(value).all() for value in checkpoint.network.state_dict().values())
    assert not (tmp_path / "model.onnx").exists()


def test_a_resumed_run_keeps_its_halvings_unless_it_is_given_a_learning_rate(
    photographs: Path, tmp_path: Path
):
    fit(settings(photographs, tmp_path / "a"), {"callbacks": [Poison(18, 1)]})
    last = tmp_path / "a" / CHECKPOINT
    for lr, out, recoveries in ((None, "b", 1), (3e-3, "c", 1), (2e-3, "d", 0)):
        given = {} if lr is None else {"lr": lr}
        config = TrainConfig(resume=str(last), out=str(tmp_path / out), steps=42, **given)
        assert read_checkpoint(fit(config).checkpoint).recoveries == recoveries


def test_before_the_first_checkpoint_it_begins_again(photographs: Path, tmp_path: Path):
    said: list[str] = []
    poison = Poison(2, 1)
    fitted = fit(settings(photographs, tmp_path), {"callbacks": [poison]}, log=said.append)
    assert poison.begun == [0, 0]
    assert "going on from the start" in said[0]
    assert read_checkpoint(fitted.checkpoint).recoveries == 1


def test_nothing_saved_is_said(photographs: Path, tmp_path: Path):
    class PoisonAtOnce(L.Callback):
        def on_train_start(self, trainer, module) -> None:
            torch.nn.init.constant_(module.network.up2.bias, float("nan"))

    with pytest.raises(TrainingDiverged, match=r"at step 0 with .* stopped, nothing was saved"):
        fit(settings(photographs, tmp_path), {"callbacks": [PoisonAtOnce()]})
    assert not (tmp_path / CHECKPOINT).exists()


def test_a_checkpoint_that_no_step_has_tried_is_not_trusted(photographs: Path, tmp_path: Path):
    fit(settings(photographs, tmp_path), on_progress=lambda step, *_: step == 8)
    last, best = tmp_path / CHECKPOINT, tmp_path / BEST
    assert read_checkpoint(last).step == read_checkpoint(best).step == 8
    assert last_good_checkpoint(tmp_path, 9) in (last, best)
    assert last_good_checkpoint(tmp_path, 8) == best  # it was judged
    best.unlink()
    assert last_good_checkpoint(tmp_path, 9) == last
    assert last_good_checkpoint(tmp_path, 8) is None
