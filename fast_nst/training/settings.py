"""The settings of a training run: names, defaults, ranges and help.

The flags of `fast-nst train` and the keys of its YAML files are made from `TrainConfig`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fast_nst import choices
from fast_nst.assets import STARTS
from fast_nst.loss_settings import LossSettings
from fast_nst.models.geometry import GEOMETRIES
from fast_nst.options import option, ordered_fields

SCRATCH, BASE = "scratch", "base"
PRECISIONS = (*choices.PRECISIONS, "16")


def plain(trainer: dict[str, Any]) -> dict[str, Any]:
    """The Trainer arguments that are plain values, which checkpoints and YAML can hold."""
    kinds = (str, int, float, bool, type(None))
    return {name: value for name, value in trainer.items() if isinstance(value, kinds)}


@dataclass(kw_only=True)
class Recipe(LossSettings):
    """Recipe: network, initial weights and optimization, besides the loss.

    The defaults train a style in minutes on two CPU cores; `configs/` has the gallery's longer
    recipes.
    """

    network: str = option(
        "network to train: fine paints best, fast is for video, johnson is the published one",
        "fine",
        choices=GEOMETRIES,
    )
    init: str | None = option(
        "initial weights: base (pretrained on no style in particular; average means the same), "
        "photograph (the identity model, which returns its input), scratch (random), a style's "
        "name, an exported .onnx file or a checkpoint; default: base, for johnson scratch",
        None,
        former=("start",),
    )
    steps: int = option(
        "optimizer steps; unless they or minutes are given, on one device no more than 3 minutes "
        "allow, but at least 100",
        600,
        least=1,
    )
    minutes: float | None = option(
        "duration of the steps, start and export are extra: a few steps are timed, and as many as "
        "fit are made, of 224 px crops, or smaller ones for at least 150 steps; steps or size are "
        "kept if given. Slower than planned, the run still ends near the time",
        None,
        above=0,
    )
    batch_size: int = option("photographs a step", 1, least=1)
    size: int = option("side of the square training crop, in px", 224, least=32, metavar="PX")
    style_size: int = option(
        "shorter side to which the style image is resized, in px, enlarged at most twofold: larger "
        "for larger strokes",
        448,
        least=32,
        metavar="PX",
    )
    lr: float = option(
        "peak learning rate of Adam; a warm-up and a cosine surround it", 3e-3, above=0
    )
    steady: float = option(
        "weight of the temporal loss, for consistent video: the difference between the paintings "
        "of two consecutive frames, which are made of each photograph; 0 disables it, 100 is "
        "strong",
        0.0,
        least=0,
        most=1e6,
    )
    steady_noise: float = option(
        "frame augmentation: noise of the second frame, and of its brightness, as a share of the "
        "range",
        0.03,
        least=0,
        most=1,
    )
    steady_shift: int = option(
        "frame augmentation: largest translation of the second frame, in px",
        0,
        least=0,
        most=16,
        metavar="PX",
    )
    seed: int = option(
        "seed of the weights, photographs, crops, flips and noise", 0, least=0, most=2**32 - 1
    )
    precision: str = option(
        "arithmetic; auto takes the faster of 32 and bf16 on this machine",
        "auto",
        choices=PRECISIONS,
    )
    trainer: dict[str, Any] = option(
        "anything else that Lightning's Trainer takes, for example --trainer.max_time 00:01:00:00",
        {},
        metavar="KEY=VALUE",
    )

    @property
    def resolved_init(self) -> str:
        """`init`, or the network's default."""
        return self.init or (BASE if self.network in STARTS else SCRATCH)

    def recipe(self) -> dict[str, Any]:
        """Plain values by name, for a model's metadata; files by their names, without folders."""
        recipe = {item.name: getattr(self, item.name) for _, item in ordered_fields(Recipe)}
        del recipe["init"]
        recipe["start"] = Path(self.resolved_init).name  # the key that model files have always had
        recipe["vgg"] = Path(self.vgg).name
        recipe["trainer"] = plain(self.trainer)
        return recipe


@dataclass(kw_only=True)
class TrainConfig(Recipe):
    """Files and devices of a training run."""

    style: str | None = option(
        "style image, at least 32 px; default: the sample painting in the package", None
    )
    photos: str | None = option(
        "folder of training photographs, flat or nested; default: the samples in the package", None
    )
    out: str | None = option("folder of the run; default: runs/<style>, numbered if taken", None)
    resume: str | None = option(
        "checkpoint to continue with its own settings, or `last` for the newest run", None
    )
    from_preview: int | None = option(
        "continue from this tile of the style's newest preview, at its size of strokes",
        None,
        least=1,
        metavar="N",
    )
    title: str | None = option("title of the style, kept in the model; default: file name", None)
    artist: str = option("who made the style image, kept in the model", "")
    year: str = option("when it was made, kept in the model", "")
    licence: str = option("licence of the style image, kept in the model", "")
    photos_source: str = option(
        "source and terms of the training photographs, kept in the model; default: of the samples",
        "",
    )
    accelerator: str = option("device kind, as Lightning names it: auto, cpu, gpu, mps", "auto")
    devices: str = option("how many devices, or which: 2, or 0,2 or auto", "auto")
    strategy: str = option(
        "how several devices share the work, as Lightning names it: auto, ddp, ...", "auto"
    )
    num_nodes: int = option(
        "machines that train together; each runs this command, see the README", 1, least=1
    )
    workers: int | None = option(
        "processes that load photographs; default: 0 on a CPU, up to 8 on an accelerator",
        None,
        least=0,
    )

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name, as YAML and checkpoints hold them."""
        values = dataclasses.asdict(self)
        return {item.name: values[item.name] for _, item in ordered_fields(TrainConfig)}


def given_values(settings: TrainConfig | Mapping[str, Any]) -> dict[str, Any]:
    """The values that were given: a mapping's own; of a `TrainConfig`, those that are no default.

    A mapping can also give a value that equals the default, to replace that of a checkpoint.
    """
    if isinstance(settings, Mapping):
        return dict(settings)
    defaults = TrainConfig().as_dict()
    return {name: v for name, v in settings.as_dict().items() if v != defaults[name]}
