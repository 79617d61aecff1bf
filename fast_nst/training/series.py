"""Train several styles one after the other; one that fails does not stop the others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from fast_nst.errors import UserError, one_line
from fast_nst.pictures.find import find_images
from fast_nst.pictures.read import open_photograph
from fast_nst.pictures.sheet import contact_sheet
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training.callbacks import OnProgress
from fast_nst.training.run import TrainResult, train
from fast_nst.training.saving import Log
from fast_nst.training.settings import TrainConfig, given_values

_HEIGHT = 300  # px, of the sheet's rows
_OF_ONE = ("resume", "out", "title", "from_preview")


@dataclass(frozen=True)
class Outcome:
    """The result of one style.

    Attributes:
        style: The style image.
        result: The result of its run; None if it failed, or was not begun.
        error: Why it failed, in a line.
    """

    style: Path
    result: TrainResult | None = None
    error: str = ""


def style_images(given: Iterable[str]) -> list[Path]:
    """Files as they are given, and those of folders.

    Raises:
        UserError: A folder cannot be read, or holds no images.
    """
    found: list[Path] = []
    for name in given:
        found += find_images(name) if Path(name).is_dir() else [Path(name)]
    return found


def _shared(settings: TrainConfig | Mapping[str, Any]) -> dict[str, Any]:
    """The settings that every style of a series is trained with: one device each.

    Raises:
        UserError: A setting belongs to a single run.
    """
    given = given_values(settings)
    config = TrainConfig(**given)
    for name in _OF_ONE:
        if given.get(name) is not None:
            raise UserError(f"{name} belongs to one style: give one style, or leave it out", name)
    if config.devices not in ("auto", "1") or config.num_nodes > 1:
        raise UserError(
            "several styles are trained one after the other, on one device: give devices 1",
            "devices",
        )
    return {**given, "devices": "1"}


def train_series(
    settings: TrainConfig | Mapping[str, Any],
    styles: Sequence[Path],
    *,
    on_progress: OnProgress | None = None,
    log: Log | None = None,
) -> list[Outcome]:
    """Train a model for each style.

    Args:
        settings: As `train` takes them, for all styles and without one.
        styles: The style images.
        on_progress: As `train` takes it; returning true stops the current run, and no other is
            begun.
        log: Called with lines for people to read.

    Returns:
        One for each style, in their order.

    Raises:
        UserError: A setting belongs to a single run.
    """
    shared = _shared(settings)
    outcomes: list[Outcome] = []
    stopped = False

    def step(done: int, steps: int, loss: float) -> bool:
        nonlocal stopped
        stopped = bool(on_progress and on_progress(done, steps, loss))
        return stopped

    for number, style in enumerate(styles, start=1):
        if stopped:
            outcomes.append(Outcome(style))
            continue
        if log is not None:
            log(f"{number} of {len(styles)}: {style}")
        try:
            outcomes.append(
                Outcome(style, train({**shared, "style": str(style)}, on_progress=step, log=log))
            )
        except (UserError, OSError) as error:
            outcomes.append(Outcome(style, error=one_line(error)))
            if log is not None:
                log(f"failed: {one_line(error)}")
    return outcomes


def series_sheet(outcomes: Sequence[Outcome], photographs: Sequence[Path]) -> Image.Image | None:
    """Each style beside photographs in it, a row a style; None where no model was made.

    Args:
        outcomes: Those without a result are left out.
        photographs: What is painted.
    """
    photos = [open_photograph(path, 2 * _HEIGHT) for path in photographs]
    rows, labels = [], []
    for outcome in outcomes:
        if outcome.result is None:
            continue
        with contextlib.suppress(UserError):  # deleted since it was trained on
            stylize = Stylizer(outcome.result.model)
            style = open_photograph(outcome.style, 2 * _HEIGHT)
            rows.append([style, *(stylize(photo) for photo in photos)])
            labels.append([outcome.result.folder.name])
    return contact_sheet(rows, labels, height=_HEIGHT) if rows else None
