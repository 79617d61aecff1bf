"""Pictures to tensors and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from fast_nst.errors import UserError
from fast_nst.images import from_array, to_array
from fast_nst.tensors import open_photograph, open_style, to_bytes, to_image, to_tensor
from tests.conftest import noise


def test_there_and_back_is_exact():
    image = from_array(noise(5, 7))
    tensor = to_tensor(image)
    assert tensor.shape == (1, 3, 5, 7)
    assert tensor.dtype == torch.float32
    assert tensor[0, 1, 2, 3] == to_array(image)[2, 3, 1] / 255
    assert (to_array(to_image(tensor)) == to_array(image)).all()
    assert (to_bytes(image) == (tensor[0] * 255).round()).all()


def test_values_are_rounded_and_clipped():
    tensor = torch.tensor([-1.0, 0.5 / 255 + 1e-4, 2.0]).view(1, 3, 1, 1)
    assert to_array(to_image(tensor)).tolist() == [[[0, 1, 255]]]


def test_sizes(tmp_path: Path):
    Image.new("RGB", (100, 50)).save(tmp_path / "a.png")
    assert open_photograph(tmp_path / "a.png").size == (100, 50)
    assert open_photograph(tmp_path / "a.png", 60).size == (60, 30)
    assert open_style(tmp_path / "a.png", 60).size == (120, 60)
    Image.new("RGB", (100, 31)).save(tmp_path / "thin.png")
    with pytest.raises(UserError, match=r"thin\.png' is 100x31: both sides must have at least 32"):
        open_style(tmp_path / "thin.png", 60)
