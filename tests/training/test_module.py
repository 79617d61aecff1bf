"""The schedule, and that a step does what the loss says."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from types import SimpleNamespace

import lightning as L
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from fast_nst.losses import PerceptualLoss
from fast_nst.training.data import Batch
from fast_nst.training.initialization import Initialization
from fast_nst.training.module import StyleTransfer, TrainingDiverged, one_cycle
from fast_nst.training.settings import TrainConfig
from fast_nst.training.trainer import quiet
from fast_nst.vgg import VGG19

CONFIG = TrainConfig(steps=20, network="fast")


@pytest.fixture(scope="module")
def loss() -> PerceptualLoss:
    torch.manual_seed(0)
    layers = ("relu1_1", "relu2_1")
    return PerceptualLoss(
        VGG19(layers), torch.rand(1, 3, 40, 40), layers[1:], layers, 1.0, 5.0, 0.1
    )


@pytest.fixture
def module(loss: PerceptualLoss) -> StyleTransfer:
    torch.manual_seed(0)
    return StyleTransfer(CONFIG, loss)


class ScriptedLoss(nn.Module):
    """A loss of given values, whose gradient is `slope` for every pixel."""

    vgg = SimpleNamespace(source="none", scales={})

    def __init__(self, values: Iterable[float], slope: float = 0.0) -> None:
        super().__init__()
        self.values = iter(values)
        self.slope = slope

    def content_features(self, photographs: Tensor) -> dict[str, Tensor]:
        return {}

    def forward(self, paintings: Tensor, content: dict[str, Tensor]) -> dict[str, Tensor]:
        total = paintings.sum()
        return {"total": next(self.values) + self.slope * (total - total.detach())}


def scripted(*values: float, slope: float = 0.0, recoveries: int = 0) -> StyleTransfer:
    return StyleTransfer(CONFIG, ScriptedLoss(values, slope), recoveries=recoveries)


def batches(count: int, size: int = 16) -> Iterator[Batch]:
    for _ in range(count):
        yield Batch(torch.rand(1, 3, size, size), torch.zeros(1, 1, size // 4, size // 4))


def train(module: StyleTransfer, data: Iterable[Batch], **options) -> None:
    """Train with Lightning on the CPU: a step a batch, unless `options` say otherwise."""
    with quiet():
        trainer = L.Trainer(
            accelerator="cpu",
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **options,
        )
        trainer.fit(module, DataLoader(list(data), batch_size=None))


def gradient_norm(module: StyleTransfer) -> float:
    return nn.utils.get_total_norm([p.grad for p in module.network.parameters()]).item()


def test_one_cycle_rises_peaks_and_falls_to_nothing():
    factors = [one_cycle(step, 100) for step in range(101)]
    assert 0 < factors[0] < 0.1
    assert factors[5] == 1 == max(factors)
    assert factors[:6] == sorted(factors[:6])
    assert factors[5:] == sorted(factors[5:], reverse=True)
    assert one_cycle(105, 200) == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0)
    assert one_cycle(0, 1) > 0


def test_the_state_dict_is_the_network(module: StyleTransfer):
    assert all(key.startswith("network.") for key in module.state_dict())
    assert len(module.state_dict()) == len(module.network.state_dict())


def test_training_draws_noise_that_painting_has_not(module: StyleTransfer):
    photographs = torch.rand(1, 3, 48, 48)
    nn.init.constant_(module.network.noise, 0.5)
    painted = module(photographs)
    assert torch.equal(module(photographs), painted)
    noise = torch.randn(1, 1, 12, 12)
    assert not torch.allclose(module(photographs, noise), painted, atol=1e-3)
    expected = module.losses(photographs, module(photographs, noise))["total"].item()
    train(module, [Batch(photographs, noise)])
    assert module.step_loss == pytest.approx(expected, rel=1e-6)


def test_the_network_begins_where_it_is_told(module: StyleTransfer):
    state = {key: value + 1 for key, value in module.network.state_dict().items()}
    other = StyleTransfer(CONFIG, module.loss, Initialization("other", state, "r"))
    assert all(torch.equal(value, state[key]) for key, value in other.network.state_dict().items())


def test_the_loss_falls_when_its_gradient_is_followed(module: StyleTransfer):
    photographs = torch.rand(2, 3, 48, 48)
    optimizer = torch.optim.Adam(module.network.parameters(), lr=3e-3)
    history = []
    for _ in range(12):
        optimizer.zero_grad()
        total = module.losses(photographs, module(photographs))["total"]
        total.backward()
        optimizer.step()
        history.append(total.item())
    assert history[-1] < 0.8 * history[0]


def test_content_features_carry_no_gradient(module: StyleTransfer):
    content = module.loss.content_features(torch.rand(1, 3, 32, 32, requires_grad=True))
    assert not any(feature.requires_grad for feature in content.values())


def test_a_step_s_loss_is_the_mean_of_its_batches():
    module = scripted(1.0, 4.0, 7.0, 9.0)
    train(module, batches(2), accumulate_grad_batches=2)
    assert module.step_loss == 2.5
    train(module, batches(2), accumulate_grad_batches=2)
    assert module.step_loss == 8.0  # of its own batches alone


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_training(broken: float):
    with pytest.raises(TrainingDiverged, match=f"the loss is {broken} at step 1"):
        train(scripted(1.0, broken), batches(2))


@pytest.mark.parametrize("clip", [0.5, None])
def test_a_broken_gradient_stops_training_and_leaves_the_weights(clip: float | None):
    module = scripted(1.0, slope=1e38)  # times what the network multiplies it by: infinite
    before = {key: value.clone() for key, value in module.state_dict().items()}
    with pytest.raises(TrainingDiverged, match=r"the gradient's norm is (inf|nan) at step 0"):
        train(module, batches(1), gradient_clip_val=clip)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_a_spike_is_ten_times_the_running_median():
    first = [900.0, *[2.0] * 8, 21.0, 19.9]  # the first ten steps are compared with nothing
    with pytest.raises(TrainingDiverged, match=r"loss is 20.1 at step 11, over 10 times .* of 2"):
        train(scripted(*first, 20.1), batches(12))
    module = scripted(*first, *[5.0] * 50, 49.0)  # the median runs along
    train(module, batches(62))
    assert module.step_loss == 49.0


def test_recoveries_are_kept_and_recent_losses_come_back():
    module = scripted(*[2.0] * 12, recoveries=2)
    train(module, batches(12))
    saved: dict = {}
    module.on_save_checkpoint(saved)
    assert saved["fast_nst"]["halvings"] == 2
    resumed = scripted(30.0)
    resumed.on_load_checkpoint(saved)
    with pytest.raises(TrainingDiverged, match="over 10 times its median of 2"):
        train(resumed, batches(1))


def test_gradients_are_clipped():
    module = scripted(1.0, slope=1.0)
    train(module, batches(1))
    assert gradient_norm(module) > 1
    module = scripted(1.0, slope=1.0)
    train(module, batches(1), gradient_clip_val=0.5)
    assert gradient_norm(module) == pytest.approx(0.5, rel=1e-4)
