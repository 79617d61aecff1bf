"""What a preview leaves, and training that goes on from a tile of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fast_nst.errors import UserError
from fast_nst.files import write_atomically
from fast_nst.models.catalogue import RUNS, runs_of
from fast_nst.training.checkpoints import style_digest, style_name
from fast_nst.training.settings import TrainConfig

RECORD = "preview.json"
SUFFIX = "_preview"  # behind the style's name, in runs/


@dataclass(frozen=True)
class Tile:
    """One painting of a preview's sheet.

    Attributes:
        number: From 1, row by row.
        style_size: What its network was trained with, in px.
        strength: What it was painted with.
        model: The network's file, in the preview's folder.
    """

    number: int
    style_size: int
    strength: float
    model: Path


def write_record(folder: Path, style: str | None, tiles: Sequence[Tile]) -> None:
    """Note in a preview's folder what its tiles are."""
    rows = [{**dataclasses.asdict(tile), "model": tile.model.name} for tile in tiles]
    record = {"style_sha256": style_digest(style), "tiles": rows}
    write_atomically(folder / RECORD, json.dumps(record, indent=2).encode())


def find_tile(style: str | None, number: int) -> Tile:
    """A tile of the style's newest preview.

    Raises:
        UserError: There is no preview, it is of another image, or has no such tile.
    """
    name = style_name(style)
    command = f"fast-nst preview --style {style}" if style else "fast-nst preview"
    found = runs_of(f"{name}{SUFFIX}", RECORD)
    if not found:
        raise UserError(f"no preview in {str(RUNS / (name + SUFFIX))!r}: make one by {command}")
    try:
        record = json.loads(found[-1].read_bytes())
        rows = [{**row, "model": found[-1].with_name(row["model"])} for row in record["tiles"]]
        tiles = {int(row["number"]): Tile(**row) for row in rows}
        digest = record["style_sha256"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{str(found[-1])!r} is damaged: make it again by {command}") from error
    if digest != style_digest(style):
        raise UserError(
            f"the preview {str(found[-1].parent)!r} is of another image: make one of this by "
            f"{command}"
        )
    if number not in tiles:
        numbers = f"1 to {max(tiles)}" if tiles else "none"
        raise UserError(f"--from-preview {number}: the tiles of {str(found[-1])!r} are {numbers}")
    return tiles[number]


def from_preview(config: TrainConfig) -> tuple[TrainConfig, Tile | None]:
    """The settings of a run that may go on from a preview: the tile's network and style size.

    Args:
        config: As a user gave it. Without `from_preview` it comes back as it is, and no tile.

    Raises:
        UserError: There is no such tile, or another setting says otherwise.
    """
    if config.from_preview is None:
        return config, None
    given = config.given()
    for name in ("resume", "init", "style_size"):
        if given.get(name) is not None:
            flag = name.replace("_", "-")
            raise UserError(f"--{flag} contradicts --from-preview: give one of them")
    tile = find_tile(config.style, config.from_preview)
    config = dataclasses.replace(
        config, from_preview=None, init=str(tile.model), style_size=tile.style_size
    )
    return config, tile
