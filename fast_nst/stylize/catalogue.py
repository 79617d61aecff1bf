"""The gallery: what the styles in the package say of themselves, and all of them on one sheet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from fast_nst.pictures.sheet import contact_sheet
from fast_nst.stylize.gallery import style_files
from fast_nst.stylize.stylizer import Stylizer


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
        metadata = Stylizer(path, threads=1).metadata
        said = {key: metadata.get(key, "") for key in ("title", "artist", "year", "licence")}
        found.append(Style(path.stem, **said, size=path.stat().st_size))
    return found


def gallery_sheet(
    photo: Image.Image,
    *,
    threads: int | None = None,
    columns: int = 4,
    height: int = 300,
    each: Callable[[int, int], bool] | None = None,
) -> Image.Image:
    """A photograph and its painting in every style, each under its name.

    Args:
        photo: As `Stylizer` takes it; painted at its own size.
        threads: Of one picture's arithmetic; default: one a core.
        columns: Pictures a row.
        height: Of a row, in px.
        each: Called with the paintings done, of how many; if it returns true, the sheet ends there.
    """
    paths = style_files()
    pictures = {"photograph": photo}
    for done, path in enumerate(paths, start=1):
        pictures[path.stem] = Stylizer(path, threads=threads)(photo)
        if each is not None and each(done, len(paths)):
            break
    labels, images = list(pictures), list(pictures.values())
    starts = range(0, len(images), columns)
    return contact_sheet(
        [images[i : i + columns] for i in starts],
        [labels[i : i + columns] for i in starts],
        height=height,
    )
