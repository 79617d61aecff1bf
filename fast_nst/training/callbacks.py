"""What Lightning calls back during a run: progress, previews, and checkpoints that are whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor


class Progress(TQDMProgressBar):
    """One bar for the whole run; the short validations between steps show none of their own."""

    _batches = 0  # of the whole run, those before a resumption included

    def init_validation_tqdm(self) -> Any:
        """A bar that stays invisible."""
        return Tqdm(disable=True)

    def on_train_epoch_start(self, trainer: L.Trainer, *_: Any) -> None:
        """The run is a single epoch: no need to count them. A resumed one starts where it was."""
        bar = self.train_progress_bar
        bar.total = trainer.num_training_batches
        bar.initial = bar.n = trainer.global_step * trainer.accumulate_grad_batches
        bar.set_description("Training")

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Count from the run's start, whether or not Lightning's own number does."""
        first = int(self.train_progress_bar.initial)
        self._batches = max(self._batches, first) + 1
        super().on_train_batch_end(trainer, pl_module, outputs, batch, self._batches - 1)


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

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Tensor,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Photograph above painting, one image a photograph."""
        if not isinstance(trainer.logger, TensorBoardLogger):
            return
        with torch.no_grad():
            pairs = torch.cat([batch, pl_module(batch).float()], dim=2).nan_to_num().clamp(0, 1)
        for i, pair in enumerate(pairs):
            name = f"preview/{batch_idx * len(batch) + i}"
            trainer.logger.experiment.add_image(name, pair, trainer.global_step)
