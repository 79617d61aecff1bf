"""From the identity model to a style: at each step less of the photograph, more of the painting."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from fast_nst import Stylizer
from fast_nst.assets import REFERENCE_PHOTOGRAPHS, SAMPLE_STYLE, STYLES
from fast_nst.devices import to_tensor
from fast_nst.losses import LossSettings, PerceptualLoss, build_loss, temporal_loss
from fast_nst.models.catalogue import FAST, style_files
from fast_nst.pictures.edit import from_array, resize_longest, to_array
from fast_nst.pictures.read import open_photograph, open_style
from fast_nst.training.frame_augmentation import FrameAugmentation
from scripts.style_grams import style_size

GRAMS = Path(__file__).parent / "grams"


@pytest.fixture(scope="module")
def evening() -> PerceptualLoss:
    return build_loss(
        LossSettings(style_weight=1.0),
        to_tensor(open_style(SAMPLE_STYLE, style_size(STYLES / "evening.onnx"))),
    )


def aimed_at(name: str, loss: PerceptualLoss) -> PerceptualLoss:
    """The loss with a painting's Gram matrices in place of those it has; `evening` is the sample.

    The paintings are not in the repository; `scripts/style_grams.py` says what is.
    """
    if name == "evening":
        return loss
    aimed = loss.with_style(to_tensor(open_style(SAMPLE_STYLE, 64)))
    with np.load(GRAMS / f"{name}.npz", allow_pickle=False) as factors:
        for layer in aimed.style.layers:
            factor = torch.from_numpy(factors[layer]).float()
            gram = (factor @ factor.mT)[None]
            aimed.style.get_buffer(f"gram_{layer}").copy_(gram)
            energy = gram.square().sum() / (4 * gram.shape[-1] ** 2)
            aimed.style.get_buffer(f"energy_{layer}").copy_(energy)
    return aimed


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", [path.stem for path in style_files()])
def test_style_loss_falls_and_content_loss_grows_in_ten_steps(name: str, evening: PerceptualLoss):
    loss = aimed_at(name, evening)
    stylize = Stylizer(name, detail=0)
    style, content = np.zeros(11), np.zeros(11)
    photos = [resize_longest(open_photograph(path), 256) for path in REFERENCE_PHOTOGRAPHS[:2]]
    targets = [loss.content_features(to_tensor(photo)) for photo in photos]
    for step in range(11):
        strength = step / 10
        paintings = [stylize(photo, strength=strength) for photo in photos]
        parts = [
            loss(to_tensor(each), wanted) for each, wanted in zip(paintings, targets, strict=True)
        ]
        content[step] = sum(each["content"] for each in parts)
        if strength < 0.25:  # the identity model: without the photograph's own pixels
            network = Stylizer(name, strength=strength)
            bare = [from_array(network.run(to_array(photo)[None])[0]) for photo in photos]
            parts = [
                loss(to_tensor(each), wanted) for each, wanted in zip(bare, targets, strict=True)
            ]
        style[step] = sum(each["style"] for each in parts)
    assert all(before > after for before, after in pairwise(style)), style
    assert all(before < after for before, after in pairwise(content)), content
    assert content[0] == 0
    assert style[-1] < style[0] / 2


@torch.no_grad()
def test_models_for_films_are_steadier_than_their_styles():
    """Frames that differ by a shift and noise are painted more alike."""
    augmentation = FrameAugmentation(noise=0.02, shift=3)
    for name in ("composition_vii", "udnie"):
        apart = []
        for model in (name, f"{name}{FAST}"):
            stylize = Stylizer(model, detail=0)
            rng = np.random.default_rng(0)
            for photograph in REFERENCE_PHOTOGRAPHS:
                photo = to_array(resize_longest(open_photograph(photograph), 256))
                view, other, shift = augmentation.views(photo, rng)
                first, second = (to_tensor(stylize(from_array(v))) for v in (view, other))
                apart.append(temporal_loss(first, second, torch.tensor([shift])).item())
        half = len(apart) // 2
        assert sum(apart[half:]) < 0.6 * sum(apart[:half])


def test_every_style_has_a_target():
    names = {path.stem for path in style_files()}
    assert {path.stem for path in GRAMS.glob("*.npz")} == names - {"evening"}
