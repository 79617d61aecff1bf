"""Resizing, blending and colour transfer, with results computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fast_nst.errors import UserError
from fast_nst.pictures import edit
from fast_nst.pictures.edit import (
    blend,
    enlarge,
    from_array,
    keep_colors,
    resize,
    resize_longest,
    resize_shortest,
    to_array,
    to_channels,
    to_image,
    to_pixels,
)
from tests.conftest import noise


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 200))
@settings(max_examples=25)
def test_resize_to_side(width: int, height: int, size: int):
    image = Image.new("RGB", (width, height))
    assert max(resize_longest(image, size).size) == size
    assert min(resize_longest(image, size).size) >= 1
    assert min(resize_shortest(Image.new("RGB", (20, 30)), size).size) == size


def test_oversized_resize_raises_user_error():
    with pytest.raises(UserError, match="999999999x666666666: sides may have up to 100,000 px"):
        resize_longest(Image.new("RGB", (6, 4)), 999_999_999)


def test_blend_by_hand():
    photo, painting = np.full((2, 2, 3), 100, np.uint8), np.full((2, 2, 3), 200, np.uint8)
    assert (blend(photo, painting, 0.25) == 125).all()
    np.testing.assert_array_equal(blend(photo, painting, 0), photo)
    np.testing.assert_array_equal(blend(photo, painting, 1), painting)


def test_keep_colors_combines_luma_and_chroma():
    photo = np.full((4, 4, 3), (90, 130, 110), np.uint8)
    painting = np.full((4, 4, 3), (140, 140, 140), np.uint8)
    # Luma of the photograph: 0.299 * 90 + 0.587 * 130 + 0.114 * 110 = 115.76; 24.24 is missing.
    expected = np.full((4, 4, 3), (114, 154, 134), np.uint8)
    np.testing.assert_array_equal(keep_colors(photo, painting), expected)
    # And as Pillow has it, but for its rounding.
    kept = from_array(expected).convert("YCbCr").getpixel((0, 0))
    original = from_array(photo).convert("YCbCr").getpixel((0, 0))
    assert np.abs(np.array(kept) - (140, *original[1:])).max() <= 1


def test_keep_colors_clips():
    photo = np.array([[[250, 10, 10], [10, 10, 250]]], np.uint8)
    white, black = np.full_like(photo, 255), np.zeros_like(photo)
    assert keep_colors(photo, white).tolist() == [[[255, 183, 183], [228, 228, 255]]]
    assert keep_colors(photo, black).tolist() == [[[168, 0, 0], [0, 0, 213]]]


def test_strips_leave_no_seams(monkeypatch):
    photo, painting = noise(37, 23), noise(37, 23, seed=1)
    small, small_photo = noise(13, 9, seed=2), noise(13, 9, seed=3)

    def all_of_them() -> list[np.ndarray]:
        return [
            to_array(from_array(photo)),
            blend(photo, painting, 0.3),
            keep_colors(photo, painting),
            enlarge(small, small_photo, photo, 0.7),
        ]

    whole = all_of_them()
    monkeypatch.setattr(edit, "_STRIP_PIXELS", 100)  # four rows
    for in_strips, in_one in zip(all_of_them(), whole, strict=True):
        assert np.abs(in_strips.astype(int) - in_one).max() <= 1


def test_enlarge_adds_lost_luma():
    photo = noise(32, 48)
    small_photo = to_array(resize(from_array(photo), (24, 16)))
    small = noise(16, 24, seed=1)
    plain = enlarge(small, small_photo, photo, 0.0)
    np.testing.assert_array_equal(plain, to_array(resize(from_array(small), (48, 32))))
    # A gray photograph, painted as it is, comes back whole.
    gray = np.repeat(noise(32, 48, 1), 3, axis=2)
    small_gray = to_array(resize(from_array(gray), (24, 16)))
    back = enlarge(small_gray, small_gray, gray, 1.0)
    assert np.abs(back.astype(int) - gray).max() <= 1
    half = enlarge(small_gray, small_gray, gray, 0.5).astype(int)
    low = to_array(resize(from_array(small_gray), (48, 32))).astype(int)
    assert np.abs(half - (low + gray) / 2).max() <= 1


def test_pixels_round_trip():
    picture = Image.fromarray(noise(5, 7, 4))
    for image in (picture, picture.convert("RGB")):
        again = to_image(to_pixels(image))
        assert (again.mode, again.tobytes()) == (image.mode, image.tobytes())
        np.testing.assert_array_equal(to_channels(to_pixels(image)), np.array(image))
