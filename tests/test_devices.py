"""Choice of device and precision, and tensor conversion."""

from __future__ import annotations

import math
import time

import pytest
import torch

from fast_nst.devices import (
    PrecisionTimes,
    autocast,
    choose_device,
    choose_precision,
    describe_precision,
    explain_oom,
    time_precisions,
    to_bytes,
    to_image,
    to_tensor,
)
from fast_nst.errors import UserError
from fast_nst.pictures.edit import from_array, to_array
from tests.conftest import noise

pytestmark = pytest.mark.integration


def test_choose_device():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(UserError, match="Did you mean 'cuda'"):
        choose_device("cudda")
    with pytest.raises(UserError, match="no device 'cuda:99' here"):
        choose_device("cuda:99")
    with pytest.raises(UserError, match="no device 'cpu:x' here"):
        choose_device("cpu:x")


def test_choose_precision():
    cpu = torch.device("cpu")
    assert choose_precision("32", cpu) == "32"
    assert choose_precision("bf16", cpu) == "bf16"
    assert choose_precision("auto", cpu) in ("32", "bf16")
    assert choose_precision("auto", torch.device("meta")) == "32"
    with pytest.raises(UserError, match="unknown precision '64'"):
        choose_precision("64", cpu)


def test_auto_precision_is_the_faster():
    assert PrecisionTimes(1.0, 0.5).faster == "bf16"
    assert PrecisionTimes(1.0, 0.89).faster == "bf16"
    assert PrecisionTimes(1.0, 0.91).faster == "32"
    assert PrecisionTimes(0.33, 0.58).faster == "32"  # avx512_bf16 without AMX
    assert PrecisionTimes(1.0, math.inf).faster == "32"


@pytest.mark.parametrize(("bf16", "rounds", "percent"), [(0.3, 6, "13"), (0.9, 3, "375 ")])
def test_precisions_are_timed_once_per_process(monkeypatch, bf16, rounds, percent):
    """VGG-19 too, unless one convolution shows that bf16 is emulated."""
    cpu = torch.device("cpu")
    seen = []

    def timed(network, shape, device, precision) -> float:
        seen.append(precision)
        return {"32": 0.2, "bf16": bf16}[precision] / len(seen)

    monkeypatch.setattr("fast_nst.devices._time_once", timed)
    time_precisions.cache_clear()
    try:
        assert choose_precision("auto", cpu) == "32"
        assert choose_precision("auto", cpu) == "32"
        assert seen == ["32", "bf16"] * rounds
        line = describe_precision(cpu)
        assert line.startswith(f"precision 32: on this machine bf16 takes {percent}")
    finally:
        time_precisions.cache_clear()


@pytest.mark.slow
def test_timing_is_short_and_keeps_the_rng_state():
    time_precisions.cache_clear()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    started = time.process_time()
    times = time_precisions(torch.device("cpu"))
    # Of processor time, two a second on two cores: other work on the machine does not count.
    assert time.process_time() - started < 4
    assert 0 < times.float32 < 2
    assert torch.equal(torch.rand(3), expected)


def test_autocast_for_bf16_only():
    x = torch.ones(2, 2)
    with autocast(torch.device("cpu"), "bf16"):
        assert (x @ x).dtype == torch.bfloat16
    with autocast(torch.device("cpu"), "32"):
        assert (x @ x).dtype == torch.float32


def test_memory_explained():
    with pytest.raises(UserError, match="out of memory: buy more"), explain_oom("buy more"):
        torch.empty(2**60)
    with pytest.raises(RuntimeError, match="size"), explain_oom("buy more"):
        torch.ones(2) + torch.ones(3)


def test_tensor_round_trip():
    image = from_array(noise(5, 7))
    tensor = to_tensor(image)
    assert tensor.shape == (1, 3, 5, 7)
    assert tensor.dtype == torch.float32
    assert tensor[0, 1, 2, 3] == to_array(image)[2, 3, 1] / 255
    assert (to_array(to_image(tensor)) == to_array(image)).all()
    assert (to_bytes(image) == (tensor[0] * 255).round()).all()


def test_to_image_rounds_and_clips():
    tensor = torch.tensor([-1.0, 0.5 / 255 + 1e-4, 2.0]).view(1, 3, 1, 1)
    assert to_array(to_image(tensor)).tolist() == [[[0, 1, 255]]]
