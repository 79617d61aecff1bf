"""The gallery: what the styles in the package say of themselves, and sheets that show them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from fast_nst.errors import UserError
from fast_nst.pictures.sheet import contact_sheet
from fast_nst.stylize.gallery import style_files
from fast_nst.stylize.parts import Model
from fast_nst.stylize.stylizer import Stylizer

STRENGTHS = (0.0, 0.1, 0.2, 0.35, 0.6, 1.0, 1.25, 1.5)
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
    paintings = ((path.stem, Stylizer(path, threads=threads)(photo)) for path in paths)
    return _sheet([("photograph", photo)], paintings, len(paths), columns, height, each)


def strength_strip(
    photo: Image.Image,
    model: Model,
    *,
    strengths: Sequence[float] = STRENGTHS,
    threads: int | None = None,
    columns: int = 4,
    height: int = 300,
    each: Callable[[int, int], bool] | None = None,
) -> Image.Image:
    """A photograph in one style, from calm to bold, each painting under its strength.

    Args:
        photo: As `Stylizer` takes it; painted at its own size.
        model: A style's name, or a model.
        strengths: From 0 to 1.5.
        threads: See `gallery_sheet`, as for the rest.
        columns: Pictures a row.
        height: Of a row, in px.
        each: Called with the paintings done, of how many; if it returns true, the sheet ends there.

    Raises:
        UserError: The model cannot be used, or does not mix.
    """
    stylize = Stylizer(model, strength=max(strengths), threads=threads)
    paintings = ((f"strength {w:g}", stylize(photo, strength=w)) for w in strengths)
    return _sheet([], paintings, len(strengths), columns, height, each)


def blend_strip(
    photo: Image.Image,
    first: str,
    second: str,
    *,
    shares: Sequence[float] = SHARES,
    threads: int | None = None,
    columns: int = 3,
    height: int = 300,
    each: Callable[[int, int], bool] | None = None,
) -> Image.Image:
    """A photograph, and its paintings on the way from one style to another.

    Args:
        photo: As `Stylizer` takes it; painted at its own size.
        first: A style's name, or a model's file.
        second: Likewise.
        shares: Of the first style, from 0 to 1; the second has the rest.
        threads: See `gallery_sheet`, as for the rest.
        columns: Pictures a row.
        height: Of a row, in px.
        each: Called with the paintings done, of how many; if it returns true, the sheet ends there.

    Raises:
        UserError: They are one and the same, cannot be used, or do not mix.
    """
    if first == second:
        raise UserError(f"{first!r} twice is no blend: give two styles")
    names = Path(first).stem, Path(second).stem
    blends = ({first: share, second: 1 - share} for share in shares)
    paintings = (
        (
            " + ".join(
                f"{name} {share:.3g}"
                for name, share in zip(names, blend.values(), strict=True)
                if share > 0
            ),
            Stylizer(blend, threads=threads)(photo),
        )
        for blend in blends
    )
    return _sheet([("photograph", photo)], paintings, len(shares), columns, height, each)


def _sheet(
    before: Sequence[tuple[str, Image.Image]],
    paintings: Iterable[tuple[str, Image.Image]],
    total: int,
    columns: int,
    height: int,
    each: Callable[[int, int], bool] | None,
) -> Image.Image:
    """Labelled pictures in rows, painted one by one."""
    found = list(before)
    for done, painting in enumerate(paintings, start=1):
        found.append(painting)
        if each is not None and each(done, total):
            break
    rows = [found[i : i + columns] for i in range(0, len(found), columns)]
    return contact_sheet(
        [[image for _, image in row] for row in rows],
        [[label for label, _ in row] for row in rows],
        height=height,
    )
