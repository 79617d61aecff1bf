"""Models by name: the styles in the package, and the runs that training left in `runs/`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fast_nst.assets import DEFAULT_MODEL, STEADY_STYLES, STYLES
from fast_nst.errors import choose

RUNS = Path("runs")
MODEL = "model.onnx"
STEADY = "_steady"  # behind a style's name: trained on from it for video


def runs_of(style: str, file: str) -> list[Path]:
    """A file of each run of a style, `runs/<style>` and `runs/<style>-2` and so on, newest last.

    Args:
        style: The style image's name, without suffix.
        file: Its name in a run's folder; runs without it are left out.
    """
    numbered = re.compile(re.escape(style) + r"(-\d+)?")
    found = [path for path in RUNS.glob(f"*/{file}") if numbered.fullmatch(path.parent.name)]
    return sorted(found, key=lambda path: path.stat().st_mtime)


def style_files() -> list[Path]:
    """The models of the styles in the package, sorted by name; a file's stem is the name."""
    return sorted(STYLES.glob("*.onnx"))


def steady_name(name: str) -> str:
    """The name of the model of a style that was trained for video, if there is one.

    Args:
        name: A style's.

    Returns:
        The name with `STEADY` behind it, or the style's own.
    """
    steady = f"{name}{STEADY}"
    if not is_name(name):
        return name
    is_ours = (STEADY_STYLES / f"{steady}.onnx").is_file() and not runs_of(name, MODEL)
    return steady if is_ours or runs_of(steady, MODEL) else name


def style_names() -> list[str]:
    """The names of all styles: of the package's, and of those trained here."""
    trained = {path.parent.name for path in RUNS.glob(f"*/{MODEL}")}
    return sorted(trained | {path.stem for path in style_files()})


def is_name(name: str | os.PathLike[str]) -> bool:
    """Whether it is a bare word, and not a file."""
    path = Path(name)
    return not (path.exists() or path.suffix or len(path.parts) != 1)


def find_model(name: str | os.PathLike[str] | None) -> Path:
    """The file that a model's name means.

    Args:
        name: A path; or a style's name, which stands for its newest run in `runs/`, else for the
            style in the package; None is the package's default.

    Raises:
        UserError: It is a bare word and no style has that name; says which there are.
    """
    if name is None:
        return DEFAULT_MODEL
    path = Path(name)
    if not is_name(name):
        return path
    found = runs_of(path.name, MODEL)
    if found:
        return found[-1]
    steady = STEADY_STYLES / f"{path.name}.onnx"
    if steady.is_file():
        return steady
    return STYLES / f"{choose('style', path.name, style_names())}.onnx"
