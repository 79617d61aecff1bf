"""Divergence recovery: go back to the last good checkpoint, at half the learning rate."""

from __future__ import annotations

import contextlib
from pathlib import Path

from fast_nst.errors import UserError
from fast_nst.training.checkpoints import BEST, CHECKPOINT, read_checkpoint
from fast_nst.training.module import TrainingDiverged

MAX_RECOVERIES = 2  # a run


def last_good_checkpoint(folder: Path, step: int) -> Path | None:
    """The newest checkpoint of a run whose weights are known to be good.

    The loss of a step is that of the weights before it. So `last.ckpt` is good if a step with a
    finite loss came after it; `best.ckpt` always is, for it was validated.

    Args:
        folder: The run's folder.
        step: The step at which the loss diverged, from 0.

    Returns:
        Its path, or None if there is none.
    """
    found: dict[int, Path] = {}
    for name in (BEST, CHECKPOINT):  # of the same step the latter
        with contextlib.suppress(UserError):
            done = read_checkpoint(folder / name).step
            if name == BEST or done < step:
                found[done] = folder / name
    return found[max(found)] if found else None


def final_error(
    error: TrainingDiverged, folder: Path, lr: float, recoveries: int
) -> TrainingDiverged:
    """The error of a run that is given up, with what was tried, what is left, and what to do."""
    last = folder / CHECKPOINT
    left = f"{str(last)!r} is from before" if last.is_file() else "nothing was saved"
    tried = f" with the learning rate halved {recoveries} times" if recoveries else ""
    return TrainingDiverged(
        f"{error}{tried}: training stopped, {left}. Lower lr (it was {lr:g}), or style_weight "
        "if that does not help",
        "lr",
        "style_weight",
    )
