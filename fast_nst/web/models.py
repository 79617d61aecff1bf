"""The models that the page offers: the gallery, the user's runs, and a folder's .onnx files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fast_nst.errors import UserError, one_line
from fast_nst.models.catalogue import find_model, live_name, style_files, style_names
from fast_nst.models.home import own_styles
from fast_nst.models.model import Model, WeightedModel
from fast_nst.stylize.stylizer import Stylizer


@dataclass(frozen=True)
class ServedModel:
    """A model on offer, with its file in memory.

    Attributes:
        part: Its name in requests, and the content of its file.
        title: Title of the style image.
        artist: Artist of the style image.
        year: Year of the style image.
        licence: Licence of the style image.
        is_own: Whether it is the user's, not the package's.
        is_named: Whether `infer --style` finds it by its name.
        unmixable: Why it takes no strength above 1 and no blend; "" if it does.
        network: Name of its architecture; only models of one architecture blend.
        live: Name of the faster model that the camera uses instead; "" if there is none.
        is_listed: Whether it is listed; models for the camera are not.
        is_removable: Whether its file is in the user's folder (`home.own_styles`).
    """

    part: WeightedModel
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
    is_removable: bool = False

    @property
    def name(self) -> str:
        """Its name in requests."""
        return self.part.name

    def described(self, removes: bool = False) -> dict[str, Any]:
        """Its entry in the response of `GET /api/styles`.

        Args:
            removes: Whether who asks may remove styles.
        """
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
            "removable": self.is_removable and removes,
        }


Models = Mapping[str, ServedModel]


class UnknownStyle(UserError):
    """A style that the service does not have."""


def model_named(models: Models, name: str) -> ServedModel:
    """The model of a request that was checked.

    Raises:
        UnknownStyle: It was removed since.
    """
    model = models.get(name)
    if model is None:
        raise UnknownStyle(f"the style {name!r} was removed: choose another one")
    return model


def count_listed(models: Models) -> int:
    """The number of listed styles, without the models for the camera."""
    return sum(model.is_listed for model in models.values())


def find_models(folder: Path | None, log: Callable[[str], None]) -> dict[str, ServedModel]:
    """Every available model by name: the user's, then the package's, then those for the camera.

    Names are resolved as by `infer --style`, but a file in `folder` takes precedence.

    Args:
        folder: Folder of .onnx files.
        log: Called with a line for each unusable file, which is skipped.

    Raises:
        UserError: The folder does not exist or contains no .onnx file.
    """
    shipped = {path.stem: path for path in style_files()}
    found: dict[str, ServedModel] = {}
    named = {name: find_model(name) for name in style_names()}
    paths = named | dict(_files_in(folder))
    own = {name for name, path in paths.items() if shipped.get(name) != path}
    for name in [*sorted(own), *sorted(set(paths) - own)]:
        try:
            is_named = paths[name] == named.get(name)
            found[name] = _open(name, paths[name], name in own, is_named)
        except UserError as error:
            log(f"{name} is skipped: {one_line(error)}")
    for model in list(found.values()):
        live = live_name(model.name) if model.is_named else None
        if live is not None and live not in found:
            try:
                fast = _open(live, find_model(live), model.is_own, True)
                found[live] = dataclasses.replace(fast, is_listed=False)
            except UserError as error:
                if live not in paths:
                    log(f"{live} is skipped: {one_line(error)}")
                live = None
        found[model.name] = dataclasses.replace(model, live=live or "")
    return found


def own_model(name: str, path: Path) -> ServedModel:
    """A style of the user's own folder.

    Raises:
        UserError: The file is not a usable model.
    """
    return _open(name, path, is_own=True, is_named=True)


def _files_in(folder: Path | None) -> Iterator[tuple[str, Path]]:
    if folder is None:
        return
    if not folder.is_dir():
        raise UserError(f"no folder {str(folder)!r}: give --models a folder of .onnx files")
    files = sorted(folder.glob("*.onnx"))
    if not files:
        raise UserError(f"no .onnx file in {str(folder)!r}: write one with fast-nst export")
    for path in files:
        yield path.stem, path


def _open(name: str, path: Path, is_own: bool, is_named: bool) -> ServedModel:
    part = Model.read(path).parts[0]
    stylize = Stylizer(part.data, threads=1)
    metadata = stylize.metadata
    return ServedModel(
        part=WeightedModel(name, part.data),
        title=metadata.get("title", ""),
        artist=metadata.get("artist", ""),
        year=metadata.get("year", ""),
        licence=metadata.get("licence", ""),
        is_own=is_own,
        is_named=is_named,
        is_removable=path.parent == own_styles(),
        unmixable=stylize.unmixable,
        network=metadata.get("network", ""),
    )
