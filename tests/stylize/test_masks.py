"""Paintings within masks: exact inside and outside, and which networks run."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import Base

from fast_nst import Stylizer
from fast_nst.errors import UserError
from fast_nst.models.model import Model
from fast_nst.pictures.mask import composite
from fast_nst.stylize.folder import Job, plan
from fast_nst.stylize.masks import MaskFolder, Masks
from fast_nst.stylize.painting import PaintOptions, Region, paint_image
from tests.conftest import inverting_model, noise

WHITE, BLACK = (np.full((1, 1), level, np.uint8) for level in (255, 0))
BROKEN = b"no model: an engine that opens it fails"
STYLE, OTHER = "udnie_fast", "evening_fast"


@pytest.fixture(scope="module")
def negative() -> Stylizer:
    return Stylizer(inverting_model(), detail=0, threads=1)


@pytest.fixture(scope="module")
def style() -> Stylizer:
    return Stylizer(STYLE, threads=1)


def soft(height: int, width: int) -> np.ndarray:
    return np.tile(np.linspace(0, 255, width).round().astype(np.uint8), (height, 1))


def test_a_soft_mask_is_the_composite_of_painting_and_photograph(negative: Stylizer):
    pixels, mask = noise(50, 60), soft(50, 60)
    expected = composite(pixels, 255 - pixels, mask)
    for given in (mask, Image.fromarray(mask)):
        np.testing.assert_array_equal(negative(pixels, mask=given), expected)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"size": 70},
        {"size": 30, "keep_colors": True},
        {"strength": 0.2},
        {"stroke_scale": 2.0, "detail": 0.7},
    ],
)
def test_white_is_the_painting_and_black_the_photograph(style: Stylizer, settings: dict):
    photo = Image.fromarray(noise(40, 50))
    photograph = style(photo, **{**settings, "strength": 0})
    np.testing.assert_array_equal(style(photo, mask=WHITE, **settings), style(photo, **settings))
    np.testing.assert_array_equal(style(photo, mask=BLACK, **settings), photograph)


def test_a_style_outside_the_mask(style: Stylizer):
    pixels, mask = noise(40, 50), soft(40, 50)
    other = Stylizer(OTHER, threads=1)
    inside, outside = style(pixels, strength=0.6), other(pixels, strength=0.6)
    for name, expected in ((WHITE, inside), (BLACK, outside)):
        found = style(pixels, strength=0.6, mask=name, outside=OTHER)
        np.testing.assert_array_equal(found, expected)
    found = style(pixels, strength=0.6, mask=mask, outside=OTHER)
    np.testing.assert_array_equal(found, composite(outside, inside, mask))


def test_a_stylizer_outside_keeps_its_strength_and_detail(style: Stylizer):
    pixels = noise(40, 50)
    calm = Stylizer({STYLE: 1, OTHER: 2}, strength=0.4, detail=0.9, threads=1)
    found = style(pixels, mask=BLACK, outside=calm, strength=1.2)
    np.testing.assert_array_equal(found, calm(pixels))


def test_a_style_without_a_pixel_is_not_run(negative: Stylizer):
    pixels = noise(8, 9)
    found = negative(pixels, mask=WHITE, outside=BROKEN)
    np.testing.assert_array_equal(found, 255 - pixels)
    with pytest.raises(UserError):
        negative(pixels, mask=soft(8, 9), outside=BROKEN)
    broken, options = Model.read(BROKEN), PaintOptions(detail=0)
    painting = paint_image(pixels, broken, negative.session, options, region=Region(BLACK))
    np.testing.assert_array_equal(painting.pixels.rgb, pixels)
    region = Region(BLACK, (negative.model, options))
    painting = paint_image(pixels, broken, negative.session, options, region=region)
    np.testing.assert_array_equal(painting.pixels.rgb, 255 - pixels)


def test_transparency_and_exif_of_the_photograph_are_kept(negative: Stylizer, tmp_path: Path):
    photo, path = Image.fromarray(noise(6, 9, 4)), tmp_path / "photo.png"
    exif = Image.Exif()
    exif[Base.Artist], exif[Base.Orientation] = "A. Non", 6
    photo.save(path, exif=exif)
    upright = np.rot90(np.asarray(photo), -1)  # (9, 6, 4), as the mask is drawn on it
    mask = np.zeros((9, 6), bool)
    mask[:3] = True
    painted = negative(path, mask=mask)
    assert painted.getexif()[Base.Artist] == "A. Non"
    expected = upright.copy()
    expected[:3, :, :3] = 255 - expected[:3, :, :3]
    np.testing.assert_array_equal(np.asarray(painted), expected)


def test_lists_of_pictures(negative: Stylizer, tmp_path: Path):
    pixels = [noise(5, 6), noise(7, 4, seed=1)]
    Image.fromarray(WHITE).save(tmp_path / "white.png")
    for all_white in (WHITE, tmp_path / "white.png", [WHITE, None]):
        for painted, photo in zip(negative(pixels, mask=all_white), pixels, strict=True):
            np.testing.assert_array_equal(painted, 255 - photo)
    each = negative(pixels, mask=[BLACK, WHITE], outside=inverting_model())
    for painted, photo in zip(each, pixels, strict=True):
        np.testing.assert_array_equal(painted, 255 - photo)
    np.testing.assert_array_equal(negative(pixels, mask=(BLACK, WHITE))[0], pixels[0])
    with pytest.raises(UserError, match="mask has 1 masks for 2 pictures"):
        negative(pixels, mask=[WHITE])
    with pytest.raises(UserError, match="mask is a list"):
        negative(pixels[0], mask=[WHITE])


def test_outside_needs_a_mask_and_a_style(negative: Stylizer):
    with pytest.raises(UserError, match="outside is given without a mask"):
        negative(noise(4, 4), outside=STYLE)
    with pytest.raises(UserError, match="unknown style 'udni'"):
        negative(noise(4, 4), mask=BLACK, outside="udni")


@pytest.mark.integration
def test_a_masked_picture_in_tiles_and_its_progress():
    whole, tiled = (Stylizer(STYLE, threads=1, max_memory=size) for size in ("1GB", "64MB"))
    pixels, mask = noise(1000, 1300), soft(1000, 1300)
    told: list[tuple[int, int]] = []
    options = PaintOptions()
    region = Region(mask, (Model.read(OTHER), options))
    painting = paint_image(
        pixels, tiled.model, tiled.session, options, lambda *at: told.append(at), region
    )
    assert painting.is_tiled
    expected = whole(pixels, mask=mask, outside=OTHER)
    assert np.abs(painting.pixels.rgb.astype(int) - expected).max() <= 1
    shares = [done / total for done, total in told]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.5 < shares[-1] == 1


def save(path: Path, level: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (2, 2), level).save(path)
    return path


def test_masks_are_found_by_name_with_any_suffix(tmp_path: Path):
    one = save(tmp_path / "one.PNG", 0)
    two = save(tmp_path / "sub" / "two.x.webp", 0)
    jpg, png = save(tmp_path / "three.jpg", 0), save(tmp_path / "three.png", 0)
    masks = MaskFolder(tmp_path)
    assert masks.find(Path("one.jpg")) == one
    assert masks.find(Path("sub/two.x.jpg")) == two
    assert masks.find(Path("two.x.jpg")) is None
    assert (masks.find(Path("three.jpg")), masks.find(Path("three.png"))) == (jpg, png)
    with pytest.raises(UserError, match=r"three\.jpg' and .*three\.png' are both masks"):
        masks.find(Path("three.tif"))


def test_plan_keeps_masks_from_being_photographs_or_outputs(tmp_path: Path):
    photo = save(tmp_path / "a.png", 9)
    mask = save(tmp_path / "masks" / "a.tif", 255)
    everything = save(tmp_path / "all.png", 255)
    jobs = plan([str(tmp_path)], str(tmp_path / "out"), mask=str(tmp_path / "masks"))
    assert Job(photo, tmp_path / "out" / "a.png", mask) in jobs
    assert [job.mask for job in jobs if job.source == everything] == [None]
    assert mask not in [job.source for job in jobs]
    jobs = plan([str(tmp_path)], str(tmp_path / "out"), mask=str(everything))
    assert [job.source for job in jobs] == [photo, mask]
    assert {job.mask for job in jobs} == {everything}
    with pytest.raises(UserError, match="is an input too"):
        plan([str(photo)], str(everything), mask=str(everything))
    with pytest.raises(UserError, match="is a folder: give a file for standard input"):
        plan(["-"], "-", mask=str(tmp_path / "masks"))


def test_masks_can_be_pickled(tmp_path: Path):
    options = PaintOptions(strength=0.5)
    masks = Masks.open(save(tmp_path / "m.png", 7), (Model.read(STYLE), options))
    region = pickle.loads(pickle.dumps(masks)).region(None, None)
    assert region.mask.tolist() == [[7, 7], [7, 7]]
    assert region.outside == (Model.read(STYLE), options)


def test_a_fading_style_outside_warns_as_inside(style: Stylizer):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        style(noise(4, 4), mask=BLACK, outside=inverting_model(), strength=0.5)
    assert [Path(warning.filename).name for warning in caught] == ["test_masks.py"]
