"""Steps and crop that follow from a time, and runs by minutes that can be repeated."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
import torch
import yaml

from fast_nst.losses import build_loss
from fast_nst.training import budget, run
from fast_nst.training.budget import fit_minutes, minutes_of, plan_steps, time_steps
from fast_nst.training.data import Photographs
from fast_nst.training.module import StyleTransfer, is_late
from fast_nst.training.plan import Plan, resolve
from fast_nst.training.settings import TrainConfig
from tests.training.test_run import SHALLOW, same, weights_of

TINY = {**SHALLOW, "size": 32, "style_size": 32, "precision": "32"}
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("seconds", "minutes", "given", "expected"),
    [
        (0.25, 3, {}, (648, 224)),  # 162 of the 180 seconds
        (0.5, 3, {}, (324, 224)),
        (0.86, 3, {}, (188, 224)),  # two cores with AVX2
        (1.2, 3, {}, (156, 208)),
        (2.0, 3, {}, (158, 160)),  # 81 * (224/160)^2
        (8.0, 3, {}, (100, 160)),  # the least
        (1.0, 10, {"size": 112}, (2160, 112)),  # a quarter of the arithmetic
        (1.0, 10, {"size": 448}, (135, 448)),
        (1.0, 10, {"steps": 539}, (539, 224)),
        (1.0, 10, {"steps": 1058}, (1058, 160)),
        (1.0, 10, {"steps": 9000}, (9000, 160)),
    ],
)
def test_more_steps_then_larger_crops_then_more_steps(
    seconds: float, minutes: float, given: dict[str, int], expected: tuple[int, int]
):
    assert plan_steps(seconds, minutes, **given) == expected


def test_a_plan_fits_its_time_and_uses_it():
    for seconds in (0.02, 0.2, 0.4, 0.6, 0.8, 1.0, 2.0):
        steps, size = plan_steps(seconds, 3)
        assert size % 16 == 0
        assert 0.89 * 3 < minutes_of(steps, size, seconds) <= 0.9 * 3 + 1e-9


@pytest.mark.parametrize(
    ("given", "is_timed"),
    [
        ({}, True),
        ({"size": 64}, True),
        ({"steps": 600}, False),
        ({"minutes": 3.0}, True),
        ({"minutes": 3.0, "steps": 600}, True),
        ({"minutes": 3.0, "size": 224}, True),
        ({"minutes": 3.0, "steps": 600, "size": 224}, False),
    ],
)
def test_what_is_given_stays(given: dict[str, float], is_timed: bool):
    assert resolve(given).is_timed == is_timed


def test_without_flags_the_defaults_are_taken_where_they_fit_into_three_minutes():
    config = TrainConfig()
    assert fit_minutes(Plan(config), config, 0.27) == (config, "")
    planned, line = fit_minutes(Plan(config), config, 1.0)
    assert (planned.steps, planned.size, planned.minutes) == (162, 224, None)
    assert line == "162 steps of 224 px, about 2.7 minutes here; --steps 600 takes about 10"
    small = TrainConfig(size=112)
    planned, _ = fit_minutes(Plan(small, given=frozenset({"size"})), small, 0.5)
    assert (planned.steps, planned.size) == (324, 112)


def test_too_few_minutes_are_said_before_they_begin():
    config = TrainConfig(minutes=0.5)
    planned, line = fit_minutes(Plan(config, given=frozenset({"minutes"})), config, 1.0)
    assert (planned.steps, planned.size) == (100, 160)
    assert "about 0.9 minutes here; the run ends after 0.5, with fewer steps" in line


def test_a_run_is_late_when_it_would_end_a_third_after_its_time():
    shares = [n / 100 for n in range(101)]
    assert not any(is_late(share, 1.3 * share) for share in shares)
    assert is_late(0.2, 0.4)
    assert not is_late(0.0, 0.05)  # the first step may take longer
    assert is_late(0.0, 0.06)


def test_steps_are_timed_after_a_warm_up(photographs: Path):
    config = TrainConfig(**TINY)
    probe = StyleTransfer(config, build_loss(config, torch.rand(1, 3, 32, 32)))
    data = Photographs(photographs, size=32, batch_size=1, steps=100)
    for took, calls in (
        ([30.0, 2.0, 99.0], 3),  # a slow machine takes one step after the first
        ([1.0, 0.2, 0.3, 0.4, 0.1, 0.5, 99.0], 7),
    ):
        ends = itertools.accumulate(took, initial=50.0)
        seen: list[float] = []

        def clock(ends=ends, seen=seen) -> float:
            seen.append(next(ends))
            return seen[-1]

        seconds = time_steps(probe, data, CPU, clock=clock)
        assert seconds == pytest.approx({3: 2.0, 7: 0.3}[calls])
        assert len(seen) == calls
    assert time_steps(probe, data, CPU, batches=3) > 0


@pytest.mark.slow
def test_a_run_by_minutes_is_repeated_and_resumed_to_the_bit(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(budget, "LEAST_STEPS", 2)
    monkeypatch.setattr(run, "time_steps", lambda *_: 9.0)  # which allow six
    given = {**TINY, "minutes": 1.0, "photos": str(photographs)}
    whole = run.fit({**given, "out": str(tmp_path / "whole")})
    saved = yaml.safe_load((tmp_path / "whole/config.yaml").read_text())
    assert (whole.steps, saved["steps"], saved["size"]) == (6, 6, 32)
    assert "minutes" not in saved
    monkeypatch.setattr(run, "time_steps", lambda *_: math.nan)  # nothing is planned again
    again = run.fit({**saved, "out": str(tmp_path / "again")})
    assert same(weights_of(whole.checkpoint), weights_of(again.checkpoint))

    monkeypatch.setattr(run, "time_steps", lambda *_: 9.0)
    out = str(tmp_path / "stopped")
    stopped = run.fit({**given, "out": out}, on_progress=lambda step, *_: step == 2)
    monkeypatch.setattr(run, "time_steps", lambda *_: math.nan)
    resumed = run.fit({"resume": str(stopped.checkpoint)})
    assert (stopped.steps, resumed.steps) == (2, 6)
    assert same(weights_of(whole.checkpoint), weights_of(resumed.checkpoint))
    longer = {"resume": str(resumed.checkpoint), "steps": 9}
    assert resolve(longer).config.minutes is None  # which are over
