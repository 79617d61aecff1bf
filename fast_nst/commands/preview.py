"""`fast-nst preview`: a contact sheet of two sizes of strokes at three strengths."""

from __future__ import annotations

from collections.abc import Sequence

from fast_nst.commands.parsing import parse
from fast_nst.commands.progress import Progress
from fast_nst.commands.shell import command_line
from fast_nst.commands.training_options import PreviewOptions
from fast_nst.training.preview import Preview, label, preview
from fast_nst.training.preview_settings import PreviewSettings
from fast_nst.training.preview_tiles import Tile


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Make the sheet, and print the command that continues from each tile."""
    settings = parse(PreviewOptions, argv, prog, description)
    with Progress(settings.quiet, unit="step") as progress:

        def on_progress(step: int, steps: int, loss: float) -> bool:
            return progress.update(step, steps, "training", {"loss": loss})

        log = None if settings.quiet else progress.log
        made = preview(settings, on_progress=on_progress, log=log)
    if not settings.quiet:
        _report(made, settings)
    return 0


def _report(made: Preview, settings: PreviewSettings) -> None:
    print(f"{made.seconds:.0f} s. Look at {made.sheet}, choose a tile, and train on from there:")
    for tile in made.tiles:
        print(f"  {label(tile)}")
        print(f"    {train_command(tile, settings, made)}")
    print("Then paint with the tile's --strength; it can be changed any time.")


def train_command(tile: Tile, settings: PreviewSettings, made: Preview) -> str:
    """The command that continues training from a tile."""
    words = ["fast-nst", "train"]
    for flag, value in (("--style", settings.style), ("--photos", settings.photos)):
        words += [flag, value] if value else []
    if settings.out is None:
        words += ["--from-preview", str(tile.number)]
    else:  # which is found by its files alone
        words += ["--init", str(tile.model), "--style-size", str(tile.style_size)]
    return command_line(words)
