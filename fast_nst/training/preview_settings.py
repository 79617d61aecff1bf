"""The settings of a preview: names, defaults, ranges and help."""

from __future__ import annotations

from dataclasses import dataclass

from fast_nst.models.catalogue import RUNS
from fast_nst.options import check, like, option
from fast_nst.training.settings import TrainConfig

SUFFIX = "_preview"  # behind the style's name, in runs/


@dataclass(kw_only=True)
class PreviewSettings:
    """The settings of a preview."""

    style: str | None = like(TrainConfig, "style")
    photos: str | None = like(TrainConfig, "photos")
    photo: str | None = option(
        "photograph to paint on the sheet; default: the first of the training photographs", None
    )
    out: str | None = option(
        f"folder of the preview; default: {RUNS}/<style>{SUFFIX}, numbered if taken", None
    )
    steps: int = option("optimizer steps of each of the two sizes of strokes", 400, least=1)
    minutes: float = option(
        "of all; where they are too few for the steps, these are fewer, of smaller crops, but 100",
        3.0,
        above=0,
    )
    seed: int = like(TrainConfig, "seed")
    precision: str = like(TrainConfig, "precision")
    accelerator: str = like(TrainConfig, "accelerator")

    def __post_init__(self) -> None:
        """Check the values, without opening a file.

        Raises:
            UserError: A value is out of its range.
        """
        check(self)
