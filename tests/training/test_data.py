"""Which crop a sample is depends on the seed and its number alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fast_nst.errors import UserError
from fast_nst.pictures.find import find_images
from fast_nst.pictures.read import open_photograph
from fast_nst.training.data import Crops, Photographs, _From, random_crop


def readable(folder: Path) -> list[Path]:
    return [p for p in find_images(folder) if "broken" not in p.name and "empty" not in p.name]


def test_samples_are_a_pure_function_of_seed_and_number(photographs: Path):
    paths = readable(photographs)
    forwards, backwards = Crops(paths, 32, seed=5), Crops(paths, 32, seed=5)
    first = [forwards[i].crop for i in range(20)]
    second = [backwards[i].crop for i in reversed(range(20))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(torch.equal(forwards[i].noise, backwards[i].noise) for i in range(3))
    assert not torch.equal(forwards[0].noise, forwards[1].noise)
    assert not torch.equal(forwards[0].noise, Crops(paths, 32, seed=6)[0].noise)
    other = Crops(paths, 32, seed=6)
    assert not all(torch.equal(first[i], other[i].crop) for i in range(20))
    assert first[0].shape == (3, 32, 32)
    assert first[0].dtype == torch.uint8


def test_an_epoch_visits_each_photograph_once(photographs: Path):
    crops = Crops(readable(photographs), 32, seed=0)
    orders = [[crops._position(i) for i in range(e * 6, e * 6 + 6)] for e in range(4)]
    assert all(sorted(order) == list(range(6)) for order in orders)
    assert len({tuple(order) for order in orders}) > 1


def test_crops_lie_inside_and_keep_the_scale():
    """In a picture whose red is its x and green its y, a crop can be read back."""
    y, x = np.mgrid[0:100, 0:200]
    photo = Image.fromarray(np.stack([x, y, 0 * x], axis=-1).astype(np.uint8))
    rng = np.random.default_rng(0)
    sides, flips = [], 0
    for _ in range(60):
        crop = np.asarray(random_crop(photo, 32, rng)).astype(int)
        across, down = crop[16, 28, 0] - crop[16, 4, 0], crop[28, 16, 1] - crop[4, 16, 1]
        flips += across < 0
        assert abs(abs(across) - down) <= 2  # square pixels
        sides.append(down * 32 / 24)
    assert 30 <= min(sides) < 40
    assert 56 < max(sides) <= 66
    assert 15 <= flips <= 45


def test_small_photographs_are_enlarged():
    crop = random_crop(Image.new("RGB", (20, 50), "red"), 64, np.random.default_rng(0))
    assert crop.size == (64, 64)
    assert crop.getpixel((63, 63)) == (255, 0, 0)


def test_transparent_photographs_lie_on_white(tmp_path: Path):
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert open_photograph(tmp_path / "clear.png").getpixel((0, 0)) == (255, 255, 255)


def test_unreadable_files_are_passed_over_and_named(photographs: Path):
    crops = Crops(find_images(photographs), 32, seed=0)
    named = {name for i in range(8) for name in crops[i].unreadable}
    assert {Path(name).name for name in named} == {"broken.jpg", "empty.png"}


def test_validation_photographs_are_fixed_and_not_trained_on(photographs: Path):
    data = Photographs(photographs, size=40, batch_size=2, steps=3)
    assert data.validation_paths
    assert not set(data.validation_paths) & set(data.training_paths)
    assert len(data.validation_paths) + len(data.training_paths) + len(data.unreadable) >= 8
    fixed = data.validation_photographs()
    assert fixed.shape == (len(data.validation_paths), 3, 40, 40)
    again = Photographs(photographs, size=40, batch_size=2, steps=3, seed=9)
    assert torch.equal(fixed, again.validation_photographs())


def test_devices_share_each_batch_out():
    """Two devices see between them what one sees with twice the batch, also after a resume."""
    whole = list(_From(4, 16))
    shares = [list(_From(4, 16, rank, 2)) for rank in (0, 1)]
    assert sorted(shares[0] + shares[1]) == whole == list(range(4, 16))
    assert len(_From(4, 16)) == 16
    assert len(_From(4, 16, 1, 2)) == 8


def test_one_photograph_is_enough(tmp_path: Path):
    Image.new("RGB", (50, 60), "red").save(tmp_path / "only.png")
    data = Photographs(tmp_path, size=32, batch_size=2, steps=3)
    assert data.training_paths == data.validation_paths
    batches = [data.on_before_batch_transfer(batch, 0) for batch in data.train_dataloader()]
    assert [batch.photographs.shape for batch in batches] == [(2, 3, 32, 32)] * 3
    assert [batch.noise.shape for batch in batches] == [(2, 1, 8, 8)] * 3
    scaled = data.on_after_batch_transfer(batches[0], 0)
    assert torch.equal(scaled.noise, batches[0].noise)
    validation = data.on_after_batch_transfer(next(iter(data.val_dataloader())), 0)
    for photographs in (scaled.photographs, validation.photographs):
        assert photographs.dtype == torch.float32
        assert photographs[0, :, 0, 0].tolist() == [1, 0, 0]


def test_noise_is_standard_normal_at_every_size_the_network_asks_for(photographs: Path):
    crops = Crops(readable(photographs), 225, seed=0)
    values = torch.stack([crops[i].noise for i in range(6)])
    assert values.shape[1:] == (1, 57, 57)
    assert values.mean().item() == pytest.approx(0, abs=0.03)
    assert values.std().item() == pytest.approx(1, abs=0.03)


def test_a_folder_without_a_readable_photograph(tmp_path: Path):
    for i in range(3):
        (tmp_path / f"{i}.jpg").write_text("no image")
    with pytest.raises(UserError, match="none of the 3 images"):
        Photographs(tmp_path, size=32, batch_size=2, steps=3)


def test_processes_see_each_photograph_once_an_epoch_between_them(photographs: Path):
    crops = Crops(readable(photographs), 32, seed=3)
    shares = [list(_From(0, 24, rank, 2)) for rank in (0, 1)]
    for epoch in range(4):
        seen = [crops._position(i) for share in shares for i in share if i // 6 == epoch]
        assert sorted(seen) == list(range(6))
