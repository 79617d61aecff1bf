"""What a painting keeps of its photograph's EXIF data."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from fast_nst.pictures.exif import still_true
from fast_nst.pictures.read import most_pixels, open_image


def photographed(file_format: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Copyright], exif[Base.Software] = "Maker", "A. Non", "Editor 3"
    exif[Base.Orientation] = 3
    exif.get_ifd(IFD.Exif)[Base.FNumber] = 2.8
    exif.get_ifd(IFD.Exif)[Base.ExifImageWidth] = 4000
    exif.get_ifd(IFD.Exif)[Base.MakerNote] = b"secret"
    exif.get_ifd(IFD.GPSInfo)[GPS.GPSLatitudeRef] = "N"
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4)).save(buffer, file_format, exif=exif.tobytes())
    return buffer.getvalue()


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_what_is_still_true_is_kept(file_format: str):
    kept = Image.Exif()
    kept.load(open_image(photographed(file_format)).info["exif"])
    assert (kept[Base.Make], kept[Base.Copyright]) == ("Maker", "A. Non")
    details = kept.get_ifd(IFD.Exif)
    assert details[Base.FNumber] == pytest.approx(2.8)
    assert kept.get_ifd(IFD.GPSInfo)[GPS.GPSLatitudeRef] == "N"
    assert not {Base.Orientation, Base.Software, Base.ImageWidth, Base.StripOffsets} & set(kept)
    assert not {Base.ExifImageWidth, Base.MakerNote} & set(details)


def test_a_picture_without_any_gets_none():
    assert still_true(Image.new("RGB", (2, 2))) == b""
    assert open_image(Image.new("RGB", (2, 2))).info == {}


def test_broken_exif_is_dropped():
    data = photographed()
    place = data.index(b"Exif\0\0")
    for broken in (
        data[: place + 6] + b"XX" + data[place + 8 :],
        data[: place + 14] + b"\xff" * 40 + data[place + 54 :],
    ):
        with most_pixels(1000):  # Pillow warns of it
            assert open_image(broken).size == (6, 4)
