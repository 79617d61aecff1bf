"""What is minimised: formulas (`functions`), weighted terms (`terms`), their sum (`perceptual`)."""

from fast_nst.loss_settings import (
    CLASSIC_STYLE_LAYERS,
    PARTS,
    STYLE_LAYERS,
    LossSettings,
)
from fast_nst.losses.functions import (
    content_loss,
    gram_matrix,
    style_loss,
    temporal_loss,
    total_variation,
)
from fast_nst.losses.perceptual import PerceptualLoss, build_loss
from fast_nst.losses.terms import ContentLoss, GramStyleLoss, TemporalLoss, TotalVariationLoss

__all__ = [
    "CLASSIC_STYLE_LAYERS",
    "PARTS",
    "STYLE_LAYERS",
    "ContentLoss",
    "GramStyleLoss",
    "LossSettings",
    "PerceptualLoss",
    "TemporalLoss",
    "TotalVariationLoss",
    "build_loss",
    "content_loss",
    "gram_matrix",
    "style_loss",
    "temporal_loss",
    "total_variation",
]
