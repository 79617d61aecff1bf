"""Lightning callbacks of a run: progress, previews and image defects in TensorBoard, SIGTERM."""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Callable
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from fast_nst.pictures.edit import Array
from fast_nst.training.data import ValidationBatch
from fast_nst.training.defects import inspect
from fast_nst.training.models import PixelNetwork
from fast_nst.training.module import StyleTransfer
from fast_nst.training.saving import TensorBoardLogs

# Called with the steps done, of how many, and the loss; returning true stops the run.
OnProgress = Callable[[int, int, float], bool | None]


class Steps(Callback):
    """Reports every optimizer step, and stops the run if asked to.

    Args:
        on_progress: Called after each step; if it returns true on any of several processes, the
            run stops on all.
    """

    def __init__(self, on_progress: OnProgress) -> None:
        self.on_progress = on_progress
        self._seen = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start at the step of the checkpoint that is resumed."""
        self._seen = trainer.global_step

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any, **__: Any
    ) -> None:
        """Report once a step, also if a step takes several batches."""
        if trainer.global_step == self._seen:
            return
        self._seen = trainer.global_step
        loss = pl_module.step_loss if isinstance(pl_module, StyleTransfer) else math.nan
        stop = bool(self.on_progress(trainer.global_step, trainer.max_steps, loss))
        if trainer.world_size > 1:
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        trainer.should_stop = trainer.should_stop or stop


class Termination(Callback):
    """Restores the SIGTERM handler that Lightning replaces by one that ends the run at once.

    So the command stops after the current step, as by Ctrl-C. If there was no handler, Lightning's
    stays, and the checkpoint of that step is saved, see `Checkpoints.on_exception`.
    """

    def __init__(self) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Restore it after Lightning has set its own."""
        self._put_back()

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Restore it before the validation at the end of a run, too."""
        self._put_back()

    def _put_back(self) -> None:
        if callable(self._handler):
            with contextlib.suppress(ValueError):  # not the main thread, which alone has handlers
                signal.signal(signal.SIGTERM, self._handler)


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
        batch: ValidationBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Photograph above painting, one image a photograph.

        Args:
            trainer: Has the logger.
            pl_module: Not used.
            outputs: What the validation step returned: the paintings, (N, 3, S, S) in [0, 1].
            batch: Has the photographs, of the same shape.
            batch_idx: Not used: the last batch may be shorter than the others.
            dataloader_idx: Not used.
        """
        photographs = batch.photographs
        first, self._count = self._count, self._count + len(photographs)
        if not isinstance(trainer.logger, TensorBoardLogs):
            return
        pairs = torch.cat([photographs, outputs.float()], dim=2).nan_to_num().clamp(0, 1)
        for number, pair in enumerate(pairs, start=first):
            trainer.logger.show(f"preview/{number}", pair, trainer.global_step)


class Defects(Callback):
    """Logs image defects with validations: the first one, then as often as `SHARE` allows.

    Attributes:
        SHARE: The largest share of the run's time that it takes.
    """

    SHARE = 0.05

    def __init__(self) -> None:
        self._next = -math.inf

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Measure the network's image defects, with the pixels that an export gives."""
        began = time.monotonic()
        if not isinstance(pl_module, StyleTransfer) or began < self._next:
            return
        pixels, device = PixelNetwork(pl_module.network), pl_module.device

        def paint(photo: Array) -> Array:
            image = torch.from_numpy(np.ascontiguousarray(photo))[None].to(device)
            painting: Array = pixels(image)[0].cpu().numpy()
            return painting

        found = inspect(paint, pl_module.style_reference)
        pl_module.log_dict({f"val/{name}": value for name, value in found.items()})
        ended = time.monotonic()
        self._next = ended + (ended - began) / self.SHARE
