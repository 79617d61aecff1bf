"""`fast-nst compare`: a model next to the classic optimizer, in a report."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

import torch

from fast_nst.assets import DEFAULT_MODEL, SAMPLE_STYLE
from fast_nst.comparison.measure import (
    REPEATS,
    WARM_UPS,
    Comparison,
    Pictures,
    compare,
    model_config,
)
from fast_nst.comparison.report import (
    NUMBERS,
    PAGE,
    SHEET,
    as_json,
    environment,
    format_equivalent_mean,
    format_seconds,
    format_times,
    write_report,
)
from fast_nst.devices import (
    PRECISIONS,
    choose_device,
    choose_precision,
    memory_explained,
    to_tensor,
)
from fast_nst.errors import UserError, choose
from fast_nst.files import check_place
from fast_nst.interrupt import stop_on_interrupt
from fast_nst.losses import PARTS, build_loss
from fast_nst.options import option, positional
from fast_nst.pictures.read import find_images, open_photograph, open_style
from fast_nst.reference.optimizer import STARTS, Iterate
from fast_nst.stylize.engines import MOST_THREADS
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training.settings import TrainConfig

_ADVICE = "lower --size"


@dataclass
class CompareOptions:
    """What `fast-nst compare` can be told; its flags are made from these fields."""

    photos: list[str] = positional(
        "image files or folders of them, best ones that training has not seen", metavar="PHOTO"
    )
    output: str = option(f"folder for {NUMBERS}, {PAGE} and {SHEET}", MISSING, "-o", metavar="DIR")
    model: str | None = option(
        "exported .onnx file; default: the style in the package", None, "-m", metavar="MODEL"
    )
    style: str | None = option(
        "style image; default: where the model's settings say that it was", None, metavar="STYLE"
    )
    steps: list[int] = option(
        "iterations of the optimizer after which to look", [25, 50, 100, 200, 500]
    )
    size: int = option("longer side of the pictures, in px", 256, metavar="PX")
    init: str = option(f"where the optimizer starts: {' or '.join(STARTS)}", "content")
    vgg: str | None = option("VGG-19 weights; default: those the model was trained with", None)
    precision: str = option(
        f"the optimizer's arithmetic: {', '.join(PRECISIONS)}; auto is bf16 where the hardware "
        "has it",
        "auto",
    )
    device: str = option("of the optimizer: auto, cpu, cuda, cuda:1, mps", "auto")
    provider: str = option("device that runs the network, if installed", "cpu", metavar="NAME")
    threads: int | None = option("CPU threads of both; default: one a core", None, metavar="N")
    seed: int = option("seed of --init noise", 0)
    overwrite: bool = option("replace an earlier report in DIR", False)
    quiet: bool = option("print nothing but errors", False, "-q")

    def __post_init__(self) -> None:
        """Refuse what can be refused without looking at a file.

        Raises:
            UserError: A value is out of its range.
        """
        if not self.output:
            raise UserError("no output: add -o DIR")
        if not self.steps or min(self.steps) < 1:
            raise UserError(f"--steps is {self.steps}: give numbers of at least 1")
        for name in ("size", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"--{name} is {value}: it must be at least 1")
        if (self.threads or 1) > MOST_THREADS:
            raise UserError(f"--threads is {self.threads}: it must be at most {MOST_THREADS}")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"--seed is {self.seed}: it must be between 0 and {2**32 - 1}")
        choose("start", self.init, STARTS)
        choose("precision", self.precision, PRECISIONS)
        self.steps = sorted(set(self.steps))


def run_compare(options: CompareOptions) -> int:
    """Compare on every photograph, and write the report.

    Returns:
        The exit code: 0, or 1 if some of the photographs failed.

    Raises:
        UserError: Nothing can be compared at all.
        KeyboardInterrupt: Stopped before the first photograph was done.
    """
    folder = Path(options.output)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{options.output!r} is a file: give a folder")
    for name in (NUMBERS, PAGE, SHEET):
        if (folder / name).exists() and not options.overwrite:
            raise UserError(f"{options.output!r} has a {name}: add --overwrite to replace it")
    paths = _photographs(options.photos, folder)
    model = options.model or str(DEFAULT_MODEL)
    stylizer = Stylizer(model, provider=options.provider, threads=options.threads)
    config = model_config(stylizer, model)
    style_path = find_style(config, Path(model), options.style)
    if options.vgg is not None:
        config.vgg = options.vgg
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    style = open_style(style_path, config.style_size)
    done: list[tuple[Comparison, Pictures]] = []
    failures: list[str] = []
    with memory_explained(_ADVICE):
        loss = build_loss(config, to_tensor(style).to(device))
    check_place(folder / NUMBERS)
    with _Progress(options, len(paths)) as progress, stop_on_interrupt(progress.stop):
        for path in paths:
            try:
                photo = open_photograph(path, options.size)
                with memory_explained(_ADVICE):
                    result = compare(
                        str(path),
                        photo,
                        stylizer,
                        loss,
                        options.steps,
                        init=options.init,
                        precision=options.precision,
                        seed=options.seed,
                        callback=progress.update,
                    )
            except UserError as error:
                named = repr(str(path)) in str(error)
                failures.append(str(error) if named else f"{path}: {error}")
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
            "file": model,
            **{key: text for key, text in stylizer.metadata.items() if key != "config"},
        },
        "style": str(style_path),
        "settings": {
            "size": options.size,
            "start": options.init,
            "precision": choose_precision(options.precision, device),
            "provider": options.provider,
            "network_threads": options.threads or "one a core",
            "network_runs": f"median of {REPEATS}, after {WARM_UPS} to warm up",
            "given_instead_of_the_models_own": [
                name for name in ("style", "vgg") if getattr(options, name) is not None
            ],
            **_loss_settings(config),
        },
        "environment": environment(device),
    }
    write_report(folder, done, facts, style)
    if not options.quiet:
        print(_verdict(as_json([item for item, _ in done], facts)["summary"]), file=sys.stderr)
        print(f"wrote {folder / PAGE}, {folder / SHEET} and {folder / NUMBERS}", file=sys.stderr)
    return 1 if failures else 0


def _photographs(given: Sequence[str], output: Path) -> list[Path]:
    """The files given and those in the folders given, but for an earlier report's own."""
    paths: list[Path] = []
    for name in given:
        paths += find_images(name) if Path(name).is_dir() else [Path(name)]
    return [path for path in dict.fromkeys(paths) if path.resolve() != (output / SHEET).resolve()]


def find_style(config: TrainConfig, model: Path, given: str | None) -> Path:
    """The style image that a model was trained on.

    Args:
        config: The model's.
        model: Its file; the style may lie relative to it, or to the working folder.
        given: What the user says, which is right.

    Raises:
        UserError: It is not where the settings say.
    """
    if given is not None:
        return Path(given)
    if config.style is None:
        return SAMPLE_STYLE
    for place in (Path(config.style), model.parent / config.style):
        if place.is_file():
            return place
    raise UserError(
        f"the model was trained on {config.style!r}, which is not here: add --style IMAGE"
    )


def _loss_settings(config: TrainConfig) -> dict[str, Any]:
    names = ("content_weight", "style_weight", "tv_weight", "content_layers", "style_layers")
    return {name: getattr(config, name) for name in (*names, "style_size", "vgg", "pooling")}


class _Progress:
    """One bar for all iterations of all photographs."""

    def __init__(self, options: CompareOptions, photographs: int) -> None:
        self.stopped = False
        self._total = photographs * max(options.steps)
        self._quiet = options.quiet
        self._bar: Any = None

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def stop(self) -> None:
        """End after the update at hand; what is done is reported."""
        self.stopped = True

    def update(self, item: Iterate) -> bool:
        """Count an iterate, and say whether to stop."""
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=self._total, unit="it", file=sys.stderr, disable=self._quiet)
        self._bar.update(1 if item.step else 0)
        self._bar.set_postfix({part: f"{item.losses[part]:.4g}" for part in PARTS}, refresh=False)
        return self.stopped


def _verdict(summary: dict[str, Any]) -> str:
    last = summary["optimizer"][-1]
    count = summary["photographs"]
    return (
        f"{count} photograph{'' if count == 1 else 's'}: the network's loss is that of "
        f"{format_equivalent_mean(summary)} iterations; it takes "
        f"{format_seconds(summary['network']['seconds']['mean'])}, "
        f"{last['steps']} iterations take {format_seconds(last['seconds']['mean'])}: "
        f"{format_times(last['speed_up'])} times as long"
    )
