"""`fast-nst compare`: a report on a model against the classic optimizer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from fast_nst.commands.parsing import parse
from fast_nst.commands.progress import Progress
from fast_nst.commands.training_options import CompareOptions
from fast_nst.comparison import NUMBERS, PAGE, SHEET
from fast_nst.comparison.measure import (
    REPEATS,
    WARM_UPS,
    Comparison,
    Pictures,
    compare,
    find_style,
    model_recipe,
)
from fast_nst.comparison.report import (
    as_json,
    environment,
    format_equivalent_mean,
    format_seconds,
    format_times,
    write_report,
)
from fast_nst.devices import (
    choose_device,
    choose_precision,
    describe_precision,
    explain_oom,
    to_tensor,
)
from fast_nst.errors import UserError
from fast_nst.files import check_writable
from fast_nst.losses import PARTS, LossSettings, build_loss
from fast_nst.models.catalogue import find_model
from fast_nst.pictures.find import find_images
from fast_nst.pictures.read import open_photograph, open_style
from fast_nst.reference.optimizer import Iterate
from fast_nst.stylize.stylizer import Stylizer

_ADVICE = "lower --size"


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Compare on each photograph and write the report.

    Returns:
        The exit code: 0, or 1 if some of the photographs failed.

    Raises:
        UserError: An option, the model or its style image is unusable, or all photographs failed.
        KeyboardInterrupt: Interrupted before the first photograph was done.
    """
    options = parse(CompareOptions, argv, prog, description)
    folder = Path(options.output)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{options.output!r} is a file: give a folder")
    for name in (NUMBERS, PAGE, SHEET):
        if (folder / name).exists() and not options.overwrite:
            raise UserError(f"{options.output!r} has a {name}: add --overwrite to replace it")
    paths = _photographs(options.photos, folder)
    model = find_model(options.model)
    stylizer = Stylizer(model, provider=options.provider, threads=options.threads)
    recipe = model_recipe(stylizer.metadata, str(model))
    style_path = Path(options.style) if options.style else None
    is_explicit = style_path is not None and not style_path.is_dir()
    if style_path is None or not is_explicit:
        style_path = find_style(stylizer.metadata, model, style_path)
    if options.vgg is not None:
        recipe.vgg = options.vgg
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    style = open_style(style_path, recipe.style_size)
    done: list[tuple[Comparison, Pictures]] = []
    failures: list[str] = []
    with explain_oom(_ADVICE):
        loss = build_loss(recipe, to_tensor(style).to(device))
    precision = choose_precision(options.precision, device)
    if options.precision == "auto" and not options.quiet:
        print(describe_precision(device), file=sys.stderr)
    check_writable(folder / NUMBERS)
    with Progress(options.quiet) as progress:
        most = max(options.steps)

        def on_progress(item: Iterate) -> bool:
            finished = (len(done) + len(failures)) * most
            losses = {name: item.losses[name] for name in PARTS}
            return progress.update(finished + item.step, most * len(paths), None, losses)

        for path in paths:
            try:
                photo = open_photograph(path, options.size)
                with explain_oom(_ADVICE):
                    result = compare(
                        str(path),
                        photo,
                        stylizer,
                        loss,
                        options.steps,
                        init=options.init,
                        precision=precision,
                        seed=options.seed,
                        on_progress=on_progress,
                    )
            except UserError as error:
                is_named = repr(str(path)) in str(error)
                failures.append(str(error) if is_named else f"{path}: {error}")
                continue
            if result is None:
                break
            done.append(result)
    if len(paths) == len(failures) == 1:
        raise UserError(failures[0])
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    if not done and progress.stopped:
        raise KeyboardInterrupt
    if not done:
        raise UserError(f"none of the {len(paths)} photographs could be compared")
    facts = {
        "model": {
            "file": str(model),
            **{key: text for key, text in stylizer.metadata.items() if key != "recipe"},
        },
        "style": str(style_path),
        "settings": {
            "size": options.size,
            "start": options.init,
            "precision": precision,
            "provider": options.provider,
            "network_threads": options.threads or "one a core",
            "network_runs": f"median of {REPEATS}, after {WARM_UPS} to warm up",
            "given_instead_of_the_models_own": [
                name
                for name, is_given in (("style", is_explicit), ("vgg", options.vgg is not None))
                if is_given
            ],
            "style_size": recipe.style_size,
            **{item.name: getattr(recipe, item.name) for item in fields(LossSettings)},
        },
        "environment": environment(device),
    }
    write_report(folder, done, facts, style)
    if not options.quiet:
        print(_verdict(as_json([item for item, _ in done], facts)["summary"]), file=sys.stderr)
        print(f"wrote {folder / PAGE}, {folder / SHEET} and {folder / NUMBERS}", file=sys.stderr)
    return 1 if failures else 0


def _photographs(given: Sequence[str], output: Path) -> list[Path]:
    """The given files and those in the given folders, without an earlier report's sheet."""
    paths: list[Path] = []
    for name in given:
        paths += find_images(name) if Path(name).is_dir() else [Path(name)]
    return [path for path in dict.fromkeys(paths) if path.resolve() != (output / SHEET).resolve()]


def _verdict(summary: dict[str, Any]) -> str:
    last = summary["optimizer"][-1]
    count = summary["photographs"]
    return (
        f"{count} photograph{'' if count == 1 else 's'}: the network's loss equals that of "
        f"{format_equivalent_mean(summary)} iterations; it takes "
        f"{format_seconds(summary['network']['seconds']['mean'])}, "
        f"{last['steps']} iterations take {format_seconds(last['seconds']['mean'])}: "
        f"{format_times(last['speed_up'])} times as long"
    )
