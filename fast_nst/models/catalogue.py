"""Names of models: styles of the package, the user's own, runs of `fast-nst train` in `runs/`.

If several have one name, the package's is meant, or else the file in the user's folder
(`home.own_styles`), or else the newest run, which the current folder decides. A run is installed
if a file in the user's folder is a copy of its model: both are one style, the user's own.

A word without a path separator and without the suffix of a model file is a style's name, even if a
file of that name exists in the current folder; anything else is a path.
"""

from __future__ import annotations

import contextlib
import filecmp
import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from fast_nst.assets import DEFAULT_MODEL, LIVE_STYLES, STYLES
from fast_nst.errors import UserNote, choose
from fast_nst.models.home import own_style_files, own_styles
from fast_nst.pictures.find import IMAGE_SUFFIXES

# Where a model is from: the package, the user's folder, a run in `runs/`, elsewhere.
PACKAGE, OWN, RUN, FILE = "package", "own", "run", "file"
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
    found = [path for path in _run_files(file) if is_run_of(style, path.parent.name)]
    return sorted(found, key=lambda path: path.stat().st_mtime)


def _run_files(file: str) -> list[Path]:
    return [path for path in RUNS.glob(f"*/{file}") if path.is_file()]


def is_run_of(style: str, folder: str) -> bool:
    """Whether a run folder has the style's name, perhaps with a number appended."""
    return re.fullmatch(f"{re.escape(style)}(?:{_NUMBER})?", folder) is not None


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
        UserNote: A model of the user's is used for films of a style in the package.
    """
    if not is_name(name):
        return None
    for suffix in (STEADY, FAST) if steady else (FAST,):
        live = f"{name}{suffix}"
        if _shipped(live) is not None:
            return live
        yours = _yours(live)
        if yours:
            if _shipped(name) is not None:
                line = f"films of the package's style {name!r} are painted by {yours[0]}"
                warnings.warn(line, UserNote, stacklevel=2)
            return live
    return None


class Entry(NamedTuple):
    """A style that a name finds."""

    name: str
    path: Path
    source: str  # PACKAGE, OWN or RUN


def entries() -> list[Entry]:
    """All styles: the package's, the user's, then runs that are not installed; each by name."""
    found = {path.stem: Entry(path.stem, path, PACKAGE) for path in style_files()}
    own = [Entry(path.stem, path, OWN) for path in own_style_files()]
    folders = sorted(path.parent.name for path in _run_files(MODEL))
    runs = [Entry(name, runs_of(name, MODEL)[-1], RUN) for name in folders]
    for entry in (*own, *(run for run in runs if not _is_installed(run.path))):
        if _shipped(entry.name) is None:
            found.setdefault(entry.name, entry)
    return list(found.values())


def style_names() -> list[str]:
    """The names of all styles, sorted; those of film models in the package are not among them."""
    return sorted(entry.name for entry in entries())


def source_of(model: Path) -> str:
    """Where a model file is from: `PACKAGE`, `OWN`, `RUN` or `FILE`."""
    folder = model.resolve().parent
    if folder in (STYLES.resolve(), LIVE_STYLES.resolve()):
        return PACKAGE
    if folder == own_styles().resolve():
        return OWN
    return RUN if folder.parent == RUNS.resolve() and model.name == MODEL else FILE


def is_name(name: str | os.PathLike[str]) -> bool:
    """Whether `name` is a style's name rather than a path; the style need not exist."""
    word = os.fspath(name)
    separators = (os.sep, os.altsep or os.sep)
    is_path = word in ("", os.curdir, os.pardir) or any(mark in word for mark in separators)
    return not (is_path or word.lower().endswith(_SUFFIXES))


def is_style(name: str) -> bool:
    """Whether a style, or a film model, has this name."""
    return bool(_shipped(name) or _yours(name))


def _shipped(name: str) -> Path | None:
    files = (file for folder in (STYLES, LIVE_STYLES) for file in folder.glob("*.onnx"))
    return _named(name, files)


def _yours(name: str) -> list[Path]:
    """The user's models of that name: the file in the user's folder, then runs, newest first."""
    own = _named(name, own_style_files())
    return [*([own] if own else []), *reversed(runs_of(name, MODEL))]


def _is_installed(run: Path) -> bool:
    """Whether a file in the user's folder is a copy of a run's model."""
    return any(_is_copy(own, run) for own in own_style_files())


def _is_copy(own: Path, run: Path) -> bool:
    with contextlib.suppress(OSError):  # one of them cannot be read
        return filecmp.cmp(own, run, shallow=False)
    return False


def _named(name: str, files: Iterable[Path]) -> Path | None:
    """The first file of that name; case matters everywhere."""
    return next((file for file in files if file.stem == name), None)


def find_model(name: str | os.PathLike[str] | None) -> Path:
    """The model file of a name.

    Args:
        name: A path; or the name of a style in the package, or else of a file in the user's folder,
            or else of a run in `runs/`, the newest if there are several; None is the package's
            default style.

    Raises:
        UserError: There is no style of this name; the message lists all styles.

    Warns:
        UserNote: The style of the package hides one of the user's, or the file in the user's
            folder a newer run that is not installed.
    """
    if name is None:
        return DEFAULT_MODEL
    if not is_name(name):
        return Path(name)
    word = os.fspath(name)
    shipped, yours = _shipped(word), _yours(word)
    if shipped is not None:
        if yours:
            line = f"{word!r} is the style in the package; yours is the model {yours[0]}"
            warnings.warn(line, UserNote, stacklevel=2)
        return shipped
    if not yours:
        check_name(word, "style", style_names())
    used, *others = yours
    if others and source_of(used) == OWN and _is_newer(others[0], used):
        line = f"{word!r} is the style in your folder; newer, and not installed: {others[0]}"
        warnings.warn(line, UserNote, stacklevel=2)
    return used


def _is_newer(run: Path, own: Path) -> bool:
    return run.stat().st_mtime > own.stat().st_mtime and not _is_installed(run)


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
    if is_file and Path(word).suffix.lower() in IMAGE_SUFFIXES:
        hint = f"; to train a style on this image: fast-nst train --style {word}"
    choose(kind, word, names, hint)
