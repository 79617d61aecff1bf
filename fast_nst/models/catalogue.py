"""Names of models: styles of the package, runs of `fast-nst train` in `runs/`, the user's styles.

If several have one name, the package's is meant, or else the newest run, which the current folder
decides, or else the file in the user's folder (`home.own_styles`).

A word without a path separator and without the suffix of a model file is a style's name, even if a
file of that name exists in the current folder; anything else is a path.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

from fast_nst.assets import DEFAULT_MODEL, LIVE_STYLES, STYLES
from fast_nst.errors import UserNote, choose
from fast_nst.models.home import own_styles

RUNS = Path("runs")
MODEL = "model.onnx"
# Suffixes of the names of a style's film models, with and without temporal training.
STEADY, FAST = "_steady", "_fast"
_SUFFIXES = (".onnx", ".ckpt")
_NUMBER = r"-(?:[2-9]|[1-9]\d+)"  # appended to further runs of a style, see `files.claim_folder`


def runs_of(style: str, file: str) -> list[Path]:
    """A file of each run of a style, `runs/<style>`, `runs/<style>-2` and so on, newest last.

    Args:
        style: The style image's name, without suffix.
        file: The file's name in the run folder; runs without it are omitted.
    """
    numbered = re.compile(f"{re.escape(style)}(?:{_NUMBER})?")
    found = [path for path in RUNS.glob(f"*/{file}") if numbered.fullmatch(path.parent.name)]
    return sorted(found, key=lambda path: path.stat().st_mtime)


def style_files() -> list[Path]:
    """The model files of the styles in the package, sorted by name; a file's stem is the name."""
    return sorted(STYLES.glob("*.onnx"))


def live_name(name: str, steady: bool = True) -> str | None:
    """The name of a style's film model.

    Args:
        name: The style's name.
        steady: Prefer a model trained for temporal consistency.

    Returns:
        The name with the suffix `STEADY` or `FAST`; None if there is no such model.

    Warns:
        UserNote: A run is used as the film model of a style in the package.
    """
    if not is_name(name):
        return None
    for suffix in (STEADY, FAST) if steady else (FAST,):
        live = f"{name}{suffix}"
        if _shipped(live) is not None:
            return live
        runs = runs_of(live, MODEL)
        if runs:
            if _shipped(name) is not None:
                line = f"films of the package's style {name!r} are painted by {runs[-1]}"
                warnings.warn(line, UserNote, stacklevel=2)
            return live
    return None


def style_names() -> list[str]:
    """The names of all styles in the package, in `runs/` and in the user's folder, sorted."""
    trained = {path.parent.name for path in RUNS.glob(f"*/{MODEL}")}
    files = [*style_files(), *own_styles().glob("*.onnx")]
    return sorted(trained | {path.stem for path in files})


def is_name(name: str | os.PathLike[str]) -> bool:
    """Whether `name` is a style's name rather than a path; the style need not exist."""
    word = os.fspath(name)
    separators = (os.sep, os.altsep or os.sep)
    is_path = word in ("", os.curdir, os.pardir) or any(mark in word for mark in separators)
    return not (is_path or word.lower().endswith(_SUFFIXES))


def is_style(name: str) -> bool:
    """Whether a style, or a film model, has this name."""
    return bool(_shipped(name) or runs_of(name, MODEL) or _named(name, own_styles()))


def _shipped(name: str) -> Path | None:
    return _named(name, STYLES, LIVE_STYLES)


def _named(name: str, *folders: Path) -> Path | None:
    """The .onnx file of that name in the first folder that has it; case matters everywhere."""
    files = (file for folder in folders for file in folder.glob("*.onnx"))
    return next((file for file in files if file.stem == name), None)


def find_model(name: str | os.PathLike[str] | None) -> Path:
    """The model file of a name.

    Args:
        name: A path; or the name of a style in the package, or else of a run in `runs/`, the newest
            if there are several, or else of a file in the user's folder; None is the package's
            default style.

    Raises:
        UserError: There is no style of this name; the message lists all styles.

    Warns:
        UserNote: Several have the name; says which one is used.
    """
    if name is None:
        return DEFAULT_MODEL
    if not is_name(name):
        return Path(name)
    word = os.fspath(name)
    shipped, runs, own = _shipped(word), runs_of(word, MODEL), _named(word, own_styles())
    yours = [*([own] if own else []), *runs]
    if shipped is not None:
        if yours:
            line = f"{word!r} is the style in the package; yours is the model {yours[-1]}"
            warnings.warn(line, UserNote, stacklevel=2)
        return shipped
    if not yours:
        check_name(word, "style", style_names())
    if runs and own:
        line = f"{word!r} is your run {runs[-1]}; the style in your folder is the model {own}"
        warnings.warn(line, UserNote, stacklevel=2)
    return yours[-1]


def check_name(word: str, kind: str, names: Iterable[str]) -> None:
    """Check that a word is one of the valid names.

    Args:
        word: The word.
        kind: What it should name, for the message.
        names: The valid names.

    Raises:
        UserError: It is not one of them; if a file has that name, the message shows its path.
    """
    is_file = word.isprintable() and Path(word).is_file()
    hint = f"; for the file of that name write .{os.sep}{word}" if is_file else ""
    choose(kind, word, names, hint)
