"""Two views of a crop, as neighbouring frames show it, and how far their paintings agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fast_nst.losses import PerceptualLoss, temporal_loss
from fast_nst.training.checkpoints import read_checkpoint
from fast_nst.training.data import Batch, Crops, Photographs, ValidationBatch
from fast_nst.training.frame_augmentation import FrameAugmentation
from fast_nst.training.module import StyleTransfer
from fast_nst.training.run import fit
from fast_nst.training.settings import TrainConfig
from fast_nst.vgg import VGG19


def gradient(side: int) -> np.ndarray:
    """A picture whose red is its x and green its y."""
    y, x = np.mgrid[0:side, 0:side]
    return np.stack([x, y, 0 * x], axis=-1).astype(np.uint8)


def test_temporal_loss_is_the_mean_square():
    ones, halves = torch.ones(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.5)
    still = torch.zeros(2, 2, dtype=torch.int64)
    assert temporal_loss(ones, ones, still) == 0
    assert temporal_loss(ones, halves, still) == 0.25


def test_the_other_view_lies_where_its_shift_says():
    augmentation = FrameAugmentation(noise=0, shift=3)
    seen = set()
    for seed in range(200):
        rng = np.random.default_rng(seed)
        view, other, (down, right) = augmentation.views(gradient(46), rng)
        assert view.shape == other.shape == (40, 40, 3)
        assert tuple(view[0, 0, :2]) == (3, 3)
        assert tuple(other[0, 0, :2]) == (3 + right, 3 + down)
        seen.add((down, right))
    assert (0, 0) not in seen
    assert {d for d, _ in seen} == {r for _, r in seen} == set(range(-3, 4))


def test_noise_and_brightness_have_their_strength():
    grey = np.full((256, 256, 3), 128, np.uint8)
    brightness, spread = [], []
    for seed in range(100):
        _, other, shift = FrameAugmentation(0.02, 0).views(grey, np.random.default_rng(seed))
        assert shift == (0, 0)
        brightness.append(other.mean() - 128)
        spread.append(other.std())
    assert np.std(brightness) == pytest.approx(0.02 * 255, rel=0.2)
    assert np.mean(spread) == pytest.approx(0.02 * 255, rel=0.02)
    dark = FrameAugmentation(0.5, 0).views(0 * grey, np.random.default_rng(0))[1]
    assert dark.min() == 0


@pytest.mark.parametrize("shift", [(0, 0), (2, -3), (-1, 0), (3, 3)])
def test_paintings_that_move_with_the_picture_agree(shift: tuple[int, int]):
    down, right = shift
    scene = torch.rand(2, 3, 30, 30)
    first = scene[..., 5:25, 5:25]
    other = scene[..., 5 + down : 25 + down, 5 + right : 25 + right]
    shifts = torch.tensor([shift, shift])
    assert temporal_loss(first, other, shifts) == 0
    assert temporal_loss(first, other + 0.5, shifts).item() == pytest.approx(0.25)
    if shift != (0, 0):
        assert temporal_loss(first, other, -shifts) > 0.01


def test_crops_come_in_pairs_that_seed_and_number_decide(tmp_path: Path):
    Image.fromarray(gradient(120)).save(tmp_path / "a.png")
    pairs = [Crops([tmp_path / "a.png"], 32, 5, FrameAugmentation(0.02, 2))[7] for _ in range(2)]
    assert torch.equal(pairs[0].crop, pairs[1].crop)
    assert torch.equal(pairs[0].other, pairs[1].other)
    assert pairs[0].shift == pairs[1].shift != (0, 0)
    assert pairs[0].crop.shape == pairs[0].other.shape == (3, 32, 32)
    assert not torch.equal(pairs[0].crop, pairs[0].other)
    assert Crops([tmp_path / "a.png"], 32, 5)[7].other is None


def test_batches_carry_the_pairs(photographs: Path):
    data = Photographs(photographs, 40, 2, 1, augmentation=FrameAugmentation(0, 1))
    batch = data.on_after_batch_transfer(
        data.on_before_batch_transfer(next(iter(data.train_dataloader())), 0), 0
    )
    assert batch.others.shape == batch.photographs.shape == (2, 3, 40, 40)
    assert batch.others.dtype == torch.float32
    assert batch.others.max() <= 1
    assert temporal_loss(batch.photographs, batch.others, batch.shifts) == 0


def test_a_step_adds_the_weighted_disagreement():
    torch.manual_seed(0)
    layers = ("relu1_1",)
    loss = PerceptualLoss(VGG19(layers), torch.rand(1, 3, 40, 40), layers, layers, 1.0, 5.0, 0.1)
    module = StyleTransfer(TrainConfig(steady=20.0), loss)
    logged: dict[str, torch.Tensor] = {}
    module.log_dict = logged.update
    photographs, noise = torch.rand(1, 3, 48, 48), torch.randn(1, 1, 12, 12)
    others, shifts = torch.rand(1, 3, 48, 48), torch.tensor([[1, -2]])
    total = module.training_step(Batch(photographs, noise, others, shifts), 0)
    paintings, painted_others = module(photographs, noise), module(others, noise)
    weighted = 20 * temporal_loss(paintings, painted_others, shifts)
    plain = module.losses(photographs, paintings)["total"]
    assert weighted > 0.01
    assert total.item() == pytest.approx((plain + weighted).item(), rel=1e-6)
    assert logged["train/steady"].item() == pytest.approx(weighted.item(), rel=1e-6)


def test_validation_measures_what_is_trained():
    torch.manual_seed(0)
    layers = ("relu1_1",)
    loss = PerceptualLoss(VGG19(layers), torch.rand(1, 3, 40, 40), layers, layers, 1.0, 5.0, 0.1)
    module = StyleTransfer(TrainConfig(steady=20.0), loss).eval()
    logged: dict[str, torch.Tensor] = {}
    module.log_dict = lambda values, batch_size: logged.update(values)
    photographs, others = torch.rand(2, 1, 3, 48, 48)
    shifts = torch.tensor([[1, -2]])
    paintings = module.validation_step(ValidationBatch(photographs, others, shifts), 0)
    weighted = 20 * temporal_loss(paintings, module(others), shifts)
    plain = module.losses(photographs, paintings)["total"]
    assert weighted > 0.01
    assert logged["val/steady"].item() == pytest.approx(weighted.item(), rel=1e-6)
    assert logged["val/total"].item() == pytest.approx((plain + weighted).item(), rel=1e-6)


def test_validation_photographs_come_with_a_fixed_second_view(tmp_path: Path):
    for number in range(8):  # a quarter is held out
        Image.fromarray(gradient(60 + number)).save(tmp_path / f"{number}.png")
    batches = []
    for seed in (1, 2):
        data = Photographs(tmp_path, 40, 2, 1, seed=seed, augmentation=FrameAugmentation(0.02, 3))
        loader = iter(data.val_dataloader())
        batches.append(data.on_before_batch_transfer(next(loader), 0))
    one, again = batches
    assert torch.equal(one.others, again.others)
    assert torch.equal(one.shifts, again.shifts)
    assert one.photographs.shape == one.others.shape == (2, 3, 40, 40)
    assert not torch.equal(one.shifts[0], one.shifts[1])
    scaled = data.on_after_batch_transfer(one, 0)
    assert torch.equal(scaled.others, one.others / 255)


def test_the_best_checkpoint_is_the_steadier_one(photographs: Path, tmp_path: Path):
    """By the picture's loss alone it would be another, from before the network is calm."""
    config = TrainConfig(
        photos=str(photographs),
        out=str(tmp_path),
        network="fast",
        style_layers=["relu1_1", "relu2_1"],
        content_layers=["relu2_1"],
        precision="32",
        steps=40,
        size=32,
        style_size=32,
        steady=1e4,
        steady_noise=0.2,
        steady_shift=1,
    )
    fitted = fit(config)
    log = EventAccumulator(str(tmp_path / "tensorboard"), {"scalars": 0})
    log.Reload()
    found = {
        part: {event.step: event.value for event in log.Scalars(f"val/{part}")}
        for part in ("content", "style", "tv", "steady", "total")
    }
    pictures = {
        step: sum(found[p][step] for p in ("content", "style", "tv")) for step in found["tv"]
    }
    for step, total in found["total"].items():
        assert total == pytest.approx(pictures[step] + found["steady"][step], rel=1e-5)
    best = min(found["total"], key=found["total"].__getitem__)
    assert best != min(pictures, key=pictures.__getitem__)
    assert read_checkpoint(fitted.best).step == best + 1  # Lightning logs it under the step before
    assert fitted.validation_loss == pytest.approx(found["total"][best], rel=1e-6)
