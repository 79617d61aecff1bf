"""Install a run's model in the user's folder."""

from __future__ import annotations

from pathlib import Path

from fast_nst.models.catalogue import RUNS, is_run_of
from fast_nst.models.onnx_fields import read_metadata
from fast_nst.models.own_styles import Installed, install_style
from fast_nst.training.run import TrainResult


def install(result: TrainResult) -> Installed:
    """Install a run's model under its style's name, see `own_styles.install_style`.

    The style is named after its style image; after its folder, where that is in `runs/` and has
    another name, as in `--out runs/wheat_field_steady`. A run that was stopped early replaces no
    model.

    Raises:
        UserError: It would replace one, or the user's folder is not writable.
    """
    image = read_metadata(result.model.read_bytes())["style"]
    name, folder = Path(image).stem, result.folder.resolve()
    if folder.parent == RUNS.resolve() and not is_run_of(name, folder.name):
        name = folder.name
    return install_style(result.model, name, replaces=not result.is_early)
