"""A training run from settings to model file; the loop itself is Lightning's."""

from __future__ import annotations

import contextlib
import logging
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import (
    Callback,
    LearningRateMonitor,
    ModelCheckpoint,
    ProgressBar,
)
from lightning.pytorch.loggers import TensorBoardLogger

from fast_nst.assets import SAMPLE_PHOTOGRAPHS, SAMPLE_STYLE
from fast_nst.devices import choose_precision, memory_explained, to_tensor
from fast_nst.errors import UserError, choose, one_line
from fast_nst.files import write_atomically
from fast_nst.interrupt import stop_on_interrupt
from fast_nst.losses import build_loss
from fast_nst.networks import NETWORKS
from fast_nst.pictures.read import open_photograph, open_style
from fast_nst.pictures.sheet import contact_sheet
from fast_nst.pictures.write import save_image
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training.callbacks import AtomicCheckpoints, PreviewImages, Progress
from fast_nst.training.checkpoints import CHECKPOINT, read_checkpoint, style_name
from fast_nst.training.data import Photographs
from fast_nst.training.export import export
from fast_nst.training.module import StyleTransfer
from fast_nst.training.settings import TrainConfig
from fast_nst.vgg import check_layers

MODEL, PREVIEW, SETTINGS = "model.onnx", "preview.jpg", "config.yaml"
_PREVIEW_PHOTOGRAPHS = 4
_PREVIEW_SIZE = 480
_CHECKS = 10  # validations and checkpoints a run,
_CHECK_AT_LEAST_EVERY = 500  # steps, so that a long run loses little
# With several devices Lightning starts the same command again for each: they share one folder.
_FOLDER_OF_RANK_0 = "FAST_NST_RUN_FOLDER"


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


def run_folder(config: TrainConfig) -> Path:
    """Where the run goes: `config.out`, or the first free of runs/<style>, runs/<style>-2, ...

    Raises:
        UserError: `config.out` holds a run already, or cannot be written to.
    """
    if _FOLDER_OF_RANK_0 in os.environ and int(os.environ.get("LOCAL_RANK", "0")) > 0:
        return Path(os.environ[_FOLDER_OF_RANK_0])
    if config.out is not None:
        folder = Path(config.out)
        if config.resume is None and (folder / CHECKPOINT).exists():
            raise UserError(
                f"{config.out!r} holds a run: add --resume last to continue it, or change --out"
            )
    else:
        base = Path("runs") / style_name(config.style)
        folder, number = base, 2
        while folder.exists() and any(folder.iterdir()):
            folder, number = base.with_name(f"{base.name}-{number}"), number + 1
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {str(folder)!r}: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"cannot write to {str(folder)!r}: give another --out")
    os.environ[_FOLDER_OF_RANK_0] = str(folder)
    return folder


def lightning_precision(precision: str | int, device: torch.device) -> Any:
    """Lightning's name of a precision; "auto" is bf16 where the hardware has it."""
    if precision == "auto":
        precision = choose_precision("auto", device)
    return {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}[str(precision)]


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
def _explained() -> Iterator[None]:
    """Say in one line what people can mend in what Lightning and torch raise while training."""
    try:
        with memory_explained("lower --batch-size or --size"):
            yield
    except MisconfigurationException as error:
        raise UserError(f"Lightning refuses these settings: {one_line(error)}") from error


def make_trainer(config: TrainConfig, folder: Path, options: dict[str, Any]) -> L.Trainer:
    """Lightning's Trainer with our defaults under the user's `options`.

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
    if options.get("logger") is not False:
        callbacks.append(LearningRateMonitor("step"))
    if options.get("enable_progress_bar", True) and not any(
        isinstance(callback, ProgressBar) for callback in callbacks
    ):
        callbacks.append(Progress())
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
    try:
        probe = L.Trainer(
            accelerator=config.accelerator,
            devices=_devices(config.devices),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
        )
        return L.Trainer(
            accelerator=config.accelerator,
            devices=_devices(config.devices),
            precision=lightning_precision(config.precision, probe.strategy.root_device),
            max_steps=config.steps,
            max_epochs=-1,
            **chosen,
        )
    except UserError:
        raise
    except (MisconfigurationException, ValueError, TypeError, RuntimeError, ImportError) as error:
        raise UserError(f"Lightning refuses these settings: {one_line(error)}") from error


def _make_preview(model: Path, photographs: list[Path], style: Path) -> Any:
    stylize = Stylizer(model)
    photos = [open_photograph(path, _PREVIEW_SIZE) for path in photographs]
    pairs = [[photo, stylize(photo)] for photo in photos]
    half = (len(pairs) + 1) // 2  # two pairs a row: wide sheets fit screens
    rows = [pairs[i] + (pairs[half + i] if half + i < len(pairs) else []) for i in range(half)]
    rows.append([open_photograph(style, _PREVIEW_SIZE)])
    return contact_sheet(rows, labels=("photograph", "stylized") * 2)


def train(config: TrainConfig, trainer_options: dict[str, Any] | None = None) -> TrainResult:
    """Train one style, and leave a checkpoint, an ONNX model, a preview, logs and the settings.

    Args:
        config: The settings; those of a resumed run should be its own, see `read_checkpoint`.
        trainer_options: Arguments of Lightning's Trainer that the settings do not cover.

    Raises:
        UserError: A setting cannot be used.
        TrainingDiverged: The loss is no longer finite; the last checkpoint stays.
    """
    choose("network", config.network, NETWORKS)
    check_layers(config.content_layers + config.style_layers)
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
    if config.resume is not None:
        read_checkpoint(config.resume)
    loss = build_loss(config, style)
    folder = run_folder(config)
    write_atomically(folder / SETTINGS, yaml.safe_dump(config.as_dict(), sort_keys=False).encode())
    with _quiet():
        trainer = make_trainer(config, folder, trainer_options or {})
        L.seed_everything(config.seed, verbose=False)
        module = StyleTransfer(config, loss)

        def stop() -> None:
            trainer.should_stop = True

        started = time.perf_counter()
        with _explained(), stop_on_interrupt(stop):
            trainer.fit(module, photographs, ckpt_path=config.resume, weights_only=True)
        seconds = time.perf_counter() - started
        trainer.save_checkpoint(folder / CHECKPOINT)
    model = folder / MODEL
    preview = folder / PREVIEW
    if trainer.is_global_zero:
        export(folder / CHECKPOINT, model)
        shown = [*photographs.validation_paths, *photographs.training_paths]
        shown = list(dict.fromkeys(shown))[:_PREVIEW_PHOTOGRAPHS]
        shown = [path for path in shown if str(path) not in photographs.unreadable]
        save_image(_make_preview(model, shown, style_path), preview)
    return TrainResult(
        folder,
        folder / CHECKPOINT,
        model,
        preview,
        trainer.global_step,
        seconds,
        sorted(photographs.unreadable),
        trainer.is_global_zero,
    )
