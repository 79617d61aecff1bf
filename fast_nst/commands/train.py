"""`fast-nst train`: a style, or several in turn, from flags and YAML to their runs' folders.

The finished models are installed in the user's folder.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fast_nst.assets import REFERENCE_PHOTOGRAPHS
from fast_nst.commands.defects import report_defects
from fast_nst.commands.parsing import parse_given
from fast_nst.commands.progress import Progress
from fast_nst.commands.table import aligned
from fast_nst.commands.training_options import TrainOptions
from fast_nst.errors import UserError, one_line
from fast_nst.files import claim_file
from fast_nst.models.catalogue import RUNS
from fast_nst.models.own_styles import Installed
from fast_nst.pictures.find import expand_patterns
from fast_nst.pictures.write import save_image
from fast_nst.training.installation import install
from fast_nst.training.live import Events, LivePainting
from fast_nst.training.run import TrainResult, train
from fast_nst.training.series import Outcome, series_sheet, style_images, train_series

_SHEET = RUNS / "sheet.jpg"


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Train one style, or several in turn, and print where the results are.

    Returns:
        The exit code: 1 if some of several styles failed, else 0.

    Raises:
        UserError: The only style failed, or all for the same reason.
    """
    given = parse_given(TrainOptions, argv, prog, description)
    names = expand_patterns(_split(given.pop("style", None) or []))
    live, as_json = given.pop("live", None), given.pop("json", False)
    installs, is_quiet = not given.pop("no_install", False), given.pop("quiet", False)
    is_series = len(names) > 1 or any(Path(name).is_dir() for name in names)
    if is_series and (live or as_json):
        raise UserError("--live and --json belong to one style: give one style")
    if names and not is_series:
        given["style"] = names[0]
    # With several devices Lightning starts this command again for each; the first one speaks.
    is_first = int(os.environ.get("LOCAL_RANK", "0")) == 0
    has_bar = given.get("trainer", {}).get("enable_progress_bar") is not False
    with Progress(not is_first or as_json or is_quiet or not has_bar, unit="step") as progress:

        def on_progress(step: int, steps: int, loss: float) -> bool:
            stop = progress.update(step, steps, "training", {"loss": loss})
            if step == steps:
                progress.close()
            return stop

        def log(line: str) -> None:
            if is_first and not is_quiet:
                progress.log(line)

        if is_series:
            styles = style_images(names)
            outcomes = train_series(given, styles, on_progress=on_progress, log=log)
            return _report_series(outcomes, installs, is_quiet)
        painting = LivePainting(Path(live)) if live else None
        callbacks: list[LivePainting | Events] = [painting] if painting else []
        if as_json and is_first:
            callbacks.append(Events(_print_json, painting))
        options = {"callbacks": callbacks}
        try:
            result = train(given, options, on_progress=on_progress, log=log)
        except (UserError, OSError) as error:
            if as_json and is_first:
                _print_json({"state": "failed", "error": one_line(error)})
            raise
    if not result.is_main_process:
        return 0
    installed = _install(result) if installs else None
    if as_json:
        done = {"state": "done", "model": str(result.model), "steps": result.steps}
        _print_json({**done, "style": installed.name if installed else None})
    else:
        _report(result, installed, is_quiet)
    return 0


def _install(result: TrainResult) -> Installed | None:
    """Install a run's model; prints why, where that fails."""
    try:
        return install(result)
    except (UserError, OSError) as error:
        print(f"note: not installed: {one_line(error)}", file=sys.stderr)
        return None


def _print_json(event: dict[str, Any]) -> None:
    print(json.dumps(event), flush=True)


def _split(words: Sequence[str]) -> list[str]:
    """The names in words with commas between; an existing file's name may have commas itself."""
    parts = ([word] if Path(word).exists() else word.split(",") for word in words)
    return [name for names in parts for name in names]


def _report(result: TrainResult, installed: Installed | None, is_quiet: bool) -> None:
    strength = "" if result.tile is None else f" --strength {result.tile.strength:g}"
    _report_unreadable(result.unreadable)
    report_defects(result.defects, is_quiet)
    if is_quiet:
        return
    print(f"{result.steps} steps in {result.seconds:.0f} s. Wrote to {result.folder}:")
    files = (result.model, *dict.fromkeys((result.best, result.checkpoint)), result.preview)
    print(f"  {'  '.join(file.name for file in files)}  tensorboard/")
    if installed:
        print(f"Installed as {_described(installed)}.")
    model = f"--style {installed.name}" if installed else f"-m {result.model}"
    print(f"Look at {result.preview}, then stylize a photograph of yours:")
    print(f"  fast-nst infer PHOTO.jpg {model}{strength} -o painting.jpg")


def _described(installed: Installed) -> str:
    replaced = " in place of its earlier model" if installed.is_replacement else ""
    reason = f", since {installed.reason}" if installed.reason else ""
    return f"{installed.name!r}{replaced}{reason}"


def _report_unreadable(names: Sequence[str]) -> None:
    for name in names:
        print(f"skipped, cannot be read: {name}", file=sys.stderr)
    if names:
        print(f"{len(names)} photographs skipped", file=sys.stderr)


def _report_series(outcomes: Sequence[Outcome], installs: bool, is_quiet: bool) -> int:
    errors = {outcome.error for outcome in outcomes}
    if len(errors) == 1 and "" not in errors:
        raise UserError(errors.pop())
    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    _report_unreadable(sorted({name for result in results for name in result.unreadable}))
    installed = [_install(result) for result in results] if installs else []
    if is_quiet:
        for outcome in outcomes:
            if outcome.error:
                print(f"error: {outcome.style}: {outcome.error}", file=sys.stderr)
    else:
        print(table(outcomes))
        if any(installed):
            print(f"Installed as {'; '.join(_described(style) for style in installed if style)}.")
    sheet = series_sheet(outcomes, REFERENCE_PHOTOGRAPHS[:2])
    if sheet is not None:
        place = claim_file(_SHEET)
        save_image(sheet, place)
        if not is_quiet:
            print(f"Look at {place}; then: fast-nst infer PHOTO.jpg --style NAME -o painting.jpg")
    return 1 if len(errors - {""}) else 0


def table(outcomes: Sequence[Outcome]) -> str:
    """One aligned line for each style."""
    rows = [("style", "steps", "seconds", "validation loss", "folder")]
    for outcome in outcomes:
        made = outcome.result
        if made is None:
            rows.append((outcome.style.name, "", "", "", outcome.error or "not begun"))
        else:
            loss = "" if made.validation_loss is None else f"{made.validation_loss:.3f}"
            folder = str(made.folder)
            rows.append((outcome.style.name, str(made.steps), f"{made.seconds:.0f}", loss, folder))
    return aligned(rows)
