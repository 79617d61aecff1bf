"""Still pictures are no videos."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from fast_nst.errors import UserError
from fast_nst.videos.files import open_reader
from tests.conftest import noise


def frames(path: Path) -> int:
    reader = open_reader(path, None, Fraction(0), None, 10**6)
    try:
        return len(list(reader.frames()))
    finally:
        reader.close()


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "named.mp4"])
def test_still_picture(name: str, tmp_path: Path):
    images = [Image.fromarray(noise(16, 16, seed=seed)) for seed in range(2)]
    kind = {".mp4": "JPEG", ".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF"}[Path(name).suffix]
    pages = {"save_all": True, "append_images": images[1:]} if kind == "TIFF" else {}
    images[0].save(tmp_path / name, kind, **pages)
    with pytest.raises(UserError, match=f"{name}' is a still picture: .* or use fast-nst infer"):
        frames(tmp_path / name)


def test_animated_png_is_a_video(tmp_path: Path):
    images = [Image.fromarray(noise(16, 16, seed=seed)) for seed in range(3)]
    images[0].save(tmp_path / "a.png", save_all=True, append_images=images[1:], duration=100)
    assert frames(tmp_path / "a.png") == 3
