"""StyleTransfer: one network, one PerceptualLoss, and what Lightning needs to train them."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
import torch
from torch import Tensor

from fast_nst import __version__
from fast_nst.errors import UserError
from fast_nst.losses import PARTS, PerceptualLoss
from fast_nst.networks import build_network
from fast_nst.training.settings import CHECKPOINT_KEY, TrainConfig

_WARM_UP = 0.1  # of the steps


class TrainingDiverged(UserError):
    """The loss is no longer a finite number."""


def one_cycle(step: int, steps: int) -> float:
    """Factor of the peak learning rate: half a cosine up, then half a cosine down to zero.

    Smith & Topin 2019, with the first tenth as warm-up; a pure function, so that a resumed run
    can be given more steps.
    """
    peak = max(1, round(_WARM_UP * steps))
    if step < peak:
        return 0.5 - 0.5 * math.cos(math.pi * (step + 1) / (peak + 1))
    return 0.5 + 0.5 * math.cos(math.pi * min(1.0, (step - peak) / max(1, steps - peak)))


class StyleTransfer(L.LightningModule):
    """Trains `network` so that its pictures minimise `loss` (Johnson et al. 2016, equation 5).

    Its state dict holds the network alone: the loss and the VGG-19 in it keep their tensors out.

    Args:
        config: The run's settings.
        loss: What to minimise; its style is that of `config.style`.
    """

    def __init__(self, config: TrainConfig, loss: PerceptualLoss) -> None:
        super().__init__()
        self.config = config
        self.network = build_network(config.network).to(memory_format=torch.channels_last)
        self.loss = loss

    def forward(self, photographs: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same."""
        return self.network(photographs)

    def losses(self, photographs: Tensor) -> dict[str, Tensor]:
        """Stylize, and return the named parts of the loss."""
        return self.loss(self(photographs), self.loss.content_features(photographs))

    def training_step(self, photographs: Tensor, batch_idx: int) -> Tensor:
        """One step's total loss.

        Raises:
            TrainingDiverged: It is not finite.
        """
        parts = self.losses(photographs)
        self._stop_unless_finite(parts["total"], "loss")
        self.log_dict({f"train/{name}": parts[name].detach() for name in PARTS})
        self.log("loss", parts["total"].detach(), prog_bar=True, logger=False)
        return parts["total"]

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep broken gradients out of the weights, and so out of the checkpoints.

        Raises:
            TrainingDiverged: A gradient is not finite.
        """
        if self.trainer.precision != "16-mixed":  # whose gradient scaler expects some
            gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
            self._stop_unless_finite(torch.nn.utils.get_total_norm(gradients), "gradient's norm")

    def _stop_unless_finite(self, value: Tensor, what: str) -> None:
        if not torch.isfinite(value):
            raise TrainingDiverged(
                f"the {what} is {value.item()} at step {self.global_step}: training stopped, the "
                "last checkpoint is good. Lower --lr, or --style-weight if that does not help"
            )

    def validation_step(self, photographs: Tensor, batch_idx: int) -> None:
        """The same loss on photographs that training does not see."""
        parts = self.losses(photographs)
        n = len(photographs)
        self.log_dict({f"val/{name}": parts[name] for name in PARTS}, batch_size=n)

    def configure_optimizers(self) -> Any:
        """Adam under one cycle of the learning rate."""
        optimizer = torch.optim.Adam(self.network.parameters(), lr=self.config.lr)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: one_cycle(step, self.config.steps)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the settings, as plain values that load without pickle."""
        checkpoint[CHECKPOINT_KEY] = {
            "version": __version__,
            "config": self.config.as_dict(),
            "vgg_source": self.loss.vgg.source,
        }
