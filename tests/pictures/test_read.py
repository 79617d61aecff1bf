"""Reading images of all kinds to upright 8-bit sRGB."""

from __future__ import annotations

import io
import struct
import sys
import warnings
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from fast_nst.errors import UserError
from fast_nst.pictures.edit import to_array, to_channels, to_image
from fast_nst.pictures.find import find_images
from fast_nst.pictures.read import (
    open_image,
    open_photograph,
    open_style,
    pixel_limit,
    read_pixels,
)
from tests.conftest import noise

# How each EXIF orientation shows the stored array upright.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


def saved(image: Image.Image, file_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation(orientation: int):
    stored = noise(5, 7)
    exif = Image.Exif()
    exif[0x0112] = orientation
    opened = open_image(saved(Image.fromarray(stored), "PNG", exif=exif))
    np.testing.assert_array_equal(to_array(opened), UPRIGHT[orientation](stored))


def test_16_bit_greyscale():
    wide = np.array([[0, 257, 25700, 65535]], dtype=np.uint16)
    opened = open_image(saved(Image.fromarray(wide), "PNG"))
    assert to_array(opened)[0, :, 0].tolist() == [0, 1, 100, 255]


def test_float_tiff():
    unit = open_image(saved(Image.fromarray(np.array([[0, 0.2, 1.0]], np.float32)), "TIFF"))
    assert to_array(unit)[0, :, 1].tolist() == [0, 51, 255]
    levels = open_image(saved(Image.fromarray(np.array([[0, 51, 300.0]], np.float32)), "TIFF"))
    assert to_array(levels)[0, :, 1].tolist() == [0, 51, 255]


def test_greyscale_and_1_bit():
    gray = noise(4, 5)[..., 0]
    opened = to_array(open_image(saved(Image.fromarray(gray), "PNG")))
    np.testing.assert_array_equal(opened, np.stack([gray] * 3, axis=-1))
    bits = open_image(saved(Image.fromarray(gray > 99), "PNG"))
    np.testing.assert_array_equal(to_array(bits)[..., 0], np.where(gray > 99, 255, 0))


def test_cmyk_without_profile():
    ink = Image.new("CMYK", (3, 2), (255, 0, 0, 0))
    opened = open_image(saved(ink, "TIFF"))
    assert opened.mode == "RGB"
    assert opened.getpixel((0, 0)) == (0, 255, 255)
    jpeg = open_image(saved(ink, "JPEG", quality=100))
    assert np.abs(np.array(jpeg.getpixel((1, 1))) - (0, 255, 255)).max() <= 2


def test_palette_with_and_without_transparency():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    plain = open_image(saved(image, "PNG"))
    assert plain.mode == "RGB"
    assert [plain.getpixel((x, 0)) for x in (0, 1)] == [(10, 20, 30), (200, 100, 50)]
    clear = open_image(saved(image, "PNG", transparency=0))
    assert clear.mode == "RGBA"
    assert [clear.getpixel((x, 0)) for x in (0, 1)] == [(10, 20, 30, 0), (200, 100, 50, 255)]


def test_transparency_is_kept():
    pixels = noise(3, 4, 4)
    np.testing.assert_array_equal(
        np.asarray(open_image(saved(Image.fromarray(pixels), "PNG"))), pixels
    )
    assert open_image(saved(Image.new("LA", (2, 2), (9, 70)), "PNG")).getpixel((0, 0)) == (
        9,
        9,
        9,
        70,
    )
    key = saved(Image.new("RGB", (2, 2), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
    assert open_image(key).getpixel((1, 1)) == (1, 2, 3, 0)


def test_icc_profile_is_converted_to_srgb():
    """A profile with red and blue exchanged turns a red image blue."""
    swapped = _profile_with_swapped_red_and_blue()
    opened = open_image(saved(Image.new("RGB", (2, 2), (250, 10, 20)), "PNG", icc_profile=swapped))
    assert np.abs(np.array(opened.getpixel((0, 0))) - (20, 10, 250)).max() <= 2
    assert "icc_profile" not in opened.info


def _profile_with_swapped_red_and_blue() -> bytes:
    """The profile of sRGB with the entries of two primaries exchanged in its tag table."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    swapped = bytearray(profile)
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(swapped)


def test_broken_icc_profile_is_ignored():
    pixels = noise(3, 3)
    data = saved(Image.fromarray(pixels), "PNG", icc_profile=b"not a profile at all")
    np.testing.assert_array_equal(to_array(open_image(data)), pixels)


def test_first_frame_of_animation():
    frames = [Image.new("RGB", (4, 4), c) for c in ("red", "blue")]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert open_image(data).convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def test_wrong_suffix(tmp_path: Path):
    path = tmp_path / "picture.jpg"
    path.write_bytes(saved(Image.new("RGB", (3, 2), "lime"), "PNG"))
    assert open_image(path).getpixel((0, 0)) == (0, 255, 0)


def test_pil_image_is_not_modified():
    image = Image.fromarray(noise(4, 4))
    opened = open_image(image)
    opened.paste("red", (0, 0, 4, 4))
    np.testing.assert_array_equal(np.asarray(image), noise(4, 4))


def test_undecodable_pil_image_raises_user_error():
    whole = saved(Image.fromarray(noise(50, 50)), "JPEG")
    with pytest.raises(UserError, match="is damaged"):
        open_image(Image.open(io.BytesIO(whole[:900])))
    closed = Image.open(io.BytesIO(whole))
    closed.close()
    with pytest.raises(UserError, match="is damaged"):
        open_image(closed)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"])
def test_damaged_files_never_crash(file_format: str):
    rng = np.random.default_rng(0)
    whole = saved(Image.fromarray(noise(20, 30)), file_format)
    damaged = [whole[:cut] for cut in range(0, len(whole), max(1, len(whole) // 25))]
    for _ in range(40):
        flipped = bytearray(whole)
        for position in rng.integers(0, len(whole), 5):
            flipped[position] ^= int(rng.integers(1, 256))
        damaged.append(bytes(flipped))
    messages = []
    for data in damaged:
        try:
            assert open_image(data).mode in ("RGB", "RGBA")
        except UserError as error:
            messages.append(str(error))
    assert len(messages) >= 20
    assert not any("\n" in message for message in messages)


def test_invalid_sources_raise_user_error(tmp_path: Path, monkeypatch):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("hello")
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(saved(Image.new("1", (400, 400)), "PNG"))
    for name, word in (
        ("missing.jpg", "no file"),
        ("", "is a folder"),
        ("empty.jpg", "is empty"),
        ("text.jpg", "not an image"),
        ("a\0b.jpg", "cannot read"),
    ):
        with pytest.raises(UserError, match=word):
            open_image(tmp_path / name)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UserError, match="over 2,000 pixels"):
        open_image(bomb)


def test_large_icc_profile():
    swapped = bytearray(_profile_with_swapped_red_and_blue()) + bytes(2_000_000)
    swapped[:4] = struct.pack(">I", len(swapped))
    data = saved(Image.new("RGB", (2, 2), (250, 10, 20)), "PNG", icc_profile=bytes(swapped))
    assert np.abs(np.array(open_image(data).getpixel((0, 0))) - (20, 10, 250)).max() <= 2


def test_find_images_by_suffix(tmp_path: Path):
    kinds = {"a.jfif": "JPEG", "a.jpe": "JPEG", "a.mpo": "MPO", "a.jp2": "JPEG2000"}
    kinds |= {"a.apng": "PNG", "A.JFIF": "JPEG", "a.pgm": "PPM", "a.hif": "HEIF"}
    pillow_heif.register_heif_opener()
    for name, kind in kinds.items():
        (tmp_path / name).write_bytes(saved(Image.new("RGB", (30, 20)), kind))
    found = find_images(tmp_path)
    assert {path.name for path in found} == set(kinds)
    assert {open_image(path).size for path in found} == {(30, 20)}


def test_find_images(tmp_path: Path):
    for name in ("b.JPG", "sub/a.png", "sub/.hidden.png", ".git/c.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    assert find_images(tmp_path) == [tmp_path / "b.JPG", tmp_path / "sub" / "a.png"]
    with pytest.raises(UserError, match="no folder"):
        find_images(tmp_path / "nowhere")
    with pytest.raises(UserError, match="is a file"):
        find_images(tmp_path / "notes.txt")
    (tmp_path / "bare").mkdir()
    with pytest.raises(UserError, match="no images in"):
        find_images(tmp_path / "bare")


def test_sizes(tmp_path: Path):
    Image.new("RGB", (100, 50)).save(tmp_path / "a.png")
    assert open_photograph(tmp_path / "a.png").size == (100, 50)
    assert open_photograph(tmp_path / "a.png", 60).size == (60, 30)
    assert open_style(tmp_path / "a.png", 40).size == (80, 40)
    assert open_style(tmp_path / "a.png", 50).size == (100, 50)
    assert open_style(tmp_path / "a.png", 60).size == (120, 60)
    assert open_style(tmp_path / "a.png", 200).size == (200, 100)  # twofold at most
    assert open_style(tmp_path / "a.png", 60, enlarge=False).size == (100, 50)
    Image.new("RGB", (100, 31)).save(tmp_path / "thin.png")
    with pytest.raises(UserError, match=r"thin\.png' is 100x31: both sides must have at least 32"):
        open_style(tmp_path / "thin.png", 60)


def test_small_style_images_are_enlarged_without_their_noise(tmp_path: Path):
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, 30:] = 200
    Image.fromarray(pixels).save(tmp_path / "clean.png")
    pixels[10, 10] = pixels[20, 50] = 255  # noise of a pixel
    Image.fromarray(pixels).save(tmp_path / "noisy.png")
    clean, noisy = (
        np.asarray(open_style(tmp_path / f"{name}.png", 60)) for name in ("clean", "noisy")
    )
    assert np.array_equal(noisy, clean)
    slightly = np.asarray(open_style(tmp_path / "noisy.png", 48))
    assert slightly[10:15, 10:15].max() > 100  # under 1.25 times, nothing is removed
    row = clean[30, :, 0].astype(int)  # the edge is at 45
    assert set(row[:44]) == {0}
    assert set(row[56:]) == {200}
    assert row[46] > 200  # sharpened


class Watching(Image.Image):
    """An image that records the warning filters while it is decoded."""

    def load(self):
        self.seen = list(warnings.filters)
        return super().load()


def test_decoding_keeps_warning_filters():
    """They are process-wide: changed in one thread, they change in all."""
    picture = Watching()
    source = Image.new("RGB", (3, 2), "red")
    picture.im, picture._mode, picture._size = source.im, "RGB", source.size
    before = list(warnings.filters)
    assert open_image(picture).size == (3, 2)
    assert picture.seen == before


def test_pillow_warnings_are_silent():
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.putpixel((1, 0), 1)
    data = saved(palette, "PNG", transparency=b"\x00\xff")
    image = open_image(data)
    assert image.mode == "RGBA"
    assert [image.getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0, 0), (0, 255, 0, 255)]


def heic(pixels: np.ndarray, **options) -> bytes:
    pillow_heif.register_heif_opener()
    return saved(Image.fromarray(pixels), "HEIF", quality=-1, **options)


def test_heic():
    smooth = np.array(Image.fromarray(noise(4, 5)).resize((60, 40), Image.Resampling.BICUBIC))
    for data in (heic(smooth), saved(Image.fromarray(smooth), "AVIF", quality=100)):
        opened = open_image(data)
        assert (opened.mode, opened.size) == ("RGB", (60, 40))
        assert np.abs(to_array(opened).astype(int) - smooth).mean() < 4


def test_heic_orientation_is_applied_once():
    stored = np.zeros((40, 60, 3), np.uint8)
    stored[:20] = 255  # light on top
    exif = Image.Exif()
    exif[0x0112] = 6  # which a viewer turns clockwise: light comes to the right
    opened = to_array(open_image(heic(stored, exif=exif.tobytes())))
    assert opened.shape == (60, 40, 3)
    assert opened[:, 25:].min() > 200
    assert opened[:, :15].max() < 50


def test_heic_without_plugin(monkeypatch):
    data = heic(noise(40, 60))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(
        UserError, match=r"is a HEIC photograph: .* pip install \"fast-nst\[heif\]\""
    ):
        open_image(data)


def test_damaged_heic():
    data = heic(noise(40, 60))
    for broken in (data[:40], data[: len(data) // 2], data[:12]):
        with pytest.raises(UserError, match="the input is"):
            open_image(broken)


def test_most_pixels_raises_the_limit(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    data = saved(Image.fromarray(noise(12, 10)), "PNG")
    with pytest.raises(UserError, match=r"over 100 pixels.* raise --max-pixels"):
        open_image(data)
    with pixel_limit(120):
        assert open_image(data).size == (10, 12)  # and Pillow does not warn either
    with pixel_limit(118), pytest.raises(UserError, match="over 118 pixels"):
        open_image(data)
    assert Image.MAX_IMAGE_PIXELS == 50


def test_read_pixels_accepts_all_types(tmp_path: Path):
    pixels = noise(12, 10, 4)
    for given in (pixels, Image.fromarray(pixels), saved(Image.fromarray(pixels), "PNG")):
        photo = read_pixels(given)
        np.testing.assert_array_equal(to_channels(photo), pixels)
        np.testing.assert_array_equal(np.array(to_image(photo)), pixels)
    gray = read_pixels(pixels[..., 0], size=6)
    assert (gray.rgb.shape, gray.alpha) == ((6, 5, 3), None)
    with pytest.raises(UserError, match="cannot stylize a int"):
        read_pixels(3)
