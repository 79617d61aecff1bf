"""How many steps, of which crop, fit into a time: timed on this machine, then planned."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable

import torch
from lightning.fabric.utilities import move_data_to_device

from fast_nst.devices import autocast
from fast_nst.training.data import Batch, Photographs
from fast_nst.training.module import StyleTransfer
from fast_nst.training.plan import Plan
from fast_nst.training.settings import TrainConfig

DEFAULT_MINUTES = 3.0  # of a run that is given neither steps nor minutes
LEAST_STEPS, LEAST_SIZE = 100, 160  # px; what is trained less shows few strokes
ENOUGH_STEPS = 150  # with so many, larger crops do more than further steps
SHARE = 0.9  # of the time is for steps; validation and live paintings take some of the rest
_MULTIPLE = 16  # px, of planned crops
_TIMED, _WARM_UP = 5, 1  # steps
_SECONDS, _TIMING_SHARE = 5.0, 0.03  # for them, unless a warm-up and one step take longer


def plan_steps(
    seconds_per_step_of_224: float,
    minutes: float,
    *,
    steps: int | None = None,
    size: int | None = None,
) -> tuple[int, int]:
    """Steps and crop that fit into a time: first more steps, then larger crops, then more steps.

    A step takes time in proportion to the area of its crop.

    Args:
        seconds_per_step_of_224: Seconds a step of a 224 px crop takes.
        minutes: The time, of which `SHARE` is for steps.
        steps: The steps, where they are given.
        size: The crop's side in px, where it is given.

    Returns:
        Steps and the side of the crop, in px. The least are `LEAST_STEPS` of `LEAST_SIZE`, and
        these may take longer; the largest crop is that of the defaults, 224 px.
    """
    largest = TrainConfig().size

    def fitting(side: int) -> int:
        pace = seconds_per_step_of_224 * (side / largest) ** 2
        return int(SHARE * 60 * minutes / pace)

    sides = range(LEAST_SIZE, largest + 1, _MULTIPLE) if size is None else [size]
    wanted = ENOUGH_STEPS if steps is None else steps
    side = max((side for side in sides if fitting(side) >= wanted), default=sides[0])
    return (max(LEAST_STEPS, fitting(side)) if steps is None else steps), side


def time_steps(
    module: StyleTransfer,
    photographs: Photographs,
    device: torch.device,
    batches: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Seconds a training step takes here, in `module`'s precision, after a warm-up.

    Args:
        module: A network to waste: it is trained.
        photographs: What it sees.
        device: Where it is trained.
        batches: Batches a step.
        clock: Seconds that have passed.
    """
    module.to(device)
    parameters = list(module.network.parameters())
    optimizer = module.configure_optimizers()
    minutes = module.config.minutes or math.inf
    most = min(_SECONDS, _TIMING_SHARE * 60 * minutes)
    took: list[float] = []
    started = began = clock()
    for loaded in photographs.train_dataloader():
        batch = photographs.on_before_batch_transfer(loaded, 0)
        batch = photographs.on_after_batch_transfer(move_data_to_device(batch, device), 0)
        assert isinstance(batch, Batch)
        with autocast(device, module.config.precision):
            total = module.total(batch)
        optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        norm.item()  # waits for the device
        now = clock()
        took.append(now - started)
        started = now
        timed = len(took) - _WARM_UP
        if timed >= _TIMED or (timed > 0 and now - began > most):
            break
    return batches * statistics.median(took[_WARM_UP:] or took)


def fit_minutes(plan: Plan, config: TrainConfig, seconds: float) -> tuple[TrainConfig, str]:
    """Complete a run's settings with the steps and the crop that fit into its time.

    Args:
        plan: Tells which of them were given.
        config: The settings, with the size that was timed.
        seconds: What a step of that size takes.

    Returns:
        The settings, and a line on them for people to read; "" where the defaults fit.
    """
    pace = seconds * (TrainConfig().size / config.size) ** 2
    minutes = config.minutes or DEFAULT_MINUTES
    steps, size = plan_steps(
        pace,
        minutes,
        steps=config.steps if "steps" in plan.given else None,
        size=config.size if "size" in plan.given else None,
    )
    if config.minutes is None and steps >= config.steps:
        return config, ""
    took = minutes_of(steps, size, pace)
    line = f"{steps} steps of {size} px, about {took:.1f} minutes here"
    if config.minutes is None:
        whole = minutes_of(config.steps, config.size, pace)
        line += f"; --steps {config.steps} takes about {whole:.0f}"
    elif took > minutes:
        line += f"; the run ends after {minutes:g}, with fewer steps"
    return dataclasses.replace(config, steps=steps, size=size), line


def minutes_of(steps: int, size: int, seconds_per_step_of_224: float) -> float:
    """Minutes that so many steps of a crop of `size` px take."""
    return steps * seconds_per_step_of_224 * (size / TrainConfig().size) ** 2 / 60
