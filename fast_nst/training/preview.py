"""A contact sheet of a style with small and large strokes, each at three strengths.

Two networks are trained briefly. The loss weights mean the same for any painting, see
`losses.PerceptualLoss`, and strength is chosen after training, so that the size of the strokes is
all that has to be chosen before it.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from fast_nst.training.budget import SHARE
from fast_nst.training.callbacks import OnProgress
from fast_nst.training.checkpoints import style_name, style_path
from fast_nst.training.export import export
from fast_nst.training.preview_settings import SUFFIX, PreviewSettings
from fast_nst.training.preview_tiles import RECORD, Tile, write_record
from fast_nst.training.run import fit
from fast_nst.training.saving import Log
from fast_nst.training.settings import TrainConfig

STRENGTHS = (0.6, 1.0, 1.3)
LARGE = 512  # px, of the style image's shorter side; the smaller strokes have half
SHEET = "sheet.jpg"
_TILE = 400  # px, height of the sheet's rows
_SMALL_CROP = 128  # px, of slow machines: a third of the arithmetic, and strokes fit in
_UNTIMED = 10  # steps at most, for which timing some does not pay
FEWEST = 100  # steps; what is trained less shows no strokes
_OF_BOTH = ("steps", "size", "minutes", "precision")  # decided by the first run
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
    """Two sizes for a style image, smaller strokes first.

    Args:
        shorter: Of its sides, in px; it is enlarged at most twofold, as `open_style` does.
    """
    large = min(LARGE, 2 * shorter)
    return [large // 2, large]


def fit_time(config: TrainConfig, seconds: float, left: float) -> tuple[TrainConfig, str]:
    """The steps of each size of strokes, on smaller crops where those given take too long.

    Args:
        config: The settings of a run.
        seconds: What one of its steps takes.
        left: Seconds for the steps of a run.

    Returns:
        The settings, and a line on them for people to read; "" where they fit.
    """
    whole = config.steps * seconds
    if whole <= left:
        return dataclasses.replace(config, minutes=left / 60), ""
    pace = seconds * (_SMALL_CROP / config.size) ** 2
    steps = min(config.steps, max(FEWEST, int(left / pace)))
    line = f"{steps} steps on crops of {_SMALL_CROP} px for each size of strokes"
    if steps * pace > left:
        line += f" take {steps * pace / 60:.1f} minutes here, and fewer would show none"
    minutes = max(left, steps * pace) / 60
    return dataclasses.replace(config, steps=steps, size=_SMALL_CROP, minutes=minutes), line


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
    is_timed = settings.steps > _UNTIMED
    stopped = False

    def each(done: int, steps: int, loss: float) -> bool:
        nonlocal stopped
        total = len(sizes) * steps
        stopped = bool(on_progress and on_progress(run * steps + done, total, loss))
        return stopped

    def plan(config: TrainConfig, pace: float) -> tuple[TrainConfig, str]:
        left = SHARE * 60 * settings.minutes - (time.perf_counter() - started)
        return fit_time(config, pace, left / len(sizes))

    given: dict[str, Any] = {
        "trainer": _BRIEF,
        "style": settings.style,
        "photos": settings.photos,
        "steps": settings.steps,
        "seed": settings.seed,
        "precision": settings.precision,
        "accelerator": settings.accelerator,
        "devices": "1",
    }
    for run, size in enumerate(sizes):
        name = f"strokes_{size}"
        given |= {"style_size": size, "out": str(folder / name)}
        timed = plan if is_timed and run == 0 else None
        fitted = fit(given, on_progress=each, log=log, plan_time=timed)
        given |= {key: getattr(fitted.config, key) for key in _OF_BOTH}
        model = folder / f"{name}.onnx"
        export(fitted.best, model)
        tiles += [
            Tile(len(tiles) + i, size, strength, model) for i, strength in enumerate(STRENGTHS, 1)
        ]
        if stopped:
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
