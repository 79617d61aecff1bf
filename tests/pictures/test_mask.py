"""Masks: what white, black and grey are in any image, and the composite to the last bit."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.ExifTags import Base

from fast_nst.errors import UserError, UserNote
from fast_nst.pictures.mask import composite, fit_mask, read_mask
from tests.conftest import noise

HALF = np.repeat(np.array([[0, 255]], np.uint8), 4, axis=1).repeat(4, axis=0)  # left black


def encoded(image: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def test_composite_is_the_exact_value_rounded():
    levels = np.arange(256, dtype=np.uint8)
    mask = np.repeat(levels[:, None], 256, axis=1)
    for outside in (0, 1, 100, 128, 255):
        inside = np.broadcast_to(levels[None, :, None], (256, 256, 3))
        found = composite(np.full((256, 256, 3), outside, np.uint8), inside, mask)
        exact = outside * 255 + mask.astype(int) * (levels[None].astype(int) - outside)
        assert np.abs(found[..., 0].astype(int) * 255 - exact).max() <= 127  # under half a level
        assert np.array_equal(found[0], np.full((256, 3), outside))
        assert np.array_equal(found[255], inside[255])


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_composite_equals_the_formula_in_fractions(outside: int, inside: int, mask: int):
    pixels = [np.full((1, 1, 3), level, np.uint8) for level in (outside, inside)]
    found = composite(*pixels, np.full((1, 1), mask, np.uint8))
    assert found.tolist() == [[[round(outside + Fraction(mask, 255) * (inside - outside))] * 3]]


def test_composite_of_a_picture_in_several_strips():
    outside, inside = noise(1100, 2000, seed=1), noise(1100, 2000, seed=2)
    mask = noise(1100, 2000, 1, seed=3)[..., 0]
    exact = outside + mask[..., None] / 255 * (inside.astype(float) - outside)
    assert np.array_equal(composite(outside, inside, mask), np.rint(exact))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16", "F"])
def test_black_and_white_in_any_mode(mode: str):
    image = Image.fromarray(HALF)
    if mode in ("I", "I;16"):
        image = Image.fromarray(HALF.astype(np.uint16) * 257)
    image = image.convert(mode) if mode != "I;16" else image
    assert np.array_equal(read_mask(image), HALF)
    file_format = "TIFF" if mode in ("CMYK", "F", "I") else "PNG"
    assert np.array_equal(read_mask(encoded(image, file_format)), HALF)


def test_colors_are_read_as_luma():
    image = Image.new("RGB", (3, 1))
    for x, color in enumerate(((255, 0, 0), (0, 255, 0), (0, 0, 255))):
        image.putpixel((x, 0), color)
    assert read_mask(image).tolist() == [[76, 150, 29]]


def test_an_image_with_transparent_pixels_has_its_mask_in_alpha():
    drawn = np.zeros((4, 8, 4), np.uint8)  # a red stroke, half opaque at its edge
    drawn[1:3, 2:6] = 255, 0, 0, 255
    drawn[1:3, 6] = 255, 0, 0, 128
    assert np.array_equal(read_mask(encoded(Image.fromarray(drawn))), drawn[..., 3])
    palette = Image.fromarray(HALF).convert("P")
    opaque_black = encoded(palette, transparency=palette.getpixel((7, 0)))
    assert np.array_equal(read_mask(opaque_black), 255 - HALF)


def test_an_opaque_alpha_channel_is_no_mask():
    opaque = Image.fromarray(HALF).convert("RGBA")
    assert np.array_equal(read_mask(encoded(opaque)), HALF)


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[Base.Orientation] = 6  # turn clockwise
    data = encoded(Image.fromarray(HALF), exif=exif)
    assert np.array_equal(read_mask(data), np.rot90(HALF, -1))


def test_a_grey_profile_keeps_black_and_white():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(HALF).convert("RGB")
    assert np.array_equal(read_mask(encoded(image, icc_profile=profile)), HALF)


def test_arrays():
    assert np.array_equal(read_mask(HALF == 255), HALF)
    assert np.array_equal(read_mask(HALF), HALF)
    for kind in (np.float16, np.float32, np.float64):
        floats = np.array([[0, 0.25, 0.5, 1]], kind)
        assert read_mask(floats).tolist() == [[0, 64, 128, 255]]


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.zeros((3, 3, 3), np.uint8), r"mask is uint8 \(3, 3, 3\): give a path"),
        (np.zeros((0, 3), np.uint8), r"mask is uint8 \(0, 3\)"),
        (np.zeros((2, 2), np.int64), r"mask is int64 \(2, 2\)"),
        (np.full((2, 2), 1.01), "mask has floats outside 0 to 1"),
        (np.full((2, 2), np.nan), "mask has floats outside 0 to 1"),
        (np.full((2, 2), -0.1, np.float16), "mask has floats outside 0 to 1"),
        ([[0, 255]], "mask is a list"),
        (b"", "the mask is empty"),
        (b"no image", "the mask is not an image that can be read"),
        (encoded(Image.new("L", (90, 90)))[:60], "the mask is damaged"),
        ("nowhere/mask.png", "no file 'nowhere/mask.png'"),
        (Path("/"), "'/' is a folder: give an image file"),
    ],
)
def test_what_is_no_mask_is_refused_in_one_line(mask: object, said: str):
    with pytest.raises(UserError, match=f"^{said}") as caught:
        read_mask(mask)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_labels_as_uint8_get_a_note():
    with pytest.warns(UserNote, match="give labels 0 and 1 as bool"):
        read_mask(np.eye(3, dtype=np.uint8))


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([0, 1, 128, 255]))
def test_a_mask_of_one_level_keeps_it_at_any_size(height: int, width: int, level: int):
    for shape in ((1, 1), (7, 90), (400, 3)):
        fitted = fit_mask(np.full(shape, level, np.uint8), width, height)
        assert fitted.shape == (height, width)
        assert (fitted == level).all()


def test_an_edge_stays_where_it_is_without_ringing():
    for height, width in ((2, 4), (60, 90), (4, 8)):
        fitted = fit_mask(HALF, width, height)
        assert (np.diff(fitted[0].astype(int)) >= 0).all()  # Lanczos would overshoot
        assert np.array_equal(fitted, 255 - fitted[:, ::-1])
        assert (fitted[:, 0] == 0).all()
        assert (fitted[:, -1] == 255).all()


def test_a_large_mask_is_averaged():
    stripes = np.tile(np.array([0, 255], np.uint8), (40, 3000))
    assert np.abs(fit_mask(stripes, 60, 40).astype(int) - 127.5).max() < 2
