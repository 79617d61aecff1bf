"""The models that a page offers: the gallery's, one's own runs, and those of a folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fast_nst.errors import UserError, one_line
from fast_nst.models.catalogue import find_model, live_name, style_files, style_names
from fast_nst.models.model import Part, parts_of
from fast_nst.stylize.stylizer import Stylizer


@dataclass(frozen=True)
class Model:
    """A model that a page offers, read once.

    Attributes:
        part: Its name for people and for requests, and its file's content.
        title: Of the painting.
        artist: Who painted it.
        year: When.
        licence: Of the painting.
        is_own: Whether it is none of the package's.
        is_named: Whether `infer --style` finds it by its name.
        unmixable: Why it takes no strength above 1 and no blend; "" if it does.
        network: What it is, as its file says; models of two networks do not mix.
        live: The name of its model for the camera; "" if there is none.
        is_listed: Whether it is offered; models for the camera are not, beside their styles.
    """

    part: Part
    title: str
    artist: str
    year: str
    licence: str
    is_own: bool
    is_named: bool
    unmixable: str
    network: str = ""
    live: str = ""
    is_listed: bool = True

    @property
    def name(self) -> str:
        """What requests call it."""
        return self.part.name

    def described(self) -> dict[str, Any]:
        """What `GET /api/styles` says of it."""
        return {
            "name": self.name,
            "title": self.title or self.name,
            "artist": self.artist,
            "year": self.year,
            "licence": self.licence,
            "bytes": len(self.part.data),
            "own": self.is_own,
            "named": self.is_named,
            "mixes": not self.unmixable,
            "network": self.network,
            "live": self.live,
        }


Models = Mapping[str, Model]


def listed(models: Models) -> int:
    """How many styles are offered; the camera's models are theirs."""
    return sum(model.is_listed for model in models.values())


def find_models(folder: Path | None, on_bad: Callable[[str], None]) -> dict[str, Model]:
    """Every model at hand, by its name: one's own first, then the package's, then for the camera.

    A name means what it does for `infer --style`; a file in `folder` comes before both.

    Args:
        folder: Of .onnx files.
        on_bad: Told of each file that cannot be used, in a line; it is left out.

    Raises:
        UserError: The folder is missing or holds no .onnx file.
    """
    shipped = {path.stem: path for path in style_files()}
    found: dict[str, Model] = {}
    named = {name: find_model(name) for name in style_names()}
    paths = named | dict(_named(folder))
    own = {name for name, path in paths.items() if shipped.get(name) != path}
    for name in [*sorted(own), *sorted(set(paths) - own)]:
        try:
            is_named = paths[name] == named.get(name)
            found[name] = _opened(name, paths[name], name in own, is_named)
        except UserError as error:
            on_bad(f"{name} is left out: {one_line(error)}")
    for model in list(found.values()):
        live = live_name(model.name) if model.is_named else None
        if live is not None and live not in found:
            twin = _opened(live, find_model(live), model.is_own, True)
            found[live] = dataclasses.replace(twin, is_listed=False)
        found[model.name] = dataclasses.replace(model, live=live or "")
    return found


def _named(folder: Path | None) -> Iterator[tuple[str, Path]]:
    if folder is None:
        return
    if not folder.is_dir():
        raise UserError(f"no folder {str(folder)!r}: give --models a folder of .onnx files")
    files = sorted(folder.glob("*.onnx"))
    if not files:
        raise UserError(f"no .onnx file in {str(folder)!r}: fast-nst export writes them")
    for path in files:
        yield path.stem, path


def _opened(name: str, path: Path, is_own: bool, is_named: bool) -> Model:
    part = parts_of(path)[0]
    stylize = Stylizer(part.data, threads=1)
    said = stylize.metadata
    return Model(
        part=Part(name, part.data),
        title=said.get("title", ""),
        artist=said.get("artist", ""),
        year=said.get("year", ""),
        licence=said.get("licence", ""),
        is_own=is_own,
        is_named=is_named,
        unmixable=stylize.unmixable,
        network=said.get("network", ""),
    )
