"""What becomes of a run whose loss explodes: back to what was good, at half the learning rate."""

from __future__ import annotations

import contextlib
from pathlib import Path

from fast_nst.errors import UserError
from fast_nst.training.checkpoints import BEST, CHECKPOINT, read_checkpoint
from fast_nst.training.module import TrainingDiverged

MOST_HALVINGS = 2


def good_checkpoint(folder: Path, step: int) -> Path | None:
    """The newest checkpoint of a run whose weights are known to be good.

    The loss of a step is that of the weights before it. So `last.ckpt` is good if another step came
    after it, and `best.ckpt` always, for it was judged.

    Args:
        folder: Of the run.
        step: Whose loss exploded, from 0.

    Returns:
        None where there is none.
    """
    found: dict[int, Path] = {}
    for name in (BEST, CHECKPOINT):  # of the same step the latter
        with contextlib.suppress(UserError):
            done = read_checkpoint(folder / name).step
            if name == BEST or done < step:
                found[done] = folder / name
    return found[max(found)] if found else None


def stopped(error: TrainingDiverged, folder: Path, lr: float, halvings: int) -> TrainingDiverged:
    """The same error, with what was tried, what is left of the run, and what to do."""
    last = folder / CHECKPOINT
    left = f"{str(last)!r} is from before" if last.is_file() else "nothing was saved"
    tried = f" with the learning rate halved {halvings} times" if halvings else ""
    return TrainingDiverged(
        f"{error}{tried}: training stopped, {left}. Lower --lr (it was {lr:g}), or --style-weight "
        "if that does not help"
    )
