"""The list of styles, and contact sheets of the gallery's."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from fast_nst.errors import UserError, UserNote
from fast_nst.models.catalogue import entries, is_name, style_files
from fast_nst.models.model import ModelSource
from fast_nst.models.onnx_fields import is_model, read_metadata
from fast_nst.pictures.sheet import contact_sheet
from fast_nst.stylize.stylizer import Stylizer

Paint = Callable[[Image.Image], Image.Image]
STRENGTHS = (0.1, 0.2, 0.35, 0.6, 1.0, 1.25, 1.5)
BLEND_WEIGHTS = (1.0, 0.75, 0.5, 0.25, 0.0)


@dataclass(frozen=True)
class Style:
    """A style in the package, in the user's folder, or a run in `runs/`.

    Attributes:
        name: The name that `Stylizer` and `infer --style` take.
        title: Title of the painting.
        artist: Its artist.
        year: The year of the painting.
        licence: The painting's licence.
        size: Size of the model file, in bytes.
        source: Where it is from: "package", "own" (the user's folder) or "run".
        path: The model file.
    """

    name: str
    title: str
    artist: str
    year: str
    licence: str
    size: int
    source: str
    path: Path


def styles() -> list[Style]:
    """All styles that names find, from the metadata of their files.

    Those of the package come first, then the user's, then runs in `runs/` that are not installed;
    each sorted by name.

    Warns:
        UserNote: A file is skipped, since it cannot be read or is no model.
    """
    found = []
    for name, path, source in entries():
        data = b""
        with contextlib.suppress(OSError):
            data = path.read_bytes()
        if not is_model(data):
            line = f"{str(path)!r} is skipped: it cannot be read, or is no model"
            warnings.warn(line, UserNote, stacklevel=2)
            continue
        metadata = read_metadata(data)
        labels = {key: metadata.get(key, "") for key in ("title", "artist", "year", "licence")}
        found.append(Style(name, **labels, size=len(data), source=source, path=path))
    return found


@dataclass(frozen=True)
class Sheet:
    """A contact sheet: a photograph, followed by labelled paintings of it.

    Attributes:
        paintings: Label -> function that paints the photograph.
        columns: Pictures per row.
        photograph: The photograph's label.
    """

    paintings: Mapping[str, Paint]
    columns: int = 4
    photograph: str = "photograph"

    def draw(
        self,
        photo: Image.Image,
        *,
        height: int = 300,
        on_progress: Callable[[int, int], bool] | None = None,
    ) -> Image.Image:
        """Paint the sheet of a photograph.

        Args:
            photo: The photograph, painted at its own size.
            height: Height of a row, in px.
            on_progress: Called with the paintings done and their total; if it returns true, the
                sheet ends there.
        """
        pictures = {self.photograph: photo}
        for done, (label, paint) in enumerate(self.paintings.items(), start=1):
            pictures[label] = paint(photo)
            if on_progress is not None and on_progress(done, len(self.paintings)):
                break
        labels, images = list(pictures), list(pictures.values())
        starts = range(0, len(images), self.columns)
        return contact_sheet(
            [images[i : i + self.columns] for i in starts],
            [labels[i : i + self.columns] for i in starts],
            height=height,
        )


def gallery_sheet(threads: int | None = None) -> Sheet:
    """A sheet of all styles in the package.

    Args:
        threads: CPU threads; default: one per core.
    """
    return Sheet({path.stem: _paint_with(path, threads) for path in style_files()})


def strength_sheet(model: ModelSource, threads: int | None = None) -> Sheet:
    """A sheet of one style at all `STRENGTHS`; the photograph is strength 0.

    Args:
        model: A style's name, or a model.
        threads: CPU threads; default: one per core.

    Raises:
        UserError: The model cannot be used, or does not mix.
    """
    stylize = Stylizer(model, strength=STRENGTHS[-1], threads=threads)

    def at(strength: float) -> Paint:
        return lambda photo: stylize(photo, strength=strength)

    paintings = {f"strength {strength:g}": at(strength) for strength in STRENGTHS}
    return Sheet(paintings, photograph="strength 0")


def blend_sheet(first: str, second: str, threads: int | None = None) -> Sheet:
    """A sheet of blends of two styles, of which the first has the `BLEND_WEIGHTS`.

    Args:
        first: A style's name, or a model file.
        second: Another one.
        threads: CPU threads; default: one per core.

    Raises:
        UserError: Both are the same. Models that cannot be used raise in `Sheet.draw`.
    """
    if first == second:
        raise UserError(f"{first!r} twice is not a blend: give two styles")
    paintings = {}
    for weight in BLEND_WEIGHTS:
        blend = {first: weight, second: 1 - weight}
        labels = [f"{_label(name)} {w:.3g}" for name, w in blend.items() if w > 0]
        paintings[" + ".join(labels)] = _paint_with(blend, threads)
    return Sheet(paintings, columns=3)


def _label(name: str) -> str:
    return name if is_name(name) else Path(name).stem


def _paint_with(model: ModelSource | Mapping[str, float], threads: int | None) -> Paint:
    """A function that opens the model when it is called, so that one is open at a time."""
    return lambda photo: Stylizer(model, threads=threads)(photo)
