"""Encoding images and writing them atomically."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fast_nst.errors import UserError, UserNote
from fast_nst.files import write_atomically
from fast_nst.pictures.read import open_image
from fast_nst.pictures.write import encode_image, save_image
from tests.conftest import noise


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([3, 4]))
def test_png_is_lossless(height: int, width: int, channels: int):
    pixels = noise(height, width, channels)
    np.testing.assert_array_equal(
        np.asarray(open_image(encode_image(Image.fromarray(pixels)))), pixels
    )


@pytest.mark.parametrize("name", ["a.jpg", "sub/b.jpeg", "c.png", "d.webp", "e.bmp", "f.tiff"])
def test_save_image_in_every_format(tmp_path: Path, name: str):
    image = Image.new("RGBA", (9, 6), (200, 40, 40, 255))
    save_image(image, tmp_path / name)
    pixel = np.array(open_image(tmp_path / name).getpixel((4, 3)))[:3]
    assert np.abs(pixel - (200, 40, 40)).max() <= 3
    assert [p.name for p in (tmp_path / name).parent.iterdir()] == [Path(name).name]


def test_jpeg_flattens_transparency_on_white(tmp_path: Path):
    save_image(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), tmp_path / "a.jpg")
    assert open_image(tmp_path / "a.jpg").getpixel((4, 4)) == (255, 255, 255)


def test_dropped_exif_note_names_the_file(tmp_path: Path):
    exif = Image.Exif()
    exif[0x010E] = "a prompt " * 9000
    image = Image.new("RGB", (8, 8))
    image.info["exif"] = exif.tobytes()
    with pytest.warns(UserNote, match=r"a\.jpg' is without the photograph's EXIF ImageDescription"):
        save_image(image, tmp_path / "a.jpg")
    assert open_image(tmp_path / "a.jpg").size == (8, 8)


def test_failed_save_keeps_old_file(tmp_path: Path):
    target = tmp_path / "a.jpg"
    target.write_bytes(b"precious")
    with pytest.raises(UserError, match="cannot write 70000x1 as JPEG"):
        save_image(Image.new("RGB", (70000, 1)), target)
    assert target.read_bytes() == b"precious"
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]
    with pytest.raises(UserError, match=r"suffix '\.xyz'"):
        save_image(Image.new("RGB", (1, 1)), tmp_path / "a.xyz")
    with pytest.raises(UserError, match="cannot write"):
        save_image(Image.new("RGB", (1, 1)), target / "below_a_file.png")
    with pytest.raises(UserError, match="is a folder"):
        write_atomically(tmp_path, b"x")


def test_saved_file_mode_follows_umask(tmp_path: Path):
    previous = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", b"x")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
