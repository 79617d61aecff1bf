"""`fast-nst infer --mask`: one picture, folders, pipes, and what is wrong in one line."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fast_nst.commands.main import main
from fast_nst.pictures.mask import composite
from tests.conftest import noise, pixels


def save(path: Path, mask: np.ndarray | int) -> Path:
    """A mask, or one of a single level."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.full((2, 3), mask) if isinstance(mask, int) else mask
    Image.fromarray(array.astype(np.uint8)).save(path)
    return path


def test_one_picture_within_a_mask(stylize, photo: Path, tmp_path: Path):
    mask, before = noise(24, 36, 1)[..., 0], pixels(photo)
    path = save(tmp_path / "mask.png", mask)
    code, _, err = stylize(photo, "-o", tmp_path / "out.png", "--mask", path)
    assert (code, err.count("\n")) == (0, 1)
    expected = composite(before, 255 - before, mask)
    np.testing.assert_array_equal(pixels(tmp_path / "out.png"), expected)


def test_a_style_outside_is_the_painting_of_that_style(photo: Path, tmp_path: Path):
    black = str(save(tmp_path / "black.png", 0))
    options = ["--strength", "0.7", "--size", "50"]
    words = ["infer", str(photo), "-q", *options]
    assert main([*words, "-s", "udnie_fast", "-o", str(tmp_path / "udnie.png")]) == 0
    model = Path("fast_nst/assets/live/udnie_fast.onnx").resolve()
    for outside in ("udnie_fast", str(model)):
        target = str(tmp_path / "out.png")
        style = ["-s", "evening_fast", "--mask", black, "--outside", outside, "--overwrite"]
        assert main([*words, *style, "-o", target]) == 0
        assert Path(target).read_bytes() == (tmp_path / "udnie.png").read_bytes()


def test_one_mask_for_a_folder(stylize, folder: Path, tmp_path: Path):
    mask = np.zeros((6, 8), bool)
    mask[:, 5:] = True
    path = save(folder / "mask.png", 255 * mask)  # among the photographs, and not one of them
    code, _, err = stylize(folder, "-o", tmp_path / "out", "--mask", path)
    assert code == 0
    assert "3 of 3 pictures" in err
    for name in ("one.png", "sub/two.png", "sub/drei ß.png"):
        before = pixels(folder / name)
        expected = np.where(mask[..., None], 255 - before, before)
        np.testing.assert_array_equal(pixels(tmp_path / "out" / name), expected)


def test_a_folder_of_masks_and_one_missing(stylize, folder: Path, tmp_path: Path):
    masks = folder / "masks"  # inside the folder of photographs
    save(masks / "one.tif", 255)
    save(masks / "sub" / "two.png", 0)
    code, out, err = stylize(folder, "-o", tmp_path / "out", "--mask", masks, "--json")
    assert code == 1
    assert "2 of 3 pictures" in err
    errors = [record["error"] for record in map(json.loads, out.splitlines()) if "error" in record]
    assert len(errors) == 1
    assert errors[0].startswith(f"no mask for '{folder}/sub/drei ß.png' in '{masks}'")
    np.testing.assert_array_equal(
        pixels(tmp_path / "out" / "one.png"), 255 - pixels(folder / "one.png")
    )
    two = Path("sub") / "two.png"
    np.testing.assert_array_equal(pixels(tmp_path / "out" / two), pixels(folder / two))
    save(masks / "sub" / "drei ß.bmp", 0)  # repeated, it paints what is missing
    code, _, err = stylize(folder, "-o", tmp_path / "out", "--mask", masks)
    assert (code, "1 of 3 pictures" in err) == (0, True)


def test_a_damaged_mask_in_a_folder_is_its_pictures_error(stylize, folder: Path, tmp_path: Path):
    for name in ("one.png", "sub/two.png"):
        save(tmp_path / "masks" / name, 255)
    (tmp_path / "masks" / "sub" / "drei ß.png").write_bytes(b"no mask")
    code, _, err = stylize(folder, "-o", tmp_path / "out", "--mask", tmp_path / "masks")
    assert code == 1
    assert "masks/sub/drei ß.png' is not an image" in err
    assert "2 of 3 pictures" in err


def test_a_mask_for_standard_input(photo: Path, negative: Path, monkeypatch, capsysbinary):
    mask = str(save(photo.parent / "mask.png", 0))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(photo.read_bytes())))
    assert main(["infer", "-", "-o", "-", "-q", "-m", str(negative), "--mask", mask]) == 0
    painted = np.asarray(Image.open(io.BytesIO(capsysbinary.readouterr().out)))
    np.testing.assert_array_equal(painted, pixels(photo))


def test_a_mask_is_never_the_output(stylize, photo: Path, folder: Path, tmp_path: Path):
    mask = save(tmp_path / "mask.png", 255)
    masks = save(tmp_path / "masks" / "one.png", 255).parent
    before = mask.read_bytes()
    for words in ((photo, "-o", mask, "--mask", mask), (folder, "-o", masks, "--mask", masks)):
        code, _, err = stylize(*words, "--overwrite")
        assert code == 2
        assert "is an input too" in err
    assert mask.read_bytes() == (masks / "one.png").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--outside udnie", "--outside is given without a mask: add --mask MASK"),
        ("--mask white.png --outside udni", "unknown style 'udni'. Did you mean 'udnie'?"),
        ("--mask white.png --outside gone.onnx", "no model 'gone.onnx'"),
        ("--mask white.png --outside white.onnx", "white.onnx"),
        ("--mask white.png --outside photo.png", "photo.png"),
        ("--mask nowhere.png", "no file 'nowhere.png'"),
        ("--mask empty.png", "'empty.png' is empty"),
        ("--mask text.png", "'text.png' is not an image that can be read"),
        ("--mask large.png --max-pixels 1000", "'large.png' has over 1,000 pixels"),
        ("--mask masks", "no mask for 'photo.png' in 'masks'"),
        ("--mask nothing", "no images in 'nothing'"),
        ("--mask both", "are both masks of 'photo.png'"),
        ("--mask", "expected one argument"),
    ],
)
def test_what_is_wrong_is_one_line(
    stylize, photo: Path, tmp_path: Path, monkeypatch, words: str, said: str
):
    monkeypatch.chdir(tmp_path)
    save(Path("white.png"), 255)
    Path("white.onnx").write_bytes(Path("white.png").read_bytes())
    Path("empty.png").touch()
    Path("text.png").write_text("white")
    save(Path("large.png"), np.zeros((50, 50)))
    save(Path("masks/other.png"), 255)
    Path("nothing").mkdir()
    save(Path("both/photo.jpg"), 255)
    save(Path("both/photo.tif"), 255)
    Path("out.png").write_bytes(b"precious")
    code, _, err = stylize("photo.png", "-o", "out.png", "--overwrite", *words.split())
    assert code == 2
    assert said in err
    assert err.count("\n") == 1
    assert Path("out.png").read_bytes() == b"precious"


def test_an_unusable_mask_stops_a_folder_at_once(stylize, folder: Path, tmp_path: Path):
    (tmp_path / "mask.png").write_text("white")
    code, _, err = stylize(folder, "-o", tmp_path / "out", "--mask", tmp_path / "mask.png")
    assert (code, err.count("\n")) == (2, 1)
    assert not (tmp_path / "out").exists()
