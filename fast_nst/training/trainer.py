"""Lightning's Trainer: our defaults, the user's arguments, its errors in one line."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import logging
import re
import threading
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback

from fast_nst.devices import explain_oom
from fast_nst.errors import UserError, choose, one_line
from fast_nst.training.callbacks import Defects, OnProgress, PreviewImages, Steps, Termination
from fast_nst.training.saving import AtomicCheckpoints, Checkpoints, Log, TensorBoardLogs
from fast_nst.training.settings import TrainConfig

_CHECKS = 10  # validations and checkpoints a run,
_CHECK_AT_LEAST_EVERY = 500  # steps, so that a long run loses little
_LIGHTNING_PRECISIONS: dict[str, Any] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
_REFUSALS = (ValueError, TypeError, RuntimeError, ImportError)  # of the Trainer's constructor
# The Trainer's arguments that settings decide -> the settings.
_OWNED = {
    "accelerator": "accelerator",
    "devices": "devices",
    "precision": "precision",
    "strategy": "strategy",
    "num_nodes": "num_nodes",
    "max_steps": "steps",
    "max_epochs": "steps",
    "default_root_dir": "out",
}


def _devices(devices: str) -> Any:
    """Lightning takes "auto", a count, or a list such as "0,2"."""
    if devices == "auto":
        return devices
    try:
        numbers = [int(part) for part in devices.split(",") if part.strip()]
        return numbers if "," in devices else numbers[0]
    except (ValueError, IndexError):
        raise UserError(
            f"devices is {devices!r}: give a count like 2, a list like 0,2 or auto", "devices"
        ) from None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence Lightning's hints for developers, and tracebacks of TensorBoard's threads."""
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    said = threading.excepthook

    def unless_logging(failure: threading.ExceptHookArgs) -> None:
        if not type(failure.thread).__module__.startswith("tensorboard."):
            said(failure)  # those of a log's thread come again where it is written to

    threading.excepthook = unless_logging
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning.*")
            yield
    finally:
        threading.excepthook = said
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def explained(*refusals: type[Exception]) -> Iterator[None]:
    """Turn the errors of Lightning and torch that a user can fix into `UserError`.

    Args:
        refusals: Errors that, besides Lightning's own, mean that settings cannot be used.

    Raises:
        UserError: In place of out-of-memory errors and refused settings.
    """
    kinds: tuple[type[Exception], ...] = (MisconfigurationException, *refusals)
    try:
        with explain_oom("lower batch_size or size", "batch_size", "size"):
            yield
    except UserError as error:
        # One that loads in a process of its own comes with the traceback there, its own line last.
        line = str(error).strip().splitlines()[-1]
        if line == str(error):
            raise
        raise UserError(line.partition("UserError: ")[2] or line) from error
    except kinds as error:
        raise UserError(f"Lightning refuses these settings: {one_line(error)}") from error


def trainer_arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Arguments of Lightning's Trainer from YAML, with objects made of `class_path` entries.

    Raises:
        UserError: The Trainer has no such argument, an object cannot be made, or the settings
            have another name for the argument.
    """
    hints = get_type_hints(L.Trainer.__init__)
    known = [name for name in inspect.signature(L.Trainer).parameters if name not in _OWNED]
    for name in given:
        if name in _OWNED:
            owner = _OWNED[name]
            raise UserError(f"trainer.{name} is not to be set: give {owner} instead", owner)
        choose("argument of trainer", name, known)
    try:
        found = {name: _instantiated(value) for name, value in given.items()}
    except (AttributeError, MisconfigurationException, *_REFUSALS) as error:
        raise UserError(f"trainer: {one_line(error)}") from error
    for name, value in found.items():
        if not _fits(value, hints[name]):
            raise UserError(f"trainer.{name} is {value!r}: Lightning takes {_shown(hints[name])}")
    return found


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the type that a hint stands for."""
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if kind is Literal:
        return value in parts
    if isinstance(value, bool | str):
        return kind is type(value)
    if kind is float:
        return isinstance(value, int | float)
    is_kind = isinstance(value, kind)
    return all(_fits(item, parts[0]) for item in value) if is_kind and kind is list else is_kind


def _shown(hint: Any) -> str:
    """A type as people read it: without modules."""
    return re.sub(r"[\w.]+\.(\w+)|<class '(?:\w+\.)*(\w+)'>", r"\1\2", str(hint))


def _instantiated(value: Any) -> Any:
    """A value from YAML; `class_path` and `init_args` stand for an object, as in LightningCLI."""
    if isinstance(value, list):
        return [_instantiated(item) for item in value]
    if not isinstance(value, dict):
        return value
    values = {name: _instantiated(item) for name, item in value.items()}
    if "class_path" not in value:
        return values
    module, _, name = str(value["class_path"]).rpartition(".")
    if not module:
        raise ValueError(f"class_path {name!r} names no module: give module.Class")
    return getattr(importlib.import_module(module), name)(**(values.get("init_args") or {}))


def checks_every(config: TrainConfig) -> int:
    """Steps from one validation and checkpoint to the next."""
    return max(1, min(config.steps // _CHECKS, _CHECK_AT_LEAST_EVERY))


def make_trainer(
    config: TrainConfig,
    folder: Path,
    options: dict[str, Any],
    checkpoints: Checkpoints,
    on_progress: OnProgress | None = None,
    log: Log | None = None,
) -> L.Trainer:
    """Lightning's Trainer with our defaults under the user's `options`.

    Args:
        config: The settings, with a precision other than "auto".
        folder: The run's folder.
        options: Arguments of the Trainer.
        checkpoints: The callback that saves checkpoints.
        on_progress: As `train` takes it.
        log: As `train` takes it.

    Raises:
        UserError: Lightning refuses a value, or the accelerator is not there.
    """
    callbacks: list[Callback] = [
        checkpoints,
        Termination(),
        PreviewImages(),
        Defects(),
        *(options.get("callbacks") or []),
    ]
    if on_progress is not None:
        callbacks.append(Steps(on_progress))
    defaults: dict[str, Any] = {
        "logger": _logs(folder, log),
        # Lightning counts batches here.
        "val_check_interval": checks_every(config) * (options.get("accumulate_grad_batches") or 1),
        "check_val_every_n_epoch": None,
        "num_sanity_val_steps": 0,
        "log_every_n_steps": max(1, min(50, config.steps // 100)),
        "gradient_clip_val": 1.0,
        "benchmark": not options.get("deterministic"),  # every step has the same shapes
        "strategy": config.strategy,
        "num_nodes": config.num_nodes,
        "use_distributed_sampler": False,  # the samples are shared out in data.py
        "enable_model_summary": False,
        "default_root_dir": folder,
    }
    plugins = [AtomicCheckpoints(log), *(options.get("plugins") or [])]
    chosen = {**defaults, **options, "callbacks": callbacks, "plugins": plugins}
    chosen["enable_progress_bar"] = False  # `on_progress` shows the steps
    with explained(*_REFUSALS):
        return L.Trainer(
            accelerator=config.accelerator,
            devices=_devices(config.devices),
            precision=_LIGHTNING_PRECISIONS[config.precision],
            max_steps=config.steps,
            max_epochs=-1,
            **chosen,
        )


def _logs(folder: Path, log: Log | None) -> TensorBoardLogs | Literal[False]:
    """TensorBoard's logs, which need a folder whose name is UTF-8."""
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        if log is not None:
            log(f"{str(folder)!r} is no name in UTF-8, which TensorBoard needs: it gets no logs")
        return False
    return TensorBoardLogs(folder, log)


def root_device(config: TrainConfig) -> tuple[torch.device, int]:
    """The device that Lightning will take for these settings, and of how many it is the first."""
    with explained(*_REFUSALS):
        probe = L.Trainer(
            accelerator=config.accelerator,
            devices=_devices(config.devices),
            strategy=config.strategy,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
        )
    return probe.strategy.root_device, probe.num_devices * config.num_nodes
