"""The schedule, and that a step does what the loss says."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace

import pytest
import torch

from fast_nst.losses import PerceptualLoss
from fast_nst.training.data import Batch
from fast_nst.training.initialization import Initialization
from fast_nst.training.module import StyleTransfer, TrainingDiverged, one_cycle
from fast_nst.training.settings import TrainConfig
from fast_nst.vgg import VGG19


@pytest.fixture(scope="module")
def module() -> StyleTransfer:
    torch.manual_seed(0)
    layers = ("relu1_1", "relu2_1")
    loss = PerceptualLoss(
        VGG19(layers), torch.rand(1, 3, 40, 40), layers[1:], layers, 1.0, 5.0, 0.1
    )
    return StyleTransfer(TrainConfig(steps=20), loss)


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


def test_training_draws_noise_that_painting_has_not(module: StyleTransfer, monkeypatch):
    photographs = torch.rand(1, 3, 48, 48)
    torch.nn.init.constant_(module.network.noise, 0.5)
    painted = module(photographs)
    assert torch.equal(module(photographs), painted)
    noise = torch.randn(1, 1, 12, 12)
    assert not torch.allclose(module(photographs, noise), painted, atol=1e-3)
    parts = module.losses(photographs, module(photographs, noise))
    monkeypatch.setattr(module, "log_dict", lambda *_: None)
    monkeypatch.setattr(module, "_totals", [])
    assert torch.equal(module.training_step(Batch(photographs, noise), 0), parts["total"])


def test_the_network_begins_where_it_is_told(module: StyleTransfer):
    state = {key: value + 1 for key, value in module.network.state_dict().items()}
    other = StyleTransfer(TrainConfig(steps=20), module.loss, Initialization("other", state, "r"))
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


def trainer_of(module: StyleTransfer, monkeypatch) -> SimpleNamespace:
    trainer = SimpleNamespace(precision="32-true", global_step=0, world_size=1)
    monkeypatch.setattr(module, "_trainer", trainer)
    return trainer


def test_a_step_s_loss_is_the_mean_of_its_batches(module: StyleTransfer, monkeypatch):
    trainer_of(module, monkeypatch)
    monkeypatch.setattr(module, "log_dict", lambda *_: None)
    for parameter in module.network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    batches = [Batch(torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 8, 8)) for _ in range(2)]
    losses = [module.training_step(batch, 0).item() for batch in batches]
    module.configure_gradient_clipping(module.configure_optimizers(), 1.0, "norm")
    assert module.step_loss == pytest.approx(sum(losses) / 2, rel=1e-6)
    module.training_step(batches[0], 0)
    module.configure_gradient_clipping(module.configure_optimizers(), 1.0, "norm")
    assert module.step_loss == pytest.approx(losses[0], rel=1e-6)


def judge(module: StyleTransfer, *losses: float, norm: float = 1.0) -> None:
    for loss in losses:
        module._check_divergence(loss, norm)


def test_a_loss_that_is_no_number_stops_training(module: StyleTransfer, monkeypatch):
    trainer_of(module, monkeypatch)
    monkeypatch.setattr(module, "_recent", deque(maxlen=50))
    for broken in (float("nan"), float("inf")):
        with pytest.raises(TrainingDiverged, match=f"the loss is {broken} at step 0"):
            judge(module, broken)
        with pytest.raises(TrainingDiverged, match=f"the gradient's norm is {broken} at step 0"):
            judge(module, 1.0, norm=broken)


def test_a_spike_is_ten_times_the_running_median(module: StyleTransfer, monkeypatch):
    trainer_of(module, monkeypatch)
    monkeypatch.setattr(module, "_recent", deque(maxlen=50))
    judge(module, *[900.0, *[2.0] * 8])  # the first steps are judged by nothing
    judge(module, 21.0)
    judge(module, 19.9)  # ten are known, with a median of 2
    with pytest.raises(TrainingDiverged, match=r"loss is 20.1 at step 0, over 10 times .* of 2"):
        judge(module, 20.1)
    judge(module, *[5.0] * 50)  # the median runs along
    judge(module, 49.0)


def test_halvings_are_kept_and_recent_losses_come_back(module: StyleTransfer, monkeypatch):
    trainer_of(module, monkeypatch)
    monkeypatch.setattr(module, "_recent", deque([1.0, 2.0], maxlen=50))
    monkeypatch.setattr(module, "recoveries", 2)
    saved: dict = {}
    module.on_save_checkpoint(saved)
    assert saved["fast_nst"]["halvings"] == 2
    other = StyleTransfer(TrainConfig(steps=20), module.loss)
    other.on_load_checkpoint(saved)
    assert list(other._recent) == [1.0, 2.0]


def test_gradients_are_clipped_and_broken_ones_kept_out(module: StyleTransfer, monkeypatch):
    trainer_of(module, monkeypatch)
    monkeypatch.setattr(module, "_totals", [torch.ones(())])
    optimizer = module.configure_optimizers()
    parameters = list(module.network.parameters())
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    module.configure_gradient_clipping(optimizer, 0.5, "norm")
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters])
    assert norm.item() == pytest.approx(0.5, rel=1e-4)
    parameters[0].grad[0] = float("inf")
    for clip in (0.5, None):
        module._totals.append(torch.ones(()))
        with pytest.raises(TrainingDiverged, match="the gradient's norm is"):
            module.configure_gradient_clipping(optimizer, clip, "norm")
