"""Training from Python: what `fast_nst.train` is. It imports PyTorch only when it is called."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fast_nst.errors import UserError

if TYPE_CHECKING:
    from fast_nst.training.run import TrainResult


def train(
    style: str | os.PathLike[str] | None = None,
    photos: str | os.PathLike[str] | None = None,
    *,
    install: bool = False,
    trainer_options: dict[str, Any] | None = None,
    on_progress: Callable[[int, int, float], bool | None] | None = None,
    log: Callable[[str], None] | None = None,
    **settings: Any,
) -> TrainResult:
    """Train a network for one style and export it to ONNX.

    Args:
        style: Style image, at least 32 px on each side; default: the sample painting in the
            package.
        photos: Folder of training photographs, flat or nested; default: the samples in the package.
        install: Copy the finished model into the user's folder, as `fast-nst train` does, so that
            its name finds it from any folder.
        trainer_options: Arguments of Lightning's `Trainer` that are Python objects, such as
            callbacks. Plain values go into the setting `trainer`, which checkpoints keep.
        on_progress: Called after each step with the number of steps done, the total number of
            steps, and the loss. If it returns true, training stops early, and what it has reached
            is saved and exported.
        log: Called with a line of text for the user, such as the precision chosen.
        **settings: Any other field of `fast_nst.training.settings.TrainConfig`, by the names that
            the YAML files have: `steps`, `size`, `style_weight`, `out`, `resume`, ... They are the
            flags of `fast-nst train`, with underscores.

    Returns:
        The paths of the run's files and of the installed model, the steps done, the time taken, the
        validation loss, and the image defects measured.

    Raises:
        TypeError: A setting does not exist.
        UserError: The `train` extra is not installed, or a setting, the style image or the
            photographs cannot be used; or the model cannot be installed, and stays in the run's
            folder.
        TrainingDiverged: The loss exploded a third time, each time with half the learning rate.
    """
    try:
        from fast_nst.training import installation, run
    except ModuleNotFoundError as error:
        raise UserError(f'{error.name} is not installed: pip install "fast-nst[train]"') from error
    given = {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value
        for name, value in {"style": style, "photos": photos, **settings}.items()
        if value is not None
    }
    result = run.train(given, trainer_options, on_progress=on_progress, log=log)
    if not (install and result.is_main_process):
        return result
    return dataclasses.replace(result, installed=installation.install(result).path)
