"""What a run saves on the way: checkpoints, written atomically, and TensorBoard's logs.

A kill costs at most what came after the last checkpoint, a full disk at most the checkpoints and
logs that did not fit: training goes on and logs a warning.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities.exceptions import SIGTERMException

from fast_nst.errors import UserError, one_line
from fast_nst.training.checkpoints import BEST, CHECKPOINT, load

Log = Callable[[str], None]

SAVE_EVERY = 120.0  # seconds, and after each validation
VALIDATION_LOSS = "val/total"


class AtomicCheckpoints(TorchCheckpointIO):
    """Renames finished checkpoints into place: a full disk or a kill leaves the last good one.

    Args:
        log: Called with a warning when a checkpoint cannot be written, which does not stop
            training.

    Attributes:
        failed: The files that could not be written when last tried, with why.
    """

    def __init__(self, log: Log | None = None) -> None:
        super().__init__()
        self._log = log or (lambda _: None)
        self.failed: dict[Path, OSError] = {}

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write beside `path`, wait for the disk, then rename."""
        target = Path(path)
        temporary = target.with_name(f".{target.name}.part")
        try:
            super().save_checkpoint(checkpoint, temporary, storage_options)
            with temporary.open("r+b") as written:
                os.fsync(written.fileno())  # Windows syncs only what it may write
            temporary.replace(target)
            self.failed.pop(target, None)
        except OSError as error:
            if target not in self.failed:
                reason = one_line(error.strerror or error)
                self._log(
                    f"cannot save {str(target)!r}: {reason}; training goes on, and tries again"
                )
            self.failed[target] = error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


class Checkpoints(Checkpoint):
    """Saves `last.ckpt` on steps and on time, and `best.ckpt` by the validation loss.

    Args:
        folder: The run's folder.
        every: Steps from one `last.ckpt` to the next.
        validated_with: Settings that the validation loss depends on; a best one from other
            settings is forgotten.
        seconds: The longest time from one to the next.

    Attributes:
        best: The lowest validation loss; None before the first.
    """

    def __init__(
        self, folder: Path, every: int, validated_with: dict[str, Any], seconds: float = SAVE_EVERY
    ) -> None:
        self.folder = folder
        self.every = every
        self.validated_with = validated_with
        self.seconds = seconds
        self.best: float | None = None
        self._validated = self._saved = -1  # steps
        self._when = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """The best validation loss and its settings, which every checkpoint keeps."""
        return {"best": self.best, "judged_by": self.validated_with}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best validation loss, if `best.ckpt` is there, from the same settings.

        `last.ckpt` may be from before the best one, which knows its own loss.
        """
        with contextlib.suppress(UserError, KeyError):
            found = load(self.folder / BEST)["callbacks"][self.state_key]
            if found["judged_by"] == self.validated_with:
                self.best = found["best"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Do not save the resumed step again."""
        self._saved = trainer.global_step

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any, **__: Any
    ) -> None:
        """Save between steps, where a run can be resumed."""
        step = trainer.global_step
        if step == self._saved:
            return
        is_due = time.monotonic() - self._when >= self.seconds
        if trainer.world_size > 1:  # clocks differ, and all save or none
            is_due = trainer.strategy.broadcast(is_due)
        if is_due or step % self.every == 0:
            self.save(trainer)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save the best checkpoint; outside of training, `finish` does."""
        self._validated = trainer.global_step
        before = self.best
        if trainer.state.fn == "fit" and self._is_best(trainer):
            trainer.save_checkpoint(self.folder / BEST)
            if self._failed(trainer, BEST):
                self.best = before

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Save the last good step when memory, photographs or time run out."""
        is_between_steps = trainer.accumulate_grad_batches == trainer.world_size == 1
        is_ours = isinstance(exception, UserError | RuntimeError | OSError | SIGTERMException)
        is_good = not getattr(exception, "is_of_weights", False)
        if is_between_steps and is_ours and is_good and trainer.global_step > self._saved >= 0:
            self.save(trainer)

    def save(self, trainer: L.Trainer) -> None:
        """Write `last.ckpt`, and flush the logs."""
        self._saved, self._when = trainer.global_step, time.monotonic()
        trainer.save_checkpoint(self.folder / CHECKPOINT)
        for logger in trainer.loggers:
            logger.save()

    def finish(
        self, trainer: L.Trainer, module: L.LightningModule, data: L.LightningDataModule
    ) -> Path:
        """Save the last step of a run, and validate it.

        Returns:
            The checkpoint with the lowest validation loss.

        Raises:
            UserError: It cannot be saved.
        """
        last, best = self.folder / CHECKPOINT, self.folder / BEST
        self.save(trainer)
        error = self._failed(trainer, CHECKPOINT)
        if error is not None:
            reason = one_line(error.strerror or error)
            left = f"{str(last)!r} is from before" if last.is_file() else "nothing was saved"
            raise UserError(
                f"cannot save {str(last)!r}: {reason}; {left}. Make room, then resume last",
                "resume",
            )
        if self._validated != trainer.global_step:
            trainer.validate(module, data, verbose=False)
            before = self.best
            if self._is_best(trainer) and trainer.is_global_zero:
                checkpoint = load(last)
                checkpoint["callbacks"][self.state_key] = self.state_dict()
                trainer.strategy.checkpoint_io.save_checkpoint(checkpoint, best)
                if self._failed(trainer, BEST):
                    self.best = before
        return best if self.best is not None and best.is_file() else last

    def _failed(self, trainer: L.Trainer, name: str) -> OSError | None:
        io = trainer.strategy.checkpoint_io
        return io.failed.get(self.folder / name) if isinstance(io, AtomicCheckpoints) else None

    def _is_best(self, trainer: L.Trainer) -> bool:
        value = float(trainer.callback_metrics.get(VALIDATION_LOSS, float("nan")))
        is_best = value < (float("inf") if self.best is None else self.best)
        if is_best:
            self.best = value
        return is_best


class TensorBoardLogs(TensorBoardLogger):
    """TensorBoard's logs. Where they cannot be written any more they end, and training goes on.

    Args:
        folder: The run's folder; the logs go into its `tensorboard/`.
        log: Called with a warning when they end early.
    """

    def __init__(self, folder: Path, log: Log | None = None) -> None:
        super().__init__(folder, name="tensorboard", version="")
        self._log = log or (lambda _: None)
        self._ended = False

    @contextlib.contextmanager
    def _until_full(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            if not isinstance(cause, OSError):  # Lightning makes a ValueError of all
                raise
            if not self._ended:
                reason = one_line(cause.strerror or cause)
                self._log(f"cannot write to {self.log_dir!r}: {reason}; the logs end here")
            self._ended = True

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Log scalars, unless the logs have ended."""
        if not self._ended:
            with self._until_full():
                super().log_metrics(metrics, step)

    def show(self, name: str, picture: Any, step: int) -> None:
        """Log a picture, (3, H, W) in [0, 1]."""
        if not self._ended:
            with self._until_full():
                self.experiment.add_image(name, picture, step)

    def save(self) -> None:
        """Flush the logs to the disk."""
        if not self._ended:
            with self._until_full():
                super().save()

    def finalize(self, status: str) -> None:
        """Flush and close."""
        with self._until_full():
            super().finalize(status)
