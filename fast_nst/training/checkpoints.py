"""Find, read and resume training checkpoints."""

from __future__ import annotations

import hashlib
import os
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from fast_nst.assets import SAMPLE_STYLE
from fast_nst.errors import UserError
from fast_nst.models.catalogue import RUNS, runs_of
from fast_nst.networks import ImageTransformation, build_network
from fast_nst.options import renamed
from fast_nst.training.defects import Reference
from fast_nst.training.settings import TrainConfig
from fast_nst.version import __version__

CHECKPOINT = "last.ckpt"
BEST = "best.ckpt"  # by the validation loss
RECORD = "fast_nst"  # the key of our entries in a Lightning checkpoint
SAMPLES_TERMS = "the samples of fast_nst: CC0-1.0 and public domain"
_INITIAL = "; initial weights: "  # between the photographs of a training and those before


@dataclass(frozen=True)
class Checkpoint:
    """A training checkpoint, read.

    Attributes:
        network: Trained, in evaluation mode: (N, 3, H, W) in [0, 1] to the same.
        config: The run's settings.
        step: Optimizer steps done.
        vgg_source: Where the VGG-19 of the loss came from.
        vgg_scales: Layer name -> what its activations were divided by.
        style_sha256: Of the style image's file.
        initialization: What training started from, see `Initialization.record`.
        identity_sha256: See `Initialization`.
        recoveries: Divergence recoveries so far; each halved the learning rate.
        style_reference: Of the style image, for the image defects; older checkpoints have none.
    """

    network: ImageTransformation
    config: TrainConfig
    step: int
    vgg_source: str
    vgg_scales: dict[str, float]
    style_sha256: str
    initialization: dict[str, Any] = field(default_factory=dict)
    identity_sha256: str = ""
    recoveries: int = 0
    style_reference: Reference | None = None

    @property
    def photographs(self) -> str:
        """The photographs and terms of this run, and those of its initial weights."""
        own = self.config.photos_source or ("" if self.config.photos else SAMPLES_TERMS)
        return joined_photographs(own, self.initialization.get("photographs", ""))


def joined_photographs(own: str, before: str) -> str:
    """The photographs and terms of a training, and those of its initial weights.

    Args:
        own: Those of the training; "" if not recorded.
        before: Those of its initial weights, which may themselves be joined; "" if there are none.
    """
    if own and own in before.split(_INITIAL):
        return before
    return f"{own or 'not recorded'}{_INITIAL}{before}" if before else own


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A training checkpoint as Lightning wrote it, its tensors on the CPU.

    Raises:
        UserError: The file is missing, damaged, or a checkpoint of something else.
    """
    name = repr(os.fspath(path))
    if not Path(path).is_file():
        raise UserError(f"no checkpoint {name}: training writes one to {RUNS}/<style>/{CHECKPOINT}")
    try:
        checkpoint: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise UserError(f"{name} is not a checkpoint, or a damaged one: train again") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get(RECORD), dict):
        raise UserError(f"{name} is a checkpoint of something else: give one that fast-nst wrote")
    return checkpoint


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a training checkpoint.

    Raises:
        UserError: As `load` raises it, or an earlier version's.
    """
    checkpoint = load(path)
    record = checkpoint[RECORD]
    try:
        config = TrainConfig(**renamed(TrainConfig, record["config"]))
        network = build_network(config.network)
        prefix = "network."
        state = {
            key.removeprefix(prefix): value
            for key, value in checkpoint["state_dict"].items()
            if key.startswith(prefix)
        }
        network.load_state_dict(state)
        reference = record.get("style_reference")
        return Checkpoint(
            network.eval(),
            config,
            int(checkpoint["global_step"]),
            record["vgg_source"],
            record.get("vgg_scales", {}),
            record.get("style_sha256", ""),
            record.get("start", {}),
            record.get("root", ""),
            int(record.get("halvings", 0)),
            None if reference is None else Reference.from_json(reference),
        )
    except (TypeError, KeyError, ValueError, RuntimeError) as error:
        version = record.get("version", "?")
        raise UserError(
            f"{os.fspath(path)!r} was written by fast_nst {version} and does not fit "
            f"{__version__}: export it with that version, models stay usable, or train again"
        ) from error


def style_path(style: str | None) -> Path:
    """The style image's file; None is the sample in the package."""
    return Path(style) if style else SAMPLE_STYLE


def style_name(style: str | None) -> str:
    """The name of a style image's runs and models: that of its file, without suffix."""
    return style_path(style).stem


def readable(name: str) -> str:
    """A name with what cannot be encoded as UTF-8 replaced.

    Python keeps the bytes of a file's name that its locale cannot read as lone surrogates, which
    neither YAML nor a model's metadata can hold.
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def style_digest(style: str | None) -> str:
    """SHA-256 of the style image's file.

    Raises:
        UserError: It cannot be read.
    """
    path = style_path(style)
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"cannot read {str(path)!r}: {error.strerror}") from error


def find_checkpoint(resume: str, style: str | None, out: str | None) -> Path:
    """The checkpoint that `--resume` means.

    Args:
        resume: A file, or "last": of `out` if given, else of the style's newest run, or without a
            style of the newest run of all.
        style: The style image, for its name.
        out: The run's folder.

    Raises:
        UserError: There is none.
    """
    if resume != "last":
        return Path(resume)
    if out is not None:
        found = [Path(out) / CHECKPOINT]
        found = [path for path in found if path.is_file()]
    elif style is not None:
        found = runs_of(style_name(style), CHECKPOINT)
    else:
        found = sorted(RUNS.glob(f"*/{CHECKPOINT}"), key=lambda path: path.stat().st_mtime)
    if not found:
        where = out or str(RUNS if style is None else RUNS / style_name(style))
        raise UserError(
            f"nothing to resume: no {CHECKPOINT} in {where!r}; give its path as resume, or the "
            "run's style or out",
            "resume",
            "style",
            "out",
        )
    return found[-1]
