"""What Lightning calls back during a run: steps, previews, and checkpoints that are whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

EachStep = Callable[[int, int, float], bool | None]


class Steps(Callback):
    """Tells of every optimizer step, and ends the run when it is told to.

    Args:
        each: Called with the steps done, of how many, and the loss; if it returns true on any of
            several processes, the run ends on all.
    """

    def __init__(self, each: EachStep) -> None:
        self.each = each
        self._seen = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """A resumed run begins at the step where it was."""
        self._seen = trainer.global_step

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Once a step, also where a step takes several batches."""
        if trainer.global_step == self._seen:
            return
        self._seen = trainer.global_step
        # Lightning has divided it by the batches of a step.
        loss = float(outputs["loss"]) * trainer.accumulate_grad_batches
        stop = bool(self.each(trainer.global_step, trainer.max_steps, loss))
        if trainer.world_size > 1:
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        trainer.should_stop = trainer.should_stop or stop


class AtomicCheckpoints(TorchCheckpointIO):
    """Renames finished checkpoints into place: a full disk or a kill leaves the last good one."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write beside `path`, then rename."""
        target = Path(path)
        temporary = target.with_name(f".{target.name}.part")
        try:
            super().save_checkpoint(checkpoint, temporary, storage_options)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


class PreviewImages(Callback):
    """Logs the validation photographs' paintings to TensorBoard."""

    def __init__(self) -> None:
        self._count = 0

    def on_validation_epoch_start(self, *_: Any) -> None:
        """Count from the first photograph again."""
        self._count = 0

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Tensor,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Photograph above painting, one image a photograph.

        Args:
            trainer: Has the logger.
            pl_module: Not used.
            outputs: What the validation step returned: the paintings, (N, 3, S, S) in [0, 1].
            batch: The photographs, of the same shape.
            batch_idx: Not used: the last batch may be shorter than the others.
            dataloader_idx: Not used.
        """
        first, self._count = self._count, self._count + len(batch)
        if not isinstance(trainer.logger, TensorBoardLogger):
            return
        pairs = torch.cat([batch, outputs.float()], dim=2).nan_to_num().clamp(0, 1)
        for number, pair in enumerate(pairs, start=first):
            name = f"preview/{number}"
            trainer.logger.experiment.add_image(name, pair, trainer.global_step)
