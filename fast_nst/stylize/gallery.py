"""Models by name: the styles in the package, and the runs that training left in `runs/`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fast_nst.assets import DEFAULT_MODEL, LIVE_STYLES, STYLES
from fast_nst.errors import choose

RUNS = Path("runs")
MODEL = "model.onnx"
# Behind a style's name, its models for films: trained to be steady, and small. The first is taken.
STEADY, FAST = "_steady", "_fast"


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


def live_name(name: str, steady: bool = True) -> str | None:
    """The name of a style's model for films.

    Args:
        name: A style's.
        steady: Whether one that was trained to be steady is preferred.

    Returns:
        The name with `STEADY` or `FAST` behind it; None if there is no such model, as for a style
        that was trained here and not for films.
    """
    if not is_name(name):
        return None
    is_own = bool(runs_of(name, MODEL))
    for suffix in (STEADY, FAST) if steady else (FAST,):
        live = f"{name}{suffix}"
        if runs_of(live, MODEL) or ((LIVE_STYLES / f"{live}.onnx").is_file() and not is_own):
            return live
    return None


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
    live = LIVE_STYLES / f"{path.name}.onnx"
    if live.is_file():
        return live
    return STYLES / f"{choose('style', path.name, style_names())}.onnx"
