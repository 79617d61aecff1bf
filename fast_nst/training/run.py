"""A training run from settings to model file; the loop itself is Lightning's."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import yaml
from lightning.pytorch.utilities.exceptions import SIGTERMException
from PIL import Image

from fast_nst.assets import SAMPLE_PHOTOGRAPHS
from fast_nst.devices import choose_precision, describe_precision, to_tensor
from fast_nst.errors import UserError
from fast_nst.files import write_atomically
from fast_nst.losses import LossSettings, build_loss
from fast_nst.models.catalogue import MODEL
from fast_nst.pictures.edit import resize_longest, to_array
from fast_nst.pictures.read import open_photograph, open_style
from fast_nst.pictures.sheet import contact_sheet
from fast_nst.pictures.write import save_image
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training.budget import fit_minutes, time_steps
from fast_nst.training.callbacks import OnProgress
from fast_nst.training.checkpoints import (
    CHECKPOINT,
    readable,
    style_digest,
    style_path,
)
from fast_nst.training.data import Photographs
from fast_nst.training.defects import reference_of
from fast_nst.training.divergence import MAX_RECOVERIES, final_error, last_good_checkpoint
from fast_nst.training.export import export
from fast_nst.training.folders import locked, run_folder
from fast_nst.training.frame_augmentation import FrameAugmentation
from fast_nst.training.initialization import load_initialization
from fast_nst.training.module import StyleTransfer, TrainingDiverged
from fast_nst.training.plan import resolve
from fast_nst.training.preview_tiles import Tile
from fast_nst.training.saving import Checkpoints, Log
from fast_nst.training.settings import TrainConfig, given_values, plain
from fast_nst.training.trainer import (
    checks_every,
    explained,
    make_trainer,
    quiet,
    root_device,
    trainer_arguments,
)

PREVIEW, SETTINGS = "preview.jpg", "config.yaml"
_PREVIEW_PHOTOGRAPHS = 4
_PREVIEW_SIZE = 480
_OF_ONE_RUN = ("out", "resume", "from_preview")
# With several devices Lightning starts the same command again for each: they share one folder.
_FOLDER_OF_RANK_0, _PRECISION_OF_RANK_0 = "FAST_NST_RUN_FOLDER", "FAST_NST_PRECISION"

PlanTime = Callable[[TrainConfig, float], tuple[TrainConfig, str]]


@dataclass(frozen=True)
class TrainResult:
    """The result of `train`.

    Attributes:
        folder: The run's folder, with all its files and TensorBoard's logs.
        checkpoint: The last step's checkpoint, to resume from.
        best: The checkpoint with the lowest validation loss, which was exported.
        model: The ONNX file.
        preview: A contact sheet of photographs and their paintings.
        steps: Optimizer steps done.
        seconds: Duration of the training loop.
        unreadable: Photographs that were skipped.
        is_main_process: False in all but the first of several processes, which writes the files.
        defects: The model's image defects, see `defects.inspect`.
        validation_loss: The best checkpoint's; None without validation.
        tile: The preview's tile that it started from, if any.
        installed: The model's copy in the user's folder, if it was installed.
        is_early: Whether it ended before its steps, or its minutes, were over.
    """

    folder: Path
    checkpoint: Path
    best: Path
    model: Path
    preview: Path
    steps: int
    seconds: float
    unreadable: list[str]
    is_main_process: bool = True
    defects: dict[str, float] = field(default_factory=dict)
    validation_loss: float | None = None
    tile: Tile | None = None
    installed: Path | None = None
    is_early: bool = False


@dataclass(frozen=True)
class Fitted:
    """The result of `fit`.

    Attributes:
        folder: The run's folder.
        checkpoint: The last step's checkpoint in it.
        best: The checkpoint in it with the lowest validation loss.
        style: The style image.
        photographs: The training photographs, with the names of those that were skipped.
        steps: Optimizer steps done.
        seconds: Duration of the training loop.
        is_main_process: False in all but the first of several processes.
        validation_loss: The best checkpoint's; None without validation.
        config: The settings, with nothing left to decide.
        tile: The preview's tile that it started from, if any.
        is_early: Whether it ended before its steps, or its minutes, were over.
    """

    folder: Path
    checkpoint: Path
    best: Path
    style: Image.Image
    photographs: Photographs
    steps: int
    seconds: float
    is_main_process: bool
    validation_loss: float | None
    config: TrainConfig
    tile: Tile | None = None
    is_early: bool = False


@contextlib.contextmanager
def _interrupts() -> Iterator[None]:
    """Restore KeyboardInterrupt, which Lightning makes an exit with code 1, and SIGINT's handler.

    SIGTERM, which it makes an exit with code 0, gets the usual exit code.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SIGTERMException as error:
        raise SystemExit(128 + signal.SIGTERM) from error
    except SystemExit as error:
        if not isinstance(error.__context__, KeyboardInterrupt):
            raise
        with contextlib.suppress(ValueError):  # not the main thread, which alone has handlers
            signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from error


def _as_yaml(config: TrainConfig, *, timed: bool = False) -> bytes:
    """The settings as a YAML file for `--config`, to repeat the training.

    Left out are objects made in Python, and what belongs to this run only: its folder, the
    checkpoint or preview that it continued, and the time that its steps were planned for.

    Args:
        config: The settings.
        timed: Whether the time ended the run before its steps; then it is kept.
    """
    values = config.as_dict()
    for name in (*_OF_ONE_RUN, *(() if timed else ("minutes",))):
        del values[name]
    for name, value in config.trainer.items():
        try:
            yaml.safe_dump(value)
        except yaml.YAMLError:
            del values["trainer"][name]
    for name, value in values.items():
        if isinstance(value, str):
            values[name] = readable(value)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True).encode()


def _agreed(variable: str, decide: Callable[[], str]) -> str:
    """The first process's decision, also in those that Lightning starts after it."""
    if variable not in os.environ or int(os.environ.get("LOCAL_RANK", "0")) == 0:
        os.environ[variable] = decide()
    return os.environ[variable]


def _make_preview(model: Path, photographs: list[Path], style: Image.Image) -> Image.Image:
    stylize = Stylizer(model)
    photos = []
    for path in photographs:
        with contextlib.suppress(UserError):  # gone since it was trained on
            photos.append(open_photograph(path, _PREVIEW_SIZE))
    pairs = [[photo, stylize(photo)] for photo in photos]
    half = (len(pairs) + 1) // 2  # two pairs a row: wide sheets fit screens
    rows = [pairs[i] + (pairs[half + i] if half + i < len(pairs) else []) for i in range(half)]
    rows.append([resize_longest(style, _PREVIEW_SIZE)])
    return contact_sheet(rows, labels=[("photograph", "stylized") * 2] if photos else [])


def _validation_settings(config: TrainConfig, style_sha256: str) -> dict[str, Any]:
    """The settings that the validation loss depends on, besides the network."""
    names = [item.name for item in dataclasses.fields(LossSettings)]
    values = {name: getattr(config, name) for name in (*names, "size", "style_size", "photos")}
    if config.steady > 0:
        names = ["steady", "steady_noise", "steady_shift"]
        values |= {name: getattr(config, name) for name in names}
    return {**values, "style_sha256": style_sha256}


def fit(
    settings: TrainConfig | Mapping[str, Any],
    trainer_options: dict[str, Any] | None = None,
    *,
    on_progress: OnProgress | None = None,
    log: Log | None = None,
    plan_time: PlanTime | None = None,
) -> Fitted:
    """Train one style, and save checkpoints, logs and the settings.

    Divergence recovery: when the loss explodes, training goes on from the last good checkpoint
    with half the learning rate, at most `MAX_RECOVERIES` times.

    Args:
        settings: As `train` takes them.
        trainer_options: As `train` takes them.
        on_progress: As `train` takes it.
        log: As `train` takes it.
        plan_time: Called with the settings and the seconds a step of theirs takes; returns the
            settings to use, and a line on them for people to read, or "". Default: `fit_minutes`,
            where the steps or the crop are to follow from the time.

    Raises:
        UserError: A setting cannot be used, or the last checkpoint cannot be saved.
        TrainingDiverged: The loss diverged once more; the last checkpoint stays.
    """
    given, in_python = given_values(settings), trainer_options or {}
    if plain(in_python):  # saved and resumed as those of a file are
        given["trainer"] = {**given.get("trainer", {}), **plain(in_python)}
    plan = resolve(given)
    config = plan.config
    options = {**trainer_arguments(config.trainer), **in_python}
    initialization = load_initialization(config, plan.resumed)
    style_picture = open_style(style_path(config.style), config.style_size)
    style_sha256 = style_digest(config.style)
    style_reference = reference_of(to_array(style_picture))
    style = to_tensor(style_picture)
    augmentation = None
    if config.steady > 0:
        augmentation = FrameAugmentation(config.steady_noise, config.steady_shift)
    photographs = Photographs(
        Path(config.photos) if config.photos else SAMPLE_PHOTOGRAPHS,
        size=config.size,
        batch_size=config.batch_size,
        steps=config.steps,
        seed=config.seed,
        workers=config.workers,
        augmentation=augmentation,
    )
    with quiet(), contextlib.ExitStack() as hold:
        device, devices = root_device(config)
        loss = build_loss(config, style)
        folder = Path(_agreed(_FOLDER_OF_RANK_0, lambda: str(run_folder(config))))
        hold.enter_context(locked(folder, config))
        if config.precision == "auto":

            def measured() -> str:
                chosen = choose_precision("auto", device)
                if log is not None:
                    log(describe_precision(device))
                return chosen

            config = dataclasses.replace(config, precision=_agreed(_PRECISION_OF_RANK_0, measured))
        if plan_time is None and plan.is_timed and devices == 1:  # several would have to agree
            plan_time = functools.partial(fit_minutes, plan)
        if plan_time is not None:
            batches = options.get("accumulate_grad_batches") or 1
            with explained():  # the network that is timed is not kept
                pace = time_steps(
                    StyleTransfer(config, loss, initialization), photographs, device, batches
                )
            config, line = plan_time(config, pace)
            photographs.steps, photographs.size = config.steps, config.size
            if log is not None and line:
                log(line)
        resume, recoveries = config.resume, plan.recoveries
        started = time.perf_counter()
        while True:
            checkpoints = Checkpoints(
                folder, checks_every(config), _validation_settings(config, style_sha256)
            )
            trainer = make_trainer(config, folder, options, checkpoints, on_progress, log)
            write_atomically(folder / SETTINGS, _as_yaml(config))
            L.seed_everything(config.seed, verbose=False)
            module = StyleTransfer(
                config, loss, initialization, style_sha256, recoveries, style_reference
            )
            try:
                with explained(), _interrupts():
                    trainer.fit(module, photographs, ckpt_path=resume, weights_only=True)
                break
            except TrainingDiverged as error:
                rate = config.lr / 2**recoveries
                if recoveries == MAX_RECOVERIES:
                    raise final_error(error, folder, rate, recoveries) from error
                recoveries += 1
                good = last_good_checkpoint(folder, trainer.global_step)
                resume = config.resume if good is None else str(good)
                if log is not None:
                    begin = "the start" if resume is None else repr(resume)
                    log(f"{error}: going on from {begin} with --lr {rate / 2:g}, half of before")
        seconds = time.perf_counter() - started
        is_early = trainer.global_step < config.steps and not module.is_time_over
        if module.follows_time:  # its steps do not repeat it
            write_atomically(folder / SETTINGS, _as_yaml(config, timed=True))
            if log is not None and not is_early:
                done = f"{trainer.global_step} of {config.steps} steps"
                log(f"slower than planned: {done} in --minutes {config.minutes:g}")
        with explained(), _interrupts():
            best = checkpoints.finish(trainer, module, photographs)
    return Fitted(
        folder,
        folder / CHECKPOINT,
        best,
        style_picture,
        photographs,
        trainer.global_step,
        seconds,
        trainer.is_global_zero,
        checkpoints.best,
        config,
        plan.tile,
        is_early,
    )


def train(
    settings: TrainConfig | Mapping[str, Any],
    trainer_options: dict[str, Any] | None = None,
    *,
    on_progress: OnProgress | None = None,
    log: Log | None = None,
) -> TrainResult:
    """Train one style: `fit`, then export the best checkpoint and paint a preview with it.

    Args:
        settings: The settings that are given, see `plan.resolve`.
        trainer_options: Arguments of Lightning's Trainer that YAML cannot hold, such as callbacks.
        on_progress: Called with the steps done, of how many, and the loss; returning true stops
            the run, which still writes all its files.
        log: Called with lines for people to read.

    Raises:
        UserError: As `fit` raises it.
        TrainingDiverged: As `fit` raises it.
    """
    fitted = fit(settings, trainer_options, on_progress=on_progress, log=log)
    defects: dict[str, float] = {}
    photographs = fitted.photographs
    model, preview = fitted.folder / MODEL, fitted.folder / PREVIEW
    if fitted.is_main_process:
        defects = export(fitted.best, model)
        shown = [*photographs.validation_paths, *photographs.training_paths]
        shown = list(dict.fromkeys(shown))[:_PREVIEW_PHOTOGRAPHS]
        shown = [path for path in shown if str(path) not in photographs.unreadable]
        save_image(_make_preview(model, shown, fitted.style), preview)
    return TrainResult(
        fitted.folder,
        fitted.checkpoint,
        fitted.best,
        model,
        preview,
        fitted.steps,
        fitted.seconds,
        sorted(photographs.unreadable),
        fitted.is_main_process,
        defects,
        fitted.validation_loss,
        fitted.tile,
        is_early=fitted.is_early,
    )
