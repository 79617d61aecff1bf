"""Any size in, the same size out; no borders; as small as they claim."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fast_nst.errors import UserError
from fast_nst.networks import NETWORKS, ImageTransformation, build_network, noise_shape, reflect_pad


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def network(request) -> ImageTransformation:
    torch.manual_seed(0)
    return build_network(request.param).eval()


def test_fast_is_its_diagram():
    """Written down again, from the tensors alone, at a size that needs no rounding up."""
    torch.manual_seed(0)
    network = build_network("fast").eval()
    w = {name: torch.randn_like(value) / 4 for name, value in network.state_dict().items()}
    network.load_state_dict(w)
    assert sum(p.numel() for p in network.parameters()) == 31_004

    def conv(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
        return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride)

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        mean = x.mean((2, 3), keepdim=True)
        variance = ((x - mean) ** 2).mean((2, 3), keepdim=True)
        scale, shift = (w[f"{name}.{part}"].view(1, -1, 1, 1) for part in ("weight", "bias"))
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift

    image, z = torch.rand(1, 3, 20, 36), torch.randn(1, 1, 5, 9)
    x = F.pad(image, (2, 3, 2, 3), mode="reflect")
    x = norm(conv(conv(x, "down1", 2).relu(), "down2", 2), "norm")
    x = (x + w["noise"].view(1, 16, 1, 1) * z).relu()
    for i in range(1, 6):
        y = conv(F.pad(x, (2, 2, 2, 2), mode="reflect"), f"blocks.block{i}.conv1")
        x = x + conv(norm(y, f"blocks.block{i}.norm").relu(), f"blocks.block{i}.conv2")
    x = F.pad(x, (1, 1, 1, 1), mode="reflect").repeat_interleave(2, 2).repeat_interleave(2, 3)
    x = conv(conv(x, "up1").relu(), "up2")
    x = x.view(1, 3, 2, 2, 10, 18).permute(0, 1, 4, 2, 5, 3).reshape(1, 3, 20, 36)
    torch.testing.assert_close(network(image, z), x.sigmoid(), atol=1e-5, rtol=1e-4)


def test_default_noise_repeats_the_tile():
    network = build_network("fast").eval()
    torch.nn.init.constant_(network.noise, 0.7)
    tile = torch.from_numpy(np.random.RandomState(0).standard_normal((128, 128)).astype("float32"))
    assert torch.equal(network.noise_tile, tile)
    image = torch.rand(1, 3, 20, 600)
    assert noise_shape(20, 600) == (5, 150)
    repeated = tile.repeat(1, 2)[:5, :150][None, None]
    assert torch.equal(network(image), network(image, repeated))
    assert "noise_tile" not in network.state_dict()


@given(st.integers(1, 70), st.integers(1, 70))
@settings(max_examples=10, deadline=None)
def test_noise_has_noise_shape(height: int, width: int):
    noise = torch.randn(2, 1, *noise_shape(height, width))
    painted = build_network("fast")(torch.rand(2, 3, height, width), noise)
    assert painted.shape == (2, 3, height, width)


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
def test_output_has_the_size_of_the_input(network: nn.Module, height: int, width: int):
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


@pytest.mark.integration
def test_fast_has_a_fiftieth_of_johnsons_arithmetic():
    flops = {}
    for name in NETWORKS:
        with FlopCounterMode(display=False) as counter:
            build_network(name)(torch.rand(1, 3, 512, 512))
        flops[name] = counter.get_total_flops()
    assert flops["fast"] <= flops["johnson"] / 50
    assert flops["johnson"] / 2 == pytest.approx(40.3e9, rel=0.05)  # as published, at 512x512


def test_johnson_has_the_published_size():
    count = sum(p.numel() for p in build_network("johnson").parameters())
    assert count == pytest.approx(1.68e6, rel=0.01)


def test_build_network_refuses_an_unknown_name():
    with pytest.raises(UserError, match="Did you mean 'johnson'"):
        build_network("jonson")
