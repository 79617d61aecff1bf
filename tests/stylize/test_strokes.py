"""Strokes larger or finer than trained, by a model that paints negatives."""

from __future__ import annotations

import numpy as np
import pytest

from fast_nst import Stylizer
from fast_nst.errors import UserError
from fast_nst.pictures.edit import enlarge, from_array, keep_colors, resize, to_array
from fast_nst.stylize.painting import LOST_DETAIL, PaintOptions, paint_pixels
from tests.conftest import inverting_model, noise


@pytest.fixture(scope="module")
def stylize() -> Stylizer:
    return Stylizer(inverting_model(), detail=0)


def test_larger_strokes_are_those_of_a_smaller_picture(stylize: Stylizer):
    pixels = noise(40, 60)
    np.testing.assert_array_equal(stylize(pixels, stroke_scale=1), 255 - pixels)
    small = to_array(resize(from_array(pixels), (30, 20)))
    expected = enlarge(255 - small, small, pixels, LOST_DETAIL)
    np.testing.assert_array_equal(stylize(pixels, stroke_scale=2), expected)
    options = PaintOptions(stroke_scale=2.0, detail=0)
    painted = paint_pixels(pixels, stylize.model, stylize.session, options)
    np.testing.assert_array_equal(painted, expected)
    colored = stylize(pixels, stroke_scale=2, keep_colors=True)
    np.testing.assert_array_equal(colored, keep_colors(pixels, expected))
    # Finer strokes take a larger picture; nothing of the photograph is lost on the way there.
    smooth = to_array(resize(from_array(noise(5, 6)), (60, 40)))
    assert np.abs(stylize(smooth, stroke_scale=0.5) - (255.0 - smooth)).max() <= 3


@pytest.mark.parametrize("factor", [0, -1, 0.05, 11, float("nan"), float("inf")])
def test_absurd_stroke_scales_are_refused(stylize: Stylizer, factor: float):
    with pytest.raises(UserError, match=r"stroke_scale is .* from 0\.1 "):
        stylize(noise(4, 4), stroke_scale=factor)
