"""Sizes, blends and colours by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fast_nst.errors import UserError
from fast_nst.pictures.edit import (
    blend,
    from_array,
    keep_colors,
    resize_longest,
    resize_shortest,
)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 200))
@settings(max_examples=25)
def test_resize_hits_its_side(width: int, height: int, size: int):
    image = Image.new("RGB", (width, height))
    assert max(resize_longest(image, size).size) == size
    assert min(resize_longest(image, size).size) >= 1
    assert min(resize_shortest(Image.new("RGB", (20, 30)), size).size) == size


def test_an_absurd_size_gets_a_clear_word():
    with pytest.raises(UserError, match="no memory for 999999999x666666666 px"):
        resize_longest(Image.new("RGB", (6, 4)), 999_999_999)


def test_blend_by_hand():
    photo, painting = np.full((2, 2, 3), 100, np.uint8), np.full((2, 2, 3), 200, np.uint8)
    assert (blend(photo, painting, 0.25) == 125).all()
    np.testing.assert_array_equal(blend(photo, painting, 0), photo)
    np.testing.assert_array_equal(blend(photo, painting, 1), painting)


def test_keep_colors_takes_luma_from_one_and_chroma_from_the_other():
    photo = np.full((4, 4, 3), (90, 130, 110), np.uint8)
    painting = np.full((4, 4, 3), (140, 140, 140), np.uint8)
    kept = from_array(keep_colors(photo, painting)).convert("YCbCr").getpixel((0, 0))
    original = from_array(photo).convert("YCbCr").getpixel((0, 0))
    assert np.abs(np.array(kept) - (140, *original[1:])).max() <= 1
