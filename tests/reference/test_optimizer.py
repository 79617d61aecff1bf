"""The reference path on pictures small enough to know what must happen."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from fast_nst.errors import UserError
from fast_nst.losses import PARTS, PerceptualLoss
from fast_nst.reference.optimizer import OptimizationDiverged, iterates, optimize
from fast_nst.training.module import StyleTransfer
from fast_nst.training.settings import TrainConfig
from fast_nst.vgg import VGG19

LAYERS = ("relu1_1", "relu2_1")


def smooth(seed: int, height: int = 40, width: int = 48) -> Tensor:
    coarse = torch.rand(1, 3, 7, 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")


@pytest.fixture(scope="module")
def vgg() -> VGG19:
    return VGG19((*LAYERS, "relu2_2"))


def make_loss(vgg: VGG19, style: Tensor, **weights: float) -> PerceptualLoss:
    chosen = {"content_weight": 1.0, "style_weight": 5.0, "tv_weight": 0.1, **weights}
    return PerceptualLoss(vgg, style, ["relu2_2"], LAYERS, **chosen)


@pytest.fixture(scope="module")
def loss(vgg: VGG19) -> PerceptualLoss:
    return make_loss(vgg, smooth(1, 50, 30))


def totals(result) -> list[float]:
    return [item.losses["total"] for item in result.history]


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_the_loss_goes_down(loss: PerceptualLoss, optimizer: str, precision: str):
    result = optimize(smooth(0), None, loss, steps=40, optimizer=optimizer, precision=precision)
    values = totals(result)
    windows = [min(values[i : i + 10]) for i in range(0, 40, 10)]
    assert all(later < earlier for earlier, later in itertools.pairwise(windows))
    assert windows[-1] < 0.6 * values[0]
    assert result.best.losses["total"] == min(values)
    assert result.picture.min() >= 0
    assert result.picture.max() <= 1
    assert len(values) == 41


@pytest.mark.integration
@pytest.mark.parametrize("precision", ["32", pytest.param("bf16", marks=pytest.mark.slow)])
def test_the_projection_does_not_mislead_lbfgs(vgg: VGG19, precision: str):
    """A style of hard black and white holds many pixels at the limits, for long."""
    style = (smooth(1, 50, 30) * 4 - 1.5).clamp(0, 1)
    result = optimize(smooth(5), None, make_loss(vgg, style), steps=300, precision=precision)
    values = totals(result)
    assert ((result.picture == 0) | (result.picture == 1)).float().mean() > 0.1
    assert max(values[100:]) < 1.1 * min(values)
    assert all(later < 1.05 * earlier for earlier, later in itertools.pairwise(values[10:]))


def test_history_parts_belong_to_the_picture_that_the_callback_sees(loss: PerceptualLoss):
    photo, seen = smooth(0), []
    result = optimize(
        photo, None, loss, steps=3, precision="32", on_progress=lambda i, p: seen.append((i, p))
    )
    features = loss.content_features(photo)
    for item, picture in seen:
        parts = loss(picture, features)
        for name in PARTS:
            assert item.losses[name] == pytest.approx(parts[name].item(), rel=1e-5, abs=1e-9)
        assert (item.width, item.height) == (48, 40)
    assert [item for item, _ in seen] == result.history
    torch.testing.assert_close(seen[0][1], photo, rtol=0, atol=0)  # untouched by later steps
    seconds = [item.seconds for item in result.history]
    assert seconds == sorted(seconds)


@torch.no_grad()
def test_the_optimizer_and_training_give_the_identical_number(loss: PerceptualLoss):
    module = StyleTransfer(TrainConfig(), loss)
    photo = smooth(0).contiguous(memory_format=torch.channels_last)  # as the data module gives it
    for network in (module, torch.nn.Identity()):
        painting = network(photo)
        assert painting.min() >= 0
        assert painting.max() <= 1  # the optimizer clips nothing that a network paints
        trained = {name: part.item() for name, part in module.losses(photo, painting).items()}
        start = optimize(photo, None, loss, init=painting, steps=0, precision="32").history[0]
        assert start.losses == trained


def test_a_style_that_is_the_content_has_no_style_loss(vgg: VGG19):
    photo = smooth(0)
    start = optimize(photo, None, make_loss(vgg, photo), steps=0, precision="32").history[0]
    assert start.losses["style"] == 0
    assert start.losses["content"] == 0


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_start_at_the_optimum_stays_there(vgg: VGG19, optimizer: str):
    flat = torch.full((1, 3, 32, 32), 0.4)  # no variation either: a total of zero
    loss = make_loss(vgg, flat)
    result = optimize(flat, None, loss, steps=10, optimizer=optimizer, precision="32")
    assert max(totals(result)) < 1e-6
    assert (result.picture - flat).abs().max() < 1e-3


def test_starts(loss: PerceptualLoss):
    photo, other = smooth(0), smooth(3)
    options = {"steps": 0, "precision": "32"}
    assert torch.equal(optimize(photo, None, loss, **options).picture, photo)
    assert torch.equal(optimize(photo, None, loss, init=other, **options).picture, other)
    small = optimize(photo, None, loss, init=other[..., :20, :24], **options).picture
    assert small.shape == photo.shape
    first = optimize(photo, None, loss, init="noise", seed=1, **options).picture
    again = optimize(photo, None, loss, init="noise", seed=1, **options).picture
    third = optimize(photo, None, loss, init="noise", seed=2, **options).picture
    assert torch.equal(first, again)
    assert not torch.equal(first, third)
    assert first.mean() == pytest.approx(0.5, abs=0.02)
    assert first.std() == pytest.approx(math.sqrt(1 / 12), abs=0.01)


def test_runs_repeat_to_the_bit(loss: PerceptualLoss):
    first, second = (optimize(smooth(0), None, loss, steps=4).picture for _ in range(2))
    assert torch.equal(first, second)


def test_scales_go_from_coarse_to_fine(vgg: VGG19):
    photo, style = smooth(0, 65, 130), smooth(1, 64, 64)
    loss = make_loss(vgg, style)
    seen = []
    result = optimize(
        photo, style, loss, steps=5, scales=3, on_progress=lambda i, p: seen.append(p.shape[-2:])
    )
    sizes = [(item.scale, item.width, item.height) for item in result.history]
    assert sizes == [(0, 32, 16)] * 6 + [(1, 65, 32)] * 6 + [(2, 130, 65)] * 6
    assert seen[0] == (16, 32)
    assert seen[-1] == (65, 130)
    assert result.picture.shape == photo.shape
    assert result.best.scale == 2
    # The finest scale starts from what the coarser ones found, which beats the photograph.
    assert totals(result)[12] < optimize(photo, None, loss, steps=0).best.losses["total"]


def test_the_style_shrinks_with_the_scale(vgg: VGG19):
    style = smooth(1, 64, 64)
    loss = make_loss(vgg, style)
    coarse = optimize(smooth(0, 64, 64), style, loss, steps=0, scales=2, precision="32").history[0]
    half = torch.nn.functional.interpolate(style, (32, 32), mode="bicubic", antialias=True)
    halved = torch.nn.functional.interpolate(
        smooth(0, 64, 64), (32, 32), mode="bicubic", antialias=True
    )
    direct = optimize(halved, None, make_loss(vgg, half.clamp(0, 1)), steps=0, precision="32")
    assert coarse.losses == pytest.approx(direct.history[0].losses, rel=1e-5)


def test_a_callback_can_stop_it(loss: PerceptualLoss):
    result = optimize(smooth(0), None, loss, steps=50, on_progress=lambda item, _: item.step == 7)
    assert len(result.history) == 8
    assert result.best.losses["total"] == min(totals(result))


class Exploding(PerceptualLoss):
    """A loss that is no number from its nth call on, `times` times; for testing the way out."""

    calls, first, times = 0, 3, 1

    def forward(self, generated: Tensor, content: dict[str, Tensor]) -> dict[str, Tensor]:
        parts = super().forward(generated, content)
        self.calls += 1
        if self.first <= self.calls and self.times > 0:
            self.times -= 1
            parts = {name: value * math.nan for name, value in parts.items()}
        return parts


def exploding(vgg: VGG19, times: int, first: int = 3) -> Exploding:
    loss = Exploding(vgg, smooth(1), ["relu2_2"], LAYERS, 1.0, 5.0, 0.1)
    loss.times, loss.first = times, first
    return loss


def test_it_restarts_once_with_smaller_steps(vgg: VGG19):
    result = optimize(smooth(0), None, exploding(vgg, 1), steps=6, precision="32")
    assert result.restarts == 1
    assert [item.step for item in result.history] == list(range(7))
    assert all(math.isfinite(value) for value in totals(result))
    plain = optimize(smooth(0), None, make_loss(vgg, smooth(1)), steps=1, precision="32")
    moved = [
        (p - smooth(0)).abs().mean().item()
        for p, _ in itertools.islice(
            iterates(smooth(0), smooth(0), make_loss(vgg, smooth(1)), "lbfgs", 0.1, 1, "32"), 1, 2
        )
    ]
    assert moved[0] == pytest.approx(0.1 * (plain.picture - smooth(0)).abs().mean().item(), rel=0.1)


def test_then_it_stops_with_the_best_picture_so_far(vgg: VGG19):
    with pytest.raises(OptimizationDiverged, match="after a restart") as caught:
        optimize(smooth(0), None, exploding(vgg, 99), steps=6, precision="32")
    result = caught.value.result
    assert torch.isfinite(result.picture).all()
    assert result.best.step == 1
    assert math.isfinite(result.best.losses["total"])


def test_a_thousand_times_the_start_counts_as_an_explosion(vgg: VGG19):
    flat = torch.full((1, 3, 32, 32), 0.4)
    loss = make_loss(vgg, flat, tv_weight=0.1)
    wild = flat.clone()
    wild[..., 5, 5] += 1e-3  # a start all but at the optimum, from which huge steps lead away
    with pytest.raises(OptimizationDiverged):
        optimize(flat, None, loss, init=wild, steps=20, lr=1e9, optimizer="adam", precision="32")


def test_pictures_come_back_as_plain_float32(loss: PerceptualLoss):
    result = optimize(smooth(0), None, loss, steps=1, precision="bf16")
    assert result.picture.dtype == torch.float32
    assert not result.picture.requires_grad


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (33, 2)])
def test_any_size(vgg: VGG19, size: tuple[int, int]):
    result = optimize(torch.rand(1, 3, *size), None, make_loss(vgg, smooth(1)), steps=3)
    assert result.picture.shape[-2:] == size


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": -1}, "steps is -1"),
        ({"scales": 0}, "scales is 0"),
        ({"scales": 2}, "need the style image"),
        ({"lr": 0.0}, "lr is 0"),
        ({"lr": math.nan}, "lr is nan"),
        ({"optimizer": "lbgfs"}, "Did you mean 'lbfgs'"),
        ({"precision": "16"}, "unknown precision"),
        ({"init": "photo"}, "unknown init 'photo'"),
        ({"init": torch.rand(3, 8, 8)}, r"the start has the shape \(3, 8, 8\)"),
        ({"content": torch.rand(2, 3, 8, 8)}, "the photograph has the shape"),
        ({"style": torch.rand(1, 1, 8, 8)}, "a style image has the shape"),
        ({"style": torch.rand(1, 3, 64, 64), "scales": 3}, "would have 12 px"),
    ],
)
def test_what_cannot_be_used_is_refused(loss: PerceptualLoss, change: dict, message: str):
    arguments = {"content": smooth(0), "style": None, "steps": 1, **change}
    with pytest.raises(UserError, match=message):
        optimize(loss=loss, **arguments)
