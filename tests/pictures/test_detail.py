"""Detail transfer against hand-made cases and a direct implementation."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from fast_nst.errors import UserError
from fast_nst.pictures import detail
from fast_nst.pictures.detail import add_detail, check_detail
from fast_nst.pictures.edit import LUMA
from tests.conftest import noise

GRAY = 128


def gray(luma: np.ndarray) -> np.ndarray:
    return np.repeat(luma.astype(np.uint8)[..., None], 3, axis=2)


def added(luma: np.ndarray, share: float = 1.0) -> np.ndarray:
    """The levels that a grey photograph adds to a grey painting."""
    painted = add_detail(gray(luma), np.full((*luma.shape, 3), GRAY, np.uint8), share)
    assert (painted == painted[..., :1]).all()
    return painted[..., 0].astype(int) - GRAY


def gaussian(sigma: float) -> np.ndarray:
    half = int(3 * sigma + 0.5)
    weights = np.array([math.exp(-0.5 * (x / sigma) ** 2) for x in range(-half, half + 1)])
    return weights / weights.sum()


def by_definition(photo: np.ndarray, sigma: float) -> np.ndarray:
    """D of a photograph, each pixel from its whole neighbourhood, in float64."""
    luma = photo.astype(np.float64) @ LUMA.astype(np.float64)
    window = 2 * int(2 * sigma + 0.5) + 1

    def around(picture: np.ndarray, size: int) -> np.ndarray:
        return np.lib.stride_tricks.sliding_window_view(picture, (size, size))

    weights = gaussian(sigma)
    near = np.pad(luma, len(weights) // 2, "edge")
    blurred = (around(near, len(weights)) * np.outer(weights, weights)).sum((2, 3))
    wide = np.pad(luma, 2 * (window // 2), "edge")
    opening = around(around(wide, window).min((2, 3)), window).max((2, 3))
    closing = around(around(wide, window).max((2, 3)), window).min((2, 3))
    return np.clip(luma - blurred, luma - closing, luma - opening)


def test_smooth_images_gain_no_detail():
    painting = noise(40, 50)
    np.testing.assert_array_equal(add_detail(np.full_like(painting, 77), painting, 1), painting)


@pytest.mark.parametrize("turned", range(4))
def test_step_edge_has_no_ringing(turned: int):
    across = np.arange(600)[None, :]
    down = np.arange(300)[:, None]
    for step in (across + 0 * down > 299, across > 2 * down, 3 * across > down + 450):
        assert not added(np.rot90(np.where(step, 230, 20), turned)).any()


def test_monotone_image_gains_no_detail():
    luma = np.sort(np.sort(noise(90, 120, 1)[..., 0], axis=0), axis=1)
    assert not added(luma).any()


@pytest.mark.parametrize("line", [60, 250])
def test_thin_line_keeps_its_sign_without_ringing(line: int):
    luma = np.full((1024, 128), 200)
    luma[:, 60] = line
    found = added(luma, 0.25)
    # Of the difference the blur, of two pixels, leaves the line its own weight in the middle.
    own = 1 / sum(math.exp(-0.5 * (x / 2) ** 2) for x in range(-6, 7))
    assert (found[:, 60] == round(0.25 * (line - 200) * (1 - own))).all()
    assert not np.delete(found, 60, axis=1).any()


def test_fine_texture_passes_unchanged():
    amplitude = np.where(np.indices((48, 64)).sum(0) % 2, 12, -12)
    slope = np.arange(64) // 4  # so that what the blur takes away is not the same everywhere
    luma = 100 + slope + amplitude
    weights = gaussian(0.5)
    rows = [np.convolve(row, weights, "same") for row in luma]
    blurred = np.array([np.convolve(column, weights, "same") for column in np.array(rows).T]).T
    inside = slice(4, -4)
    expected = (luma - blurred)[inside, inside]
    assert np.abs(expected).min() > 5
    assert np.abs(added(luma)[inside, inside] - expected).max() <= 0.5 + 1e-4


@pytest.mark.parametrize(("height", "width"), [(41, 29), (1, 1), (1, 37), (23, 2), (96, 700)])
def test_detail_matches_reference_implementation(height: int, width: int):
    photo, painting = noise(height, width), noise(height, width, seed=1)
    sigma = max(max(height, width) / 512, 0.5)
    exact = painting + 0.6 * by_definition(photo, sigma)[..., None]
    found = add_detail(photo, painting, 0.6)
    assert np.abs(found - np.clip(exact, 0, 255)).max() <= 0.5 + 1e-4
    assert (found[exact > 255] == 255).all()
    assert (found[exact < 0] == 0).all()


def test_sigma_scales_with_image_size():
    def bar(width: int, side: int) -> np.ndarray:
        luma = np.full((side // 8, side), 50)
        luma[:, side // 2 : side // 2 + width] = 150
        return added(luma)

    assert bar(8, 1024).max() > 20  # narrower than the window of 9 px
    assert not bar(10, 1024).any()
    assert bar(32, 4096).max() > 20  # of 33 px
    assert not bar(34, 4096).any()


def test_memory_of_very_long_images():
    photo = noise(1, 60_000)
    tracemalloc.start()
    found = add_detail(photo, np.zeros_like(photo), 1)
    assert tracemalloc.get_traced_memory()[1] < 30e6
    tracemalloc.stop()
    assert found.any()


@pytest.mark.parametrize(("height", "width"), [(61, 43), (600, 131), (137, 800)])
def test_strips_equal_whole_image(height: int, width: int, monkeypatch):
    photo, painting = noise(height, width), noise(height, width, seed=1)
    monkeypatch.setattr(detail, "_STRIP_PIXELS", height * width)
    whole = add_detail(photo, painting, 0.7)
    monkeypatch.setattr(detail, "_STRIP_PIXELS", 1)
    taken: list[slice] = []
    strips = detail.strips

    def counted(*arguments: int):
        for rows in strips(*arguments):
            taken.append(rows)
            yield rows

    monkeypatch.setattr(detail, "strips", counted)
    np.testing.assert_array_equal(add_detail(photo, painting, 0.7), whole)
    assert len(taken) > 2


def test_zero_detail_returns_painting():
    painting = noise(20, 30)
    np.testing.assert_array_equal(add_detail(noise(20, 30, seed=1), painting, 0), painting)


@pytest.mark.parametrize("share", [-0.1, 1.01, float("nan")])
def test_detail_out_of_range(share: float):
    with pytest.raises(UserError, match=rf"detail is {share:g}: it must be from 0 \(none\)"):
        check_detail(share)
