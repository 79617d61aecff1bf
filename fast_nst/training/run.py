"""A training run from settings to model file; the loop itself is Lightning's."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonargparse
import lightning as L
import torch
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import (
    Callback,
    ModelCheckpoint,
)
from lightning.pytorch.loggers import TensorBoardLogger

from fast_nst.assets import SAMPLE_PHOTOGRAPHS, SAMPLE_STYLE
from fast_nst.devices import choose_precision, describe_precision, memory_explained, to_tensor
from fast_nst.errors import UserError, one_line
from fast_nst.files import write_atomically
from fast_nst.losses import build_loss
from fast_nst.pictures.read import open_photograph, open_style
from fast_nst.pictures.sheet import contact_sheet
from fast_nst.pictures.write import save_image
from fast_nst.stylize.gallery import MODEL, RUNS
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training.callbacks import AtomicCheckpoints, EachStep, PreviewImages, Steps
from fast_nst.training.checkpoints import CHECKPOINT, continued, style_name
from fast_nst.training.data import Photographs
from fast_nst.training.export import export
from fast_nst.training.module import StyleTransfer, TrainingDiverged
from fast_nst.training.settings import TrainConfig, plain

PREVIEW, SETTINGS = "preview.jpg", "config.yaml"
_PREVIEW_PHOTOGRAPHS = 4
_PREVIEW_SIZE = 480
_CHECKS = 10  # validations and checkpoints a run,
_CHECK_AT_LEAST_EVERY = 500  # steps, so that a long run loses little
# With several devices Lightning starts the same command again for each: they share one folder.
_FOLDER_OF_RANK_0, _PRECISION_OF_RANK_0 = "FAST_NST_RUN_FOLDER", "FAST_NST_PRECISION"
_LIGHTNING_PRECISIONS: dict[str, Any] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
_REFUSALS = (ValueError, TypeError, RuntimeError, ImportError)  # of the Trainer's constructor
# What the settings or this module decide, and what to give instead.
_OWNED = {
    "accelerator": "--accelerator",
    "devices": "--devices",
    "precision": "--precision",
    "max_steps": "--steps",
    "max_epochs": "--steps",
    "default_root_dir": "--out",
}


@dataclass(frozen=True)
class TrainResult:
    """Where a run left its files.

    Attributes:
        folder: All of them, with TensorBoard's logs.
        checkpoint: To resume or export.
        model: The ONNX file.
        preview: Photographs next to their paintings.
        steps: Optimizer steps done.
        seconds: Spent in the training loop.
        unreadable: Photographs that were passed over.
        is_main_process: False in all but the first of several processes, which writes the files.
    """

    folder: Path
    checkpoint: Path
    model: Path
    preview: Path
    steps: int
    seconds: float
    unreadable: list[str]
    is_main_process: bool = True


@dataclass(frozen=True)
class Fitted:
    """What the training loop leaves.

    Attributes:
        folder: Of the run.
        checkpoint: In it.
        style: The style image.
        photographs: That were trained on; knows those that were passed over.
        steps: Optimizer steps done.
        seconds: Spent in the loop.
        is_main_process: False in all but the first of several processes.
    """

    folder: Path
    checkpoint: Path
    style: Path
    photographs: Photographs
    steps: int
    seconds: float
    is_main_process: bool


def run_folder(config: TrainConfig) -> Path:
    """Where the run goes: `config.out`, or the first free of runs/<style>, runs/<style>-2, ...

    Raises:
        UserError: `config.out` holds a run already, or cannot be written to.
    """
    if config.out is not None:
        folder = Path(config.out)
        if config.resume is None and (folder / CHECKPOINT).exists():
            raise UserError(
                f"{config.out!r} holds a run: add --resume last to continue it, or change --out"
            )
    else:
        base = RUNS / style_name(config.style)
        folder, number = base, 2
        while folder.exists() and any(folder.iterdir()):
            folder, number = base.with_name(f"{base.name}-{number}"), number + 1
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {str(folder)!r}: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"cannot write to {str(folder)!r}: give another --out")
    return folder


def _devices(devices: str | int) -> Any:
    """Lightning takes "auto", a count, or a list such as "0,2"."""
    devices = str(devices)
    if devices == "auto":
        return devices
    try:
        numbers = [int(part) for part in devices.split(",") if part.strip()]
    except ValueError:
        raise UserError(
            f"--devices is {devices!r}: give a count like 2, a list like 0,2 or auto"
        ) from None
    return numbers if "," in devices else numbers[0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advice to developers from people's terminals."""
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _explained(*refusals: type[Exception]) -> Iterator[None]:
    """Say in one line what people can mend in what Lightning and torch raise.

    Args:
        refusals: Errors that mean, next to Lightning's own, that settings cannot be used.

    Raises:
        UserError: Instead of their own errors.
    """
    kinds: tuple[type[Exception], ...] = (MisconfigurationException, *refusals)
    try:
        with memory_explained("lower --batch-size or --size"):
            yield
    except UserError:
        raise
    except kinds as error:
        raise UserError(f"Lightning refuses these settings: {one_line(error)}") from error


@contextlib.contextmanager
def _advice_on_divergence(folder: Path) -> Iterator[None]:
    """Add to a divergence what is left of the run, and what to try."""
    try:
        yield
    except TrainingDiverged as error:
        last = folder / CHECKPOINT
        left = f"{str(last)!r} is from before, and good" if last.is_file() else "nothing was saved"
        raise TrainingDiverged(
            f"{error}: training stopped, {left}. Lower --lr, "
            "or --style-weight if that does not help"
        ) from error


@contextlib.contextmanager
def _interrupts() -> Iterator[None]:
    """Lightning turns Ctrl-C into exit code 1; give it back as what it is."""
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise


def _as_yaml(config: TrainConfig) -> bytes:
    values = {**config.as_dict(), "trainer": plain(config.trainer)}
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True).encode()


def trainer_arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Arguments of Lightning's Trainer from YAML: values checked, `class_path` made into objects.

    Raises:
        UserError: The Trainer has no such argument, or not with such a value, or the settings
            have another name for it.
    """
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(L.Trainer, "trainer", skip=set(_OWNED), instantiate=False)
    for name in given:
        if name in _OWNED:
            raise UserError(f"trainer.{name} is not to be set: give {_OWNED[name]} instead")
    try:
        parsed = parser.parse_object({"trainer": given}, defaults=False)
        return dict(parser.instantiate(parsed).as_dict().get("trainer") or {})
    except (jsonargparse.ArgumentError, TypeError, ValueError) as error:
        raise UserError(f"trainer: {one_line(error)}") from error


def make_trainer(
    config: TrainConfig, folder: Path, options: dict[str, Any], each: EachStep | None = None
) -> L.Trainer:
    """Lightning's Trainer with our defaults under the user's `options`.

    Args:
        config: With a precision that is decided.
        folder: Of the run.
        options: Arguments of the Trainer.
        each: As `train` takes it.

    Raises:
        UserError: Lightning refuses a value, or the accelerator is not there.
    """
    every = max(1, min(config.steps // _CHECKS, _CHECK_AT_LEAST_EVERY))
    callbacks: list[Callback] = [
        ModelCheckpoint(
            folder, "last", every_n_train_steps=every, save_top_k=1, enable_version_counter=False
        ),
        PreviewImages(),
        *(options.get("callbacks") or []),
    ]
    if each is not None:
        callbacks.append(Steps(each))
    defaults: dict[str, Any] = {
        "logger": TensorBoardLogger(folder, name="tensorboard", version=""),
        "val_check_interval": every,
        "check_val_every_n_epoch": None,
        "num_sanity_val_steps": 0,
        "log_every_n_steps": max(1, min(50, config.steps // 100)),
        "gradient_clip_val": 1.0,
        "use_distributed_sampler": False,  # the samples are shared out in data.py
        "enable_model_summary": False,
        "default_root_dir": folder,
    }
    plugins = [AtomicCheckpoints(), *(options.get("plugins") or [])]
    chosen = {**defaults, **options, "callbacks": callbacks, "plugins": plugins}
    chosen["enable_progress_bar"] = False  # whoever asked for the run shows its steps
    with _explained(*_REFUSALS):
        return L.Trainer(
            accelerator=config.accelerator,
            devices=_devices(config.devices),
            precision=_LIGHTNING_PRECISIONS[config.precision],
            max_steps=config.steps,
            max_epochs=-1,
            **chosen,
        )


def _root_device(config: TrainConfig) -> torch.device:
    """The device that Lightning will take for these settings."""
    with _explained(*_REFUSALS):
        probe = L.Trainer(
            accelerator=config.accelerator,
            devices=_devices(config.devices),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
        )
    return probe.strategy.root_device


def _agreed(variable: str, decide: Callable[[], str]) -> str:
    """What the first process decided, also in those that Lightning starts after it."""
    if variable not in os.environ or int(os.environ.get("LOCAL_RANK", "0")) == 0:
        os.environ[variable] = decide()
    return os.environ[variable]


def _make_preview(model: Path, photographs: list[Path], style: Path) -> Any:
    stylize = Stylizer(model)
    photos = [open_photograph(path, _PREVIEW_SIZE) for path in photographs]
    pairs = [[photo, stylize(photo)] for photo in photos]
    half = (len(pairs) + 1) // 2  # two pairs a row: wide sheets fit screens
    rows = [pairs[i] + (pairs[half + i] if half + i < len(pairs) else []) for i in range(half)]
    rows.append([open_photograph(style, _PREVIEW_SIZE)])
    return contact_sheet(rows, labels=("photograph", "stylized") * 2)


def fit(
    config: TrainConfig,
    trainer_options: dict[str, Any] | None = None,
    *,
    each: EachStep | None = None,
    notice: Callable[[str], None] | None = None,
) -> Fitted:
    """The training loop: leaves a checkpoint, logs and the settings.

    Args:
        config: As `train` takes it.
        trainer_options: As `train` takes them.
        each: As `train` takes it.
        notice: As `train` takes it.

    Raises:
        UserError: A setting cannot be used.
        TrainingDiverged: The loss is no longer finite; the last checkpoint stays.
    """
    config = continued(config)
    options = {**trainer_arguments(config.trainer), **(trainer_options or {})}
    style_path = Path(config.style) if config.style else SAMPLE_STYLE
    style = to_tensor(open_style(style_path, config.style_size))
    photographs = Photographs(
        Path(config.photos) if config.photos else SAMPLE_PHOTOGRAPHS,
        size=config.size,
        batch_size=config.batch_size,
        steps=config.steps,
        seed=config.seed,
        workers=config.workers,
    )
    with _quiet():
        device = _root_device(config)
        loss = build_loss(config, style)
        folder = Path(_agreed(_FOLDER_OF_RANK_0, lambda: str(run_folder(config))))
        if config.precision == "auto":
            chosen = _agreed(_PRECISION_OF_RANK_0, lambda: choose_precision("auto", device))
            config = dataclasses.replace(config, precision=chosen)
            if notice is not None:
                notice(describe_precision(device))
        write_atomically(folder / SETTINGS, _as_yaml(config))
        trainer = make_trainer(config, folder, options, each)
        L.seed_everything(config.seed, verbose=False)
        module = StyleTransfer(config, loss, hashlib.sha256(style_path.read_bytes()).hexdigest())
        started = time.perf_counter()
        with _explained(), _advice_on_divergence(folder), _interrupts():
            trainer.fit(module, photographs, ckpt_path=config.resume, weights_only=True)
        seconds = time.perf_counter() - started
        trainer.save_checkpoint(folder / CHECKPOINT)
    return Fitted(
        folder,
        folder / CHECKPOINT,
        style_path,
        photographs,
        trainer.global_step,
        seconds,
        trainer.is_global_zero,
    )


def train(
    config: TrainConfig,
    trainer_options: dict[str, Any] | None = None,
    *,
    each: EachStep | None = None,
    notice: Callable[[str], None] | None = None,
) -> TrainResult:
    """Train one style: what `fit` leaves, and an ONNX model and a preview of it.

    Args:
        config: The settings. With `resume`, the checkpoint's own under those that were given.
        trainer_options: Arguments of Lightning's Trainer that YAML cannot hold, such as callbacks.
        each: Called with the steps done, of how many, and the loss; what it returns, if true, ends
            the run with all that it should leave.
        notice: Called with a line that people may want to read.

    Raises:
        UserError: A setting cannot be used.
        TrainingDiverged: The loss is no longer finite; the last checkpoint stays.
    """
    fitted = fit(config, trainer_options, each=each, notice=notice)
    photographs = fitted.photographs
    model, preview = fitted.folder / MODEL, fitted.folder / PREVIEW
    if fitted.is_main_process:
        export(fitted.checkpoint, model)
        shown = [*photographs.validation_paths, *photographs.training_paths]
        shown = list(dict.fromkeys(shown))[:_PREVIEW_PHOTOGRAPHS]
        shown = [path for path in shown if str(path) not in photographs.unreadable]
        save_image(_make_preview(model, shown, fitted.style), preview)
    return TrainResult(
        fitted.folder,
        fitted.checkpoint,
        model,
        preview,
        fitted.steps,
        fitted.seconds,
        sorted(photographs.unreadable),
        fitted.is_main_process,
    )
