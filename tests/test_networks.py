"""Any size in, the same size out; no borders; as small as they claim."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fast_nst.errors import UserError
from fast_nst.networks import NETWORKS, build_network, reflect_pad


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def network(request) -> nn.Module:
    torch.manual_seed(0)
    return build_network(request.param).eval()


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 30), st.integers(0, 30))
def test_reflect_pad_is_numpys(height: int, width: int, margin: int, more: int):
    image = np.random.default_rng(0).random((height, width))
    padded = reflect_pad(torch.from_numpy(image)[None, None], margin, margin + more, multiple=1)
    if min(height, width) > 1:
        expected = np.pad(image, (margin, more), mode="reflect")
    else:  # numpy leaves the reflection of a single element undefined; it is that element
        expected = image[np.ix_(*(_mirror(n, margin, more) for n in (height, width)))]
    np.testing.assert_array_equal(padded[0, 0].numpy(), expected)


def _mirror(length: int, before: int, after: int) -> np.ndarray:
    if length == 1:
        return np.zeros(1 + before + after, int)
    return np.pad(np.arange(length), (before, after), mode="reflect")


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70))
@torch.no_grad()
def test_same_size_out_as_in(network: nn.Module, height: int, width: int):
    out = network(torch.rand(1, 3, height, width))
    assert out.shape == (1, 3, height, width)
    assert 0 <= out.min() <= out.max() <= 1


@torch.no_grad()
def test_a_batch_is_its_pictures_in_any_order(network: nn.Module):
    images = torch.rand(3, 3, 21, 34)
    together = network(images)
    for i in range(3):
        torch.testing.assert_close(network(images[i : i + 1]), together[i : i + 1])
    torch.testing.assert_close(network(images[[2, 0, 1]]), together[[2, 0, 1]])


@torch.no_grad()
def test_a_flat_picture_has_no_border(network: nn.Module):
    """Nothing but the upsampling's period of 4 px may show."""
    for level in (0.0, 0.4, 1.0):
        out = network(torch.full((1, 3, 64, 48), level))
        torch.testing.assert_close(out[..., 4:, :], out[..., :-4, :], atol=2e-3, rtol=0)
        torch.testing.assert_close(out[..., :, 4:], out[..., :, :-4], atol=2e-3, rtol=0)


def test_output_pixels_look_at_the_input_around_them(network: nn.Module):
    """With the norms, whose view is global, out of the way."""
    for module in network.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, nn.InstanceNorm2d):
                setattr(module, name, nn.Identity())
    image = torch.rand(1, 3, 201, 203, requires_grad=True)
    y, x = 98, 103
    network(image)[0, :, y, x].sum().backward()
    seen = image.grad.abs().sum(dim=(0, 1))
    rows, columns = torch.arange(201.0), torch.arange(203.0)
    assert (seen.sum(1) * rows).sum() / seen.sum() == pytest.approx(y, abs=4)
    assert (seen.sum(0) * columns).sum() / seen.sum() == pytest.approx(x, abs=4)
    reach = (rows[seen.sum(1) > 0] - y).abs().max()
    assert reach <= 64


def test_fast_has_a_tenth_of_johnsons_arithmetic_or_less():
    flops = {}
    for name in NETWORKS:
        with FlopCounterMode(display=False) as counter:
            build_network(name)(torch.rand(1, 3, 512, 512))
        flops[name] = counter.get_total_flops()
    assert flops["fast"] <= flops["johnson"] / 10
    assert flops["johnson"] / 2 == pytest.approx(40.3e9, rel=0.05)  # as published, at 512x512


def test_johnson_has_the_published_size():
    count = sum(p.numel() for p in build_network("johnson").parameters())
    assert count == pytest.approx(1.68e6, rel=0.01)


def test_unknown_name():
    with pytest.raises(UserError, match="Did you mean 'johnson'"):
        build_network("jonson")
