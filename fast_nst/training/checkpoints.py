"""The one place that finds, reads and continues training checkpoints."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fast_nst import __version__
from fast_nst.assets import SAMPLE_STYLE
from fast_nst.errors import UserError
from fast_nst.networks import build_network
from fast_nst.training.settings import CHECKPOINT_KEY, TrainConfig

CHECKPOINT = "last.ckpt"


def read_checkpoint(path: str | os.PathLike[str]) -> tuple[nn.Module, TrainConfig, str]:
    """The trained network, the settings and the VGG-19 source of a training checkpoint.

    Raises:
        UserError: The file is missing, damaged, or a checkpoint of something else.
    """
    name = repr(os.fspath(path))
    if not Path(path).is_file():
        raise UserError(f"no checkpoint {name}: training writes one to runs/<style>/last.ckpt")
    try:
        checkpoint: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise UserError(f"{name} is not a checkpoint, or a damaged one: train again") from error
    if not isinstance(checkpoint, dict) or CHECKPOINT_KEY not in checkpoint:
        raise UserError(f"{name} is a checkpoint of something else: give one that fast-nst wrote")
    record = checkpoint[CHECKPOINT_KEY]
    try:
        config = TrainConfig(**record["config"])
        network = build_network(config.network)
        prefix = "network."
        state = {
            key.removeprefix(prefix): value
            for key, value in checkpoint["state_dict"].items()
            if key.startswith(prefix)
        }
        network.load_state_dict(state)
    except (TypeError, KeyError, RuntimeError) as error:
        raise UserError(
            f"{name} was written by fast_nst {record.get('version', '?')} and does not fit "
            f"{__version__}: export it with that version"
        ) from error
    return network.eval(), config, record["vgg_source"]


def find_checkpoint(resume: str, style: str | None, out: str | None) -> Path:
    """The checkpoint that `--resume` means.

    Args:
        resume: A file, or "last": of `out` if given, else of the style's newest run.
        style: The style image, for its name.
        out: The run's folder.

    Raises:
        UserError: There is none.
    """
    if resume != "last":
        return Path(resume)
    if out is not None:
        found = [Path(out) / CHECKPOINT]
    else:
        numbered = re.compile(re.escape(style_name(style)) + r"(-\d+)?")
        found = [
            p for p in Path("runs").glob(f"*/{CHECKPOINT}") if numbered.fullmatch(p.parent.name)
        ]
    found = [path for path in found if path.is_file()]
    if not found:
        where = out or f"runs/{style_name(style)}"
        raise UserError(
            f"nothing to resume: no {CHECKPOINT} in {where!r}; give its path to --resume"
        )
    return max(found, key=lambda path: path.stat().st_mtime)


def style_name(style: str | None) -> str:
    """What runs and models of a style image are called: the file's name."""
    return Path(style).stem if style else SAMPLE_STYLE.stem


def checkpoint_step(path: Path) -> int:
    """How many optimizer steps a checkpoint, which `read_checkpoint` accepts, has behind it."""
    return int(torch.load(path, map_location="cpu", weights_only=True)["global_step"])
