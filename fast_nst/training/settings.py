"""The settings of a training run: the one place that knows their names, defaults and meanings.

The flags of `fast-nst train`, the keys of the YAML files and the text of `--help` are made from
`TrainConfig`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fast_nst import devices
from fast_nst.assets import STARTS
from fast_nst.losses import LossSettings
from fast_nst.networks import NETWORKS
from fast_nst.options import option, ordered_fields

SCRATCH, BASE = "scratch", "base"
PRECISIONS = (*devices.PRECISIONS, "16")


def plain(trainer: dict[str, Any]) -> dict[str, Any]:
    """The Trainer arguments that are plain values, which files can keep and give back."""
    kinds = (str, int, float, bool, type(None))
    return {name: value for name, value in trainer.items() if isinstance(value, kinds)}


@dataclass(kw_only=True)
class Recipe(LossSettings):
    """What decides the picture, next to the loss.

    The defaults make a style of anybody's painting in minutes of two CPU cores. `configs/` has the
    longer recipes of the gallery.
    """

    network: str = option(
        "network to train: fine paints best, fast is for films, johnson is the published one",
        "fine",
        choices=NETWORKS,
    )
    start: str | None = option(
        "where the weights come from: base (which paints no style in particular; average means the "
        "same), photograph, scratch, a style's name, an exported .onnx file or a checkpoint; "
        "default: base, for johnson scratch",
        None,
    )
    steps: int = option("optimizer steps", 600, least=1)
    batch_size: int = option("photographs a step", 1, least=1)
    size: int = option("side of the square training crop, in px", 224, least=32, metavar="PX")
    style_size: int = option(
        "shorter side of the style image, in px, if it has as many: larger for larger strokes",
        448,
        least=32,
        metavar="PX",
    )
    lr: float = option(
        "peak learning rate of Adam; a warm-up and a cosine surround it", 3e-3, above=0
    )
    steady: float = option(
        "for video: weight of the difference between the paintings of two neighbouring frames, "
        "which training makes of each photograph; 0 saves its time, 100 is steady",
        0.0,
        least=0,
        most=1e6,
    )
    steady_noise: float = option(
        "noise of the second frame, and of its brightness, as a share of the range",
        0.03,
        least=0,
        most=1,
    )
    steady_shift: int = option(
        "how far the second frame moves at most, in px", 0, least=0, most=16, metavar="PX"
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
    )

    @property
    def chosen_start(self) -> str:
        """What `start` says, or the network's own default."""
        return self.start or (BASE if self.network in STARTS else SCRATCH)

    def recipe(self) -> dict[str, Any]:
        """Plain values by name: what a reader needs to train the like. No path of a machine."""
        recipe = {item.name: getattr(self, item.name) for _, item in ordered_fields(Recipe)}
        recipe["start"] = Path(self.chosen_start).name
        recipe["vgg"] = Path(self.vgg).name
        recipe["trainer"] = plain(self.trainer)
        return recipe


@dataclass(kw_only=True)
class TrainConfig(Recipe):
    """One training run: what it reads, where it goes, where it runs."""

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
        "go on from this tile of the style's newest `fast-nst preview`, at its size of strokes",
        None,
        least=1,
        metavar="N",
    )
    title: str | None = option("title of the style, kept in the model; default: file name", None)
    artist: str = option("who made the style image, kept in the model", "")
    year: str = option("when it was made, kept in the model", "")
    licence: str = option("licence of the style image, kept in the model", "")
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

    def __new__(cls, **given: Any) -> TrainConfig:
        """Remember what was given, as opposed to left at its default, for `given`."""
        config = super().__new__(cls)
        vars(config)["_given"] = tuple(given)
        return config

    def given(self) -> dict[str, Any]:
        """The values that were asked for, also by assignment: they beat those of a checkpoint."""
        values, defaults = self.as_dict(), TrainConfig().as_dict()
        asked = vars(self)["_given"]
        return {k: v for k, v in values.items() if k in asked or v != defaults[k]}

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name, as YAML and checkpoints hold them."""
        values = dataclasses.asdict(self)
        return {item.name: values[item.name] for _, item in ordered_fields(TrainConfig)}
