"""The record of a preview: its tiles, which training can start from."""

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
from fast_nst.training.preview_settings import SUFFIX

RECORD = "preview.json"


@dataclass(frozen=True)
class Tile:
    """One painting of a preview's sheet.

    Attributes:
        number: From 1, row by row.
        style_size: The style size that its network was trained with, in px.
        strength: The strength that it was painted with.
        model: The network's file, in the preview's folder.
    """

    number: int
    style_size: int
    strength: float
    model: Path


def write_record(folder: Path, style: str | None, tiles: Sequence[Tile]) -> None:
    """Write the tiles of a preview into its folder, as JSON."""
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
