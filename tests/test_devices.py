"""Devices that are there, arithmetic that they have."""

from __future__ import annotations

import pytest
import torch

from fast_nst.devices import (
    autocast,
    choose_device,
    choose_precision,
    memory_explained,
    to_bytes,
    to_image,
    to_tensor,
)
from fast_nst.errors import UserError
from fast_nst.pictures.edit import from_array, to_array
from tests.conftest import noise


def test_devices():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(UserError, match="Did you mean 'cuda'"):
        choose_device("cudda")
    with pytest.raises(UserError, match="no device 'cuda:99' here"):
        choose_device("cuda:99")
    with pytest.raises(UserError, match="no device 'cpu:x' here"):
        choose_device("cpu:x")


def test_precisions():
    cpu = torch.device("cpu")
    assert choose_precision("32", cpu) == "32"
    assert choose_precision("bf16", cpu) == "bf16"
    assert choose_precision("auto", cpu) in ("32", "bf16")
    assert choose_precision("auto", torch.device("meta")) == "32"
    with pytest.raises(UserError, match="unknown precision '64'"):
        choose_precision("64", cpu)


def test_autocast_is_on_for_bf16_alone():
    x = torch.ones(2, 2)
    with autocast(torch.device("cpu"), "bf16"):
        assert (x @ x).dtype == torch.bfloat16
    with autocast(torch.device("cpu"), "32"):
        assert (x @ x).dtype == torch.float32


def test_want_of_memory_is_explained_and_nothing_else():
    with pytest.raises(UserError, match="out of memory: buy more"), memory_explained("buy more"):
        torch.empty(2**60)
    with pytest.raises(RuntimeError, match="size"), memory_explained("buy more"):
        torch.ones(2) + torch.ones(3)


def test_there_and_back_is_exact():
    image = from_array(noise(5, 7))
    tensor = to_tensor(image)
    assert tensor.shape == (1, 3, 5, 7)
    assert tensor.dtype == torch.float32
    assert tensor[0, 1, 2, 3] == to_array(image)[2, 3, 1] / 255
    assert (to_array(to_image(tensor)) == to_array(image)).all()
    assert (to_bytes(image) == (tensor[0] * 255).round()).all()


def test_values_are_rounded_and_clipped():
    tensor = torch.tensor([-1.0, 0.5 / 255 + 1e-4, 2.0]).view(1, 3, 1, 1)
    assert to_array(to_image(tensor)).tolist() == [[[0, 1, 255]]]
