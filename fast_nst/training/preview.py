"""A contact sheet of a style with small and large strokes, each at three strengths.

Two networks are trained briefly. The loss weights mean the same for any painting, see
`losses.PerceptualLoss`, and strength is chosen after training, so that the size of the strokes is
all that has to be chosen before it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fast_nst.assets import SAMPLE_PHOTOGRAPHS
from fast_nst.errors import UserError
from fast_nst.files import claim_folder, make_folder
from fast_nst.models.catalogue import RUNS
from fast_nst.pictures.edit import resize_longest
from fast_nst.pictures.find import find_images
from fast_nst.pictures.read import open_photograph
from fast_nst.pictures.sheet import contact_sheet
from fast_nst.pictures.write import save_image
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training.callbacks import OnProgress
from fast_nst.training.checkpoints import style_name, style_path
from fast_nst.training.export import export
from fast_nst.training.preview_settings import SUFFIX, PreviewSettings
from fast_nst.training.preview_tiles import RECORD, Tile, write_record
from fast_nst.training.run import fit
from fast_nst.training.saving import Log
from fast_nst.training.settings import TrainConfig

STRENGTHS = (0.6, 1.0, 1.3)
LARGE, SMALL = 512, 256  # px, of the style image's shorter side
LEAST = 32  # px
SHEET = "sheet.jpg"
_TILE = 400  # px, height of the sheet's rows
_SHARE = 0.9  # of the time is for steps
_SMALL_CROP = 128  # px, of slow machines: a third of the arithmetic, and strokes fit in
TIMED = 10  # steps, to know how many fit in the time
FEWEST = 100  # steps; what is trained less shows no strokes
_BRIEF = {"limit_val_batches": 0, "logger": False}  # the time is better spent on steps


@dataclass(frozen=True)
class Preview:
    """A finished preview.

    Attributes:
        folder: The folder of its files.
        sheet: The contact sheet's file.
        tiles: The paintings on it.
        seconds: Total duration.
    """

    folder: Path
    sheet: Path
    tiles: list[Tile]
    seconds: float


def style_sizes(shorter: int) -> list[int]:
    """Two sizes for a style image, smaller strokes first; one where it is too small for two.

    Args:
        shorter: Of its sides, in px; nothing is enlarged.
    """
    large = min(LARGE, shorter)
    small = max(LEAST, min(SMALL, large // 2))
    return [small, large] if small < large else [large]


class Pace:
    """Fits several runs into a time: stops the first if their steps would take longer.

    Attributes:
        steps: Steps of each run.
        fits: How many of these fit in the time, estimated from the first ones.
        run: Index of the current run, from 0.
        stopped: Whether `on_progress` stopped everything.

    Args:
        steps: The steps wanted of each run.
        runs: Number of runs.
        seconds: The time for all of them.
        on_progress: Called with the steps done of all runs, of how many, and the loss; returning
            true stops everything.
    """

    def __init__(
        self, steps: int, runs: int, seconds: float, on_progress: OnProgress | None
    ) -> None:
        self.steps: int = steps
        self.fits: int = steps
        self.run = 0
        self.stopped: bool = False
        self._runs, self._on_progress = runs, on_progress
        self._made, self._seconds = time.perf_counter(), seconds
        self._ends: list[float] = []

    def __call__(self, done: int, _: int, loss: float) -> bool:
        """Called after each step; returns true if the run should stop."""
        if self._on_progress is not None:
            total = self._runs * self.steps
            self.stopped = bool(self._on_progress(self.run * self.steps + done, total, loss))
        self._ends.append(time.perf_counter())
        if len(self._ends) == TIMED < self.steps:
            left = self._seconds - (self._ends[0] - self._made)
            self.fits = steps_within(left / self._runs, self._ends, self.steps)
        return self.stopped or self.fits < self.steps

    def shorten(self, speedup: float) -> None:
        """Reduce `steps` to those that fit, now that each is `speedup` times as fast."""
        self.steps = self.fits = min(self.steps, max(FEWEST, round(self.fits * speedup)))


def steps_within(seconds: float, ends: Sequence[float], steps: int) -> int:
    """How many steps fit in a time, at the pace of the first ones.

    Args:
        seconds: The time for all of them.
        ends: When the first steps ended, in seconds; the very first is left out of the pace.
        steps: The most to return.
    """
    pace = (ends[-1] - ends[0]) / (len(ends) - 1)
    return max(0, min(steps, int(seconds / pace)))


def preview(
    settings: PreviewSettings, *, on_progress: OnProgress | None = None, log: Log | None = None
) -> Preview:
    """Train briefly with each size of strokes, and paint one photograph with each in turn.

    Args:
        settings: The settings.
        on_progress: Called with the steps done of all, of how many, and the loss; returning true
            ends training, and the sheet shows what there is.
        log: Called with lines for people to read.

    Raises:
        UserError: A setting cannot be used.
    """
    started = time.perf_counter()
    style = open_photograph(style_path(settings.style))
    photos = Path(settings.photos) if settings.photos else SAMPLE_PHOTOGRAPHS
    shown = Path(settings.photo) if settings.photo else find_images(photos)[0]
    photo = open_photograph(shown, 640)
    sizes = style_sizes(min(style.size))
    folder = _folder(settings)
    tiles: list[Tile] = []
    seconds = _SHARE * 60 * settings.minutes - (time.perf_counter() - started)
    pace = Pace(settings.steps, len(sizes), seconds, on_progress)
    crop = TrainConfig().size
    for pace.run, size in enumerate(sizes):
        name = f"strokes_{size}"
        given = {
            "trainer": _BRIEF,
            "style": settings.style,
            "photos": settings.photos,
            "out": str(folder / name),
            "size": crop,
            "style_size": size,
            "steps": pace.steps,
            "seed": settings.seed,
            "precision": settings.precision,
            "accelerator": settings.accelerator,
            "devices": "1",
        }
        fitted = fit(given, on_progress=pace, log=log if pace.run == 0 else None)
        if pace.fits < pace.steps and not pace.stopped:
            size_before, crop = crop, _SMALL_CROP
            pace.shorten(speedup=(size_before / crop) ** 2)
            if log is not None:
                log(
                    f"{pace.steps} steps on crops of {crop} px for each size of strokes: "
                    f"{settings.steps} of {size_before} px would take more than "
                    f"--minutes {settings.minutes:g} here"
                )
            given |= {"size": crop, "steps": pace.steps, "resume": str(fitted.checkpoint)}
            fitted = fit(given, on_progress=pace)
        model = folder / f"{name}.onnx"
        export(fitted.best, model)
        tiles += [
            Tile(len(tiles) + i, size, strength, model) for i, strength in enumerate(STRENGTHS, 1)
        ]
        if pace.stopped:
            break
    rows = [[photo, resize_longest(style, photo.height)]]
    labels = [["the photograph", "the style"]]
    for tile in tiles:
        if tile.strength == STRENGTHS[0]:
            rows.append([])
            labels.append([])
        rows[-1].append(Stylizer(tile.model, strength=tile.strength)(photo))
        labels[-1].append(label(tile))
    save_image(contact_sheet(rows, labels, height=_TILE), folder / SHEET)
    write_record(folder, settings.style, tiles)
    return Preview(folder, folder / SHEET, tiles, time.perf_counter() - started)


def label(tile: Tile) -> str:
    """A tile's caption on the sheet."""
    return f"{tile.number}: style size {tile.style_size}, strength {tile.strength:g}"


def _folder(settings: PreviewSettings) -> Path:
    if settings.out is None:
        return claim_folder(RUNS / f"{style_name(settings.style)}{SUFFIX}")
    folder = Path(settings.out)
    if (folder / RECORD).exists():
        raise UserError(f"{settings.out!r} holds a preview: change out", "out")
    make_folder(folder)
    return folder
