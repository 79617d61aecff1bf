"""A training cycle with a fixed duration instead of a number of steps."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from fast_nst.devices import autocast
from fast_nst.training.data import Batch, Photographs
from fast_nst.training.module import TrainingDiverged, one_cycle

_PAUSE = 5.0  # times the median: a step that takes longer was stopped meanwhile
_CYCLE = 10_000  # the schedule's resolution

# Photographs (N, 3, S, S) in [0, 1] and noise (N, 1, h, w) to a scalar loss.
StepLoss = Callable[[Tensor, Tensor], Tensor]


class Clock:
    """Seconds of work. While the process is stopped (SIGSTOP), or the machine asleep, none pass.

    Args:
        worked: Seconds before.

    Attributes:
        worked: Seconds so far.
    """

    def __init__(self, worked: float = 0.0) -> None:
        self.worked: float = worked
        self._last = time.monotonic()
        self._steps: deque[float] = deque(maxlen=50)

    def tick(self) -> None:
        """After each step; one that took far longer than those before counts as one of them."""
        now = time.monotonic()
        took, self._last = now - self._last, now
        usual = statistics.median(self._steps) if self._steps else math.inf
        if took > max(_PAUSE * usual, 1.0):
            took = usual
        self._steps.append(took)
        self.worked += took


@dataclass
class Progress:
    """The state of a cycle, with which it can be resumed.

    Attributes:
        step: Optimizer steps done.
        worked: Seconds of work in them.
        optimizer: Its state dict; empty before the first step.
    """

    step: int = 0
    worked: float = 0.0
    optimizer: dict[str, Any] = field(default_factory=dict)


def crops(photographs: Photographs, device: torch.device, first: int) -> Iterator[Batch]:
    """The training crops from a step on, as a network takes them.

    Args:
        photographs: Their folder; its number of steps is the most that there will be.
        device: Where they go.
        first: The step of the first batch.
    """
    for number, (batch, unreadable) in enumerate(photographs.train_dataloader(first)):
        photographs.unreadable.update(unreadable)
        there = Batch(batch.photographs.to(device), batch.noise.to(device))
        yield photographs.on_after_batch_transfer(there, number)  # type: ignore[misc]


def train_for(
    network: nn.Module,
    batches: Iterator[Batch],
    step_loss: StepLoss,
    seconds: float,
    lr: float,
    *,
    precision: str,
    progress: Progress | None = None,
    on_progress: Callable[[Progress, float], bool | None] = lambda *_: None,
) -> Progress:
    """One cycle of Adam, whose learning rate follows the share of the time that has passed.

    Args:
        network: Trained in place: (N, 3, H, W) in [0, 1] and noise to the same.
        batches: As many as there may be steps.
        step_loss: Of a batch's photographs and its noise.
        seconds: Of work, see `Clock`.
        lr: Peak learning rate, see `module.one_cycle`.
        precision: Of `devices.PRECISIONS`, decided.
        progress: The state to resume; default: a new cycle.
        on_progress: Called after each step with the progress and the loss; returning true ends the
            cycle.

    Returns:
        The state at the end.

    Raises:
        TrainingDiverged: The loss is no finite number.
    """
    progress = progress or Progress()
    parameters = list(network.parameters())
    device = parameters[0].device
    adam = torch.optim.Adam(parameters, lr=lr)
    if progress.optimizer:
        adam.load_state_dict(progress.optimizer)
    network.train()
    clock = Clock(progress.worked)
    while clock.worked < seconds:
        batch = next(batches)
        share = round(clock.worked / seconds * _CYCLE)
        for group in adam.param_groups:
            group["lr"] = lr * one_cycle(share, _CYCLE)
        with autocast(device, precision):
            loss = step_loss(batch.photographs, batch.noise)
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingDiverged(f"the loss is {value} at step {progress.step}")
        adam.step()
        clock.tick()
        progress.step, progress.worked = progress.step + 1, clock.worked
        progress.optimizer = adam.state_dict()
        if on_progress(progress, value):
            break
    network.eval()
    return progress
