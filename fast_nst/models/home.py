"""The user's own folder, which holds the styles that the user has trained or added.

It is the data folder of the operating system, such as ~/.local/share/fast_nst, or the one that the
environment variable FAST_NST_HOME names.
"""

from __future__ import annotations

import os
from pathlib import Path

HOME = "FAST_NST_HOME"
STYLES, TRAINING = "styles", "training"


def home() -> Path:
    """The user's folder; it need not exist."""
    given = os.environ.get(HOME)
    if given:
        return Path(given).absolute()
    import platformdirs  # slow, and the default style does not need it

    return Path(platformdirs.user_data_dir("fast_nst", appauthor=False))


def own_styles() -> Path:
    """The folder of the user's styles, NAME.onnx; it need not exist."""
    return home() / STYLES


def own_style_files() -> list[Path]:
    """The model files of the user's styles, sorted by name; a file's stem is the name."""
    return [path for path in own_style_paths() if path.is_file()]


def own_style_paths() -> list[Path]:
    """All that has a style's name in the folder of the user's styles: dangling links, too."""
    return sorted(own_styles().glob("*.onnx"), key=lambda path: path.stem)


def training_folder() -> Path:
    """The folder of unfinished trainings; it need not exist."""
    return home() / TRAINING
