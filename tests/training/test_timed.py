"""Cycles by the clock: what counts as time, and what the learning rate does in it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from fast_nst.training import timed
from fast_nst.training.data import Batch, Photographs
from fast_nst.training.module import TrainingDiverged, one_cycle


class Time:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Time:
    found = Time()
    monkeypatch.setattr("fast_nst.training.timed.time", found)
    return found


def test_pauses_are_no_time(clock: Time):
    worked = timed.Clock(10.0)
    for took in (1.0, 1.5, 0.5, 3600.0, 1.0):
        clock.now += took
        worked.tick()
    assert worked.worked == 10.0 + 1.0 + 1.5 + 0.5 + 1.0 + 1.0


def test_steps_that_vary_all_count(clock: Time):
    worked = timed.Clock()
    for took in (0.1, 0.9, 0.1, 0.8, 1.9):
        clock.now += took
        worked.tick()
    assert worked.worked == pytest.approx(3.8)


def batch(*_: object) -> Batch:
    return Batch(torch.full((1, 3, 4, 4), 0.5), torch.zeros(1, 1, 4, 4))


class Scale(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(1.0))


def cycle(clock: Time, seconds: float, network: Scale, **options: object) -> timed.Progress:
    def loss(photographs: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        clock.now += 1.0
        return (network.factor * photographs - 1).square().mean() + noise.sum()

    batches = iter(batch, None)
    return timed.train_for(network, batches, loss, seconds, 0.1, precision="32", **options)


def test_a_cycle_takes_its_time_and_no_longer(clock: Time):
    network = Scale()
    done = cycle(clock, 60, network)
    assert (done.step, done.worked) == (60, 60.0)
    assert network.factor.item() == pytest.approx(2, abs=0.1)
    assert not network.training


def test_the_learning_rate_follows_the_clock(clock: Time):
    rates = []

    def each(progress: timed.Progress, loss: float) -> None:
        rates.append(progress.optimizer["param_groups"][0]["lr"])

    cycle(clock, 40, Scale(), on_progress=each)
    expected = [0.1 * one_cycle(round(n / 40 * 10_000), 10_000) for n in range(40)]
    assert rates == pytest.approx(expected)


def test_a_cycle_that_was_interrupted_ends_as_one_that_was_not(clock: Time):
    whole, parts = Scale(), Scale()
    cycle(clock, 30, whole)
    first = cycle(clock, 30, parts, on_progress=lambda at, _: at.step == 12)
    assert first.step == 12
    second = cycle(clock, 30, parts, progress=first)
    assert second.step == 30
    assert torch.equal(whole.factor, parts.factor)


def test_a_loss_that_is_no_number_ends_it_before_the_weights(clock: Time):
    network = Scale()
    batches = iter([batch()])
    with pytest.raises(TrainingDiverged, match="the loss is nan at step 0"):
        timed.train_for(
            network,
            batches,
            lambda x, _: (network.factor * x).sum() * math.nan,
            9,
            0.1,
            precision="32",
        )
    assert network.factor.item() == 1


def test_crops_go_on_at_a_step(photographs: Path):
    source = Photographs(photographs, 32, 2, 100)
    device = torch.device("cpu")
    stream = timed.crops(source, device, 0)
    found = [next(stream) for _ in range(4)]
    assert found[0].photographs.shape == (2, 3, 32, 32)
    assert 0 <= found[0].photographs.min() < found[0].photographs.max() <= 1
    later = next(timed.crops(source, device, 3))
    assert torch.equal(later.photographs, found[3].photographs)
    assert torch.equal(later.noise, found[3].noise)
