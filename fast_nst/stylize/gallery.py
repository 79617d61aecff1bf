"""The gallery: what the styles in the package say of themselves, and sheets that show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from fast_nst.errors import UserError
from fast_nst.models.catalogue import is_name, style_files
from fast_nst.models.model import ModelSource
from fast_nst.models.onnx_fields import read_metadata
from fast_nst.pictures.sheet import contact_sheet
from fast_nst.stylize.stylizer import Stylizer

Painter = Callable[[Image.Image], Image.Image]
STRENGTHS = (0.1, 0.2, 0.35, 0.6, 1.0, 1.25, 1.5)
SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)


@dataclass(frozen=True)
class Style:
    """A style in the package.

    Attributes:
        name: What `Stylizer` and `infer --style` take.
        title: Of the painting.
        artist: Who painted it.
        year: When.
        licence: Of the painting.
        size: Of the model file, in bytes.
    """

    name: str
    title: str
    artist: str
    year: str
    licence: str
    size: int


def styles() -> list[Style]:
    """All styles in the package, as their files describe them, sorted by name."""
    found = []
    for path in style_files():
        metadata = read_metadata(path.read_bytes())
        said = {key: metadata.get(key, "") for key in ("title", "artist", "year", "licence")}
        found.append(Style(path.stem, **said, size=path.stat().st_size))
    return found


@dataclass(frozen=True)
class Sheet:
    """What a sheet shows of a photograph: itself first, then paintings, each under its label.

    Attributes:
        paintings: Label -> what paints it.
        columns: Pictures a row.
        photograph: The photograph's label.
    """

    paintings: Mapping[str, Painter]
    columns: int = 4
    photograph: str = "photograph"

    def draw(
        self,
        photo: Image.Image,
        *,
        height: int = 300,
        on_progress: Callable[[int, int], bool] | None = None,
    ) -> Image.Image:
        """The sheet of one photograph.

        Args:
            photo: As `Stylizer` takes it; painted at its own size.
            height: Of a row, in px.
            on_progress: Called with the paintings done and their total; if it returns true, the
                sheet ends
                there.
        """
        found = {self.photograph: photo}
        for done, (label, paint) in enumerate(self.paintings.items(), start=1):
            found[label] = paint(photo)
            if on_progress is not None and on_progress(done, len(self.paintings)):
                break
        labels, images = list(found), list(found.values())
        starts = range(0, len(images), self.columns)
        return contact_sheet(
            [images[i : i + self.columns] for i in starts],
            [labels[i : i + self.columns] for i in starts],
            height=height,
        )


def gallery_sheet(threads: int | None = None) -> Sheet:
    """Every style of the package, under its name.

    Args:
        threads: Of one picture's arithmetic; default: one a core.
    """
    return Sheet({path.stem: _painter(path, threads) for path in style_files()})


def strength_sheet(model: ModelSource, threads: int | None = None) -> Sheet:
    """One style from calm to bold, under its `STRENGTHS`; the photograph is strength 0.

    Args:
        model: A style's name, or a model.
        threads: See `gallery_sheet`.

    Raises:
        UserError: The model cannot be used, or does not mix.
    """
    stylize = Stylizer(model, strength=STRENGTHS[-1], threads=threads)

    def painter(strength: float) -> Painter:
        return lambda photo: stylize(photo, strength=strength)

    paintings = {f"strength {strength:g}": painter(strength) for strength in STRENGTHS}
    return Sheet(paintings, photograph="strength 0")


def blend_sheet(first: str, second: str, threads: int | None = None) -> Sheet:
    """The way from one style to another: the first's `SHARES`, the second having the rest.

    Args:
        first: A style's name, or a model's file.
        second: Likewise.
        threads: See `gallery_sheet`.

    Raises:
        UserError: They are one and the same. What cannot be used is found when it is painted.
    """
    if first == second:
        raise UserError(f"{first!r} twice is no blend: give two styles")
    paintings = {}
    for share in SHARES:
        blend = {first: share, second: 1 - share}
        said = [f"{_label(name)} {s:.3g}" for name, s in blend.items() if s > 0]
        paintings[" + ".join(said)] = _painter(blend, threads)
    return Sheet(paintings, columns=3)


def _label(name: str) -> str:
    return name if is_name(name) else Path(name).stem


def _painter(model: ModelSource | Mapping[str, float], threads: int | None) -> Painter:
    """A model that is opened only for its painting: a sheet needs one at a time."""
    return lambda photo: Stylizer(model, threads=threads)(photo)
