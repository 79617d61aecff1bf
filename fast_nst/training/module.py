"""StyleTransfer: one network, one PerceptualLoss, and what Lightning needs to train them."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from typing import Any

import lightning as L
import torch
from torch import Tensor

from fast_nst.errors import UserError
from fast_nst.losses import PerceptualLoss, TemporalLoss
from fast_nst.networks import ImageTransformation, build_network
from fast_nst.training.checkpoints import RECORD
from fast_nst.training.data import Batch, ValidationBatch
from fast_nst.training.defects import Reference
from fast_nst.training.initialization import Initialization
from fast_nst.training.settings import SCRATCH, TrainConfig, plain
from fast_nst.version import __version__

_WARM_UP = 0.05  # of the steps
_SPIKE = 10.0  # times the running median of the loss,
_MEDIAN_OF = 50  # steps,
_CHECKED_AFTER = 10  # of them at least
_LATE, _SLACK = 1.3, 0.05  # times what was planned, and a share of the time


class TrainingDiverged(UserError):
    """The loss is no longer a finite number, or jumped far above what it was."""

    is_of_weights = True  # they are not worth saving


def one_cycle(step: int, steps: int) -> float:
    """Factor of the peak learning rate: half a cosine up, then half a cosine down to zero.

    Smith & Topin 2019, with the first twentieth as warm-up; a pure function, so that a resumed run
    can be given more steps.
    """
    peak = max(1, round(_WARM_UP * steps))
    if step < peak:
        return 0.5 - 0.5 * math.cos(math.pi * (step + 1) / (peak + 1))
    return 0.5 + 0.5 * math.cos(math.pi * min(1.0, (step - peak) / max(1, steps - peak)))


def is_late(steps: float, time: float) -> bool:
    """Whether a run is so much slower than planned that its steps would end well after its time.

    Args:
        steps: Share of the steps that is done.
        time: Share of the time that has passed. The first steps may take longer than others.
    """
    return time > _LATE * steps + _SLACK


class StyleTransfer(L.LightningModule):
    """Trains `network` so that its pictures minimise `loss` (Johnson et al. 2016, equation 5).

    Its state dict holds the network alone: the loss and the VGG-19 in it keep their tensors out.

    Args:
        config: The run's settings.
        loss: What to minimise; its style is that of `config.style`.
        initialization: The initial weights; without any, they are drawn at random.
        style_sha256: Of the style image's file, for the records.
        recoveries: Divergence recoveries so far, each of which halves the learning rate.
        style_reference: Of the style image, for the image defects.

    Attributes:
        step_loss: The total loss of the last step; of several batches or devices, their mean.
        follows_time: Whether the learning rate follows the time, because the steps are too slow.
        is_time_over: Whether the minutes have ended the steps.
    """

    def __init__(
        self,
        config: TrainConfig,
        loss: PerceptualLoss,
        initialization: Initialization | None = None,
        style_sha256: str = "",
        recoveries: int = 0,
        style_reference: Reference | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.initialization: Initialization = initialization or Initialization(SCRATCH)
        self.style_sha256 = style_sha256
        self.recoveries = recoveries
        self.style_reference = style_reference
        self.step_loss: float = math.nan
        self.follows_time = self.is_time_over = False
        self._totals: list[Tensor] = []  # of the step at hand
        self._seconds = 0.0  # of the run, up to the checkpoint that is resumed
        self._began = time.monotonic()
        self._recent: deque[float] = deque(maxlen=_MEDIAN_OF)
        network = build_network(config.network)
        if self.initialization.state is not None:
            network.load_state_dict(self.initialization.state)
        self.network: ImageTransformation = network.to(memory_format=torch.channels_last)
        self.loss = loss
        self.temporal: TemporalLoss | None = None
        if config.steady > 0:
            self.temporal = TemporalLoss(config.steady)

    def forward(self, photographs: Tensor, noise: Tensor | None = None) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same; without `noise`, with that of inference."""
        return self.network(photographs, noise)

    def losses(self, photographs: Tensor, paintings: Tensor) -> dict[str, Tensor]:
        """The named parts of the loss; both (N, 3, H, W) in [0, 1]."""
        return self.loss(paintings, self.loss.content_features(photographs))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One batch's total loss."""
        _, parts = self._painted(batch, batch.noise)
        self._totals.append(parts["total"].detach())
        self.log_dict({f"train/{name}": value.detach() for name, value in parts.items()})
        return parts["total"]

    def total(self, batch: Batch) -> Tensor:
        """One batch's total loss, unlogged: what a step takes is timed with it."""
        return self._painted(batch, batch.noise)[1]["total"]

    def _painted(
        self, batch: Batch | ValidationBatch, noise: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The paintings of a batch, (N, 3, H, W) in [0, 1], and the named parts of its loss."""
        paintings: Tensor = self(batch.photographs, noise)
        parts = self.losses(batch.photographs, paintings)
        if self.temporal is not None and batch.others is not None:
            others = self(batch.others, noise)  # the noise does not move with the frames
            temporal = self.temporal(paintings, others, batch.shifts)
            parts |= {"steady": temporal, "total": parts["total"] + temporal}
        return paintings, parts

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip, and keep broken gradients out of the weights, and so out of the checkpoints.

        Here, behind the backward pass, the processor waits for the device, once a step.

        Raises:
            TrainingDiverged: The loss or a gradient is not finite, or the loss is a spike.
        """
        parameters = list(self.network.parameters())
        if gradient_clip_val and gradient_clip_algorithm in (None, "norm"):
            norm = torch.nn.utils.clip_grad_norm_(parameters, gradient_clip_val)
        else:
            norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
            if gradient_clip_val:
                self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        total = torch.stack(self._totals).mean()
        self._totals.clear()
        if self.trainer.world_size > 1:  # all go on, or none
            total = self.trainer.strategy.reduce(total, reduce_op="mean")
        loss, size = torch.stack([total, norm.to(total)]).tolist()
        if self.trainer.precision == "16-mixed":  # whose gradient scaler expects some
            size = 0.0
        self._check_divergence(loss, size)
        self.step_loss = loss

    def _check_divergence(self, loss: float, norm: float) -> None:
        where = f"at step {self.global_step}"
        for what, value in (("loss", loss), ("gradient's norm", norm)):
            if not math.isfinite(value):
                raise TrainingDiverged(f"the {what} is {value} {where}")
        median = statistics.median(self._recent) if self._recent else math.inf
        if len(self._recent) >= _CHECKED_AFTER and loss > _SPIKE * median:
            raise TrainingDiverged(
                f"the loss is {loss:.3g} {where}, over {_SPIKE:g} times its median of {median:.3g}"
            )
        self._recent.append(loss)

    def validation_step(self, batch: ValidationBatch, batch_idx: int) -> Tensor:
        """Log the loss of the validation photographs; returns their paintings."""
        paintings, parts = self._painted(batch, None)
        named = {f"val/{name}": value for name, value in parts.items()}
        self.log_dict(named, batch_size=len(batch.photographs))
        return paintings

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam; each step sets its learning rate."""
        return torch.optim.Adam(self.network.parameters(), lr=self.config.lr)

    def on_train_start(self) -> None:
        """Start the clock."""
        self._began = time.monotonic() - self._seconds

    @property
    def seconds(self) -> float:
        """Duration of the training so far; a resumed run's begins with its checkpoint's."""
        return time.monotonic() - self._began

    def _cycle_step(self) -> int:
        """The step of the schedule: the optimizer's, or from when `minutes` are too few, ahead."""
        if self.config.minutes is None:
            return self.global_step
        seconds = self.seconds
        if self.trainer.world_size > 1:  # clocks differ, and all have one learning rate
            seconds = self.trainer.strategy.broadcast(seconds)
        share = min(seconds / (60 * self.config.minutes), 1.0)
        if not self.follows_time and is_late(self.global_step / self.config.steps, share):
            self.follows_time = True
        if not self.follows_time:
            return self.global_step
        return max(self.global_step, round(share * self.config.steps))

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Set this step's learning rate, which depends on the settings, and the step or the time.

        Checkpoints do not store it, so that a resumed run follows the settings it is given.
        """
        step, steps = self._cycle_step(), self.config.steps
        if self.follows_time and step >= steps:
            self.trainer.should_stop = self.is_time_over = True
        rate = self.config.lr / 2**self.recoveries * one_cycle(step, steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        self.log("train/lr", rate)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the settings, as plain values that load without pickle."""
        checkpoint[RECORD] = {
            "version": __version__,
            "config": {**self.config.as_dict(), "trainer": plain(self.config.trainer)},
            "vgg_source": self.loss.vgg.source,
            "vgg_scales": self.loss.vgg.scales,
            "style_sha256": self.style_sha256,
            "start": self.initialization.record(),
            "root": self.initialization.identity_sha256,
            "halvings": self.recoveries,
            "recent_losses": list(self._recent),
            "seconds": self.seconds,
            "follows_time": self.follows_time,
        }
        if self.style_reference is not None:
            checkpoint[RECORD]["style_reference"] = self.style_reference.to_json()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the recent losses, so that spikes are found as in an uninterrupted run."""
        self._recent.extend(checkpoint[RECORD].get("recent_losses", ()))
        self._seconds = checkpoint[RECORD].get("seconds", 0.0)
        if self.config.minutes is not None:
            self.follows_time = checkpoint[RECORD].get("follows_time", False)
