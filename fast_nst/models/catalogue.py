"""Models by name: the styles in the package, and the runs that training left in `runs/`.

A bare word is a style's name, whatever lies in the folder one stands in; what has a separator in
it, or ends as a model's file does, is a path.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

from fast_nst.assets import DEFAULT_MODEL, LIVE_STYLES, STYLES
from fast_nst.errors import UserNote, choose

RUNS = Path("runs")
MODEL = "model.onnx"
# Behind a style's name, its models for films: trained to be steady, and small. The first is taken.
STEADY, FAST = "_steady", "_fast"
_FILES = (".onnx", ".ckpt")  # what models and checkpoints end in
# What a second run of a style and those after it have behind its name, see `files.claim_folder`.
_NUMBER = r"-(?:[2-9]|[1-9]\d+)"


def runs_of(style: str, file: str) -> list[Path]:
    """A file of each run of a style, `runs/<style>` and `runs/<style>-2` and so on, newest last.

    Args:
        style: The style image's name, without suffix.
        file: Its name in a run's folder; runs without it are left out.
    """
    numbered = re.compile(f"{re.escape(style)}(?:{_NUMBER})?")
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

    Warns:
        UserNote: A run's model is taken for a style of the package.
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
    """The names of all styles: of the package's, and of those trained here."""
    trained = {path.parent.name for path in RUNS.glob(f"*/{MODEL}")}
    return sorted(trained | {path.stem for path in style_files()})


def is_name(given: str | os.PathLike[str]) -> bool:
    """Whether it is a bare word, which names a style, and no path."""
    word = os.fspath(given)
    separators = (os.sep, os.altsep or os.sep)
    is_path = word in ("", os.curdir, os.pardir) or any(mark in word for mark in separators)
    return not (is_path or word.lower().endswith(_FILES))


def is_style(name: str) -> bool:
    """Whether a bare word is a style's name; models for films count."""
    return _shipped(name) is not None or bool(runs_of(name, MODEL))


def _shipped(name: str) -> Path | None:
    """The package's model of that name, to the letter wherever the package lies."""
    files = (file for folder in (STYLES, LIVE_STYLES) for file in folder.glob("*.onnx"))
    return next((file for file in files if file.stem == name), None)


def find_model(name: str | os.PathLike[str] | None) -> Path:
    """The file that a model's name means.

    Args:
        name: A path; or a style's name, which stands for the style in the package, else for its
            newest run in `runs/`; None is the package's default.

    Raises:
        UserError: It is a bare word and no style has that name; says which there are.

    Warns:
        UserNote: A run has the name of a style in the package, which is what is taken.
    """
    if name is None:
        return DEFAULT_MODEL
    if not is_name(name):
        return Path(name)
    word = os.fspath(name)
    shipped, runs = _shipped(word), runs_of(word, MODEL)
    if shipped is not None:
        if runs:
            line = f"{word!r} is the style in the package; your run of that name is -m {runs[-1]}"
            warnings.warn(line, UserNote, stacklevel=2)
        return shipped
    if not runs:
        check_name(word, "style", style_names())
    return runs[-1]


def check_name(word: str, kind: str, names: Iterable[str]) -> None:
    """Refuse a bare word that names nothing.

    Args:
        word: As it was given.
        kind: What it should name, for the message.
        names: Every valid one.

    Raises:
        UserError: It is none of them; says how a file of that name is given.
    """
    is_file = word.isprintable() and Path(word).is_file()
    hint = f"; the file of that name is given as .{os.sep}{word}" if is_file else ""
    choose(kind, word, names, hint)
