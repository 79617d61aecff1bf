"""Copying of EXIF data to paintings."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from fast_nst.errors import UserNote
from fast_nst.pictures.exif import fit_exif, kept_exif
from fast_nst.pictures.read import open_image, pixel_limit
from fast_nst.pictures.write import encode_image


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
def test_kept_exif(file_format: str):
    kept = Image.Exif()
    kept.load(open_image(photographed(file_format)).info["exif"])
    assert (kept[Base.Make], kept[Base.Copyright]) == ("Maker", "A. Non")
    details = kept.get_ifd(IFD.Exif)
    assert details[Base.FNumber] == pytest.approx(2.8)
    assert kept.get_ifd(IFD.GPSInfo)[GPS.GPSLatitudeRef] == "N"
    assert not {Base.Orientation, Base.Software, Base.ImageWidth, Base.StripOffsets} & set(kept)
    assert not {Base.ExifImageWidth, Base.MakerNote} & set(details)


def test_image_without_exif():
    assert kept_exif(Image.new("RGB", (2, 2))) == b""
    assert open_image(Image.new("RGB", (2, 2))).info == {}


def test_malformed_exif_is_dropped():
    data = photographed()
    place = data.index(b"Exif\0\0")
    for broken in (
        data[: place + 6] + b"XX" + data[place + 8 :],
        data[: place + 14] + b"\xff" * 40 + data[place + 54 :],
    ):
        with pixel_limit(1000):  # Pillow warns of it
            assert open_image(broken).size == (6, 4)


Entry = tuple[int, int, int, bytes]  # tag, type, number of values, what stands inside
TURNED: Entry = (Base.Orientation, 3, 1, b"\0\x06\0\0")


def block(*entries: Entry, place: tuple[Entry, ...] = ()) -> bytes:
    """An EXIF block of the given entries, valid or not."""
    below = 8 + 2 + 12 * (len(entries) + 1) + 4
    pointer: Entry = (IFD.GPSInfo, 4, 1, struct.pack(">I", below))
    data = b"MM\0\x2a\0\0\0\x08"
    for part in (sorted([*entries, *([pointer] if place else [])]), place):
        if part:
            data += struct.pack(">H", len(part))
            data += b"".join(struct.pack(">HHI4s", *entry) for entry in part) + bytes(4)
    return data


WRONG = {
    "nothing": block(TURNED),
    "text for a number": block(TURNED, place=((GPS.GPSAltitudeRef, 2, 2, b"0\0\0\0"),)),
    "text for bytes": block(TURNED, place=((GPS.GPSVersionID, 2, 4, b"2200"),)),
    "a float for text": block(TURNED, (Base.Software, 11, 1, struct.pack(">f", 1.5))),
    "a size below 0": block((Base.ImageWidth, 9, 1, struct.pack(">i", -5)), TURNED),
    "text beyond the end": block((Base.ImageDescription, 2, 500, b"\0\0\xff\0"), TURNED),
    "text of 2 GB": block((Base.ImageDescription, 2, 2**31, b"\0\0\0\x08"), TURNED),
    "an unknown type": block((Base.ImageDescription, 99, 5, b"abcd"), TURNED),
    "a part before the block": block(TURNED, (IFD.GPSInfo, 9, 1, struct.pack(">i", -5))),
    "a part beyond the end": block(TURNED, (IFD.Exif, 4, 1, b"\0\xff\0\0")),
    "a part in itself": block(TURNED, (IFD.Exif, 4, 1, b"\0\0\0\x08")),
    "text for a part": block(TURNED, (IFD.GPSInfo, 2, 4, b"abc\0")),
    "cut off": block(TURNED, (Base.Software, 2, 4, b"abc\0"))[:24],
    "a longer number": block((Base.Orientation, 4, 1, b"\0\0\0\x06")),
    "two of them": block((Base.Orientation, 3, 2, b"\0\x06\0\x06")),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_orientation_with_malformed_entries(wrong: str, file_format: str):
    buffer = io.BytesIO()
    Image.new("RGB", (96, 64)).save(buffer, file_format, exif=b"Exif\0\0" + WRONG[wrong])
    with pixel_limit(10_000):  # Pillow warns of it
        opened = open_image(buffer.getvalue())
    assert opened.size == (64, 96)
    for written in ("JPEG", "PNG", "WEBP", "TIFF"):  # nothing that is kept stops it
        with pixel_limit(10_000):
            assert open_image(encode_image(opened, written)).size == (64, 96)


@pytest.mark.parametrize("number", [0, 9, 65535])
def test_invalid_orientation_is_ignored(number: int):
    buffer = io.BytesIO()
    exif = block((Base.Orientation, 3, 1, struct.pack(">HH", number, 0)))
    Image.new("RGB", (96, 64)).save(buffer, "JPEG", exif=b"Exif\0\0" + exif)
    assert open_image(buffer.getvalue()).size == (96, 64)


def test_malformed_entry_affects_no_other():
    entries = (TURNED, (Base.Model, 2, 4, b"Box\0"), (Base.Make, 2, 500, b"\0\0\xff\0"))
    exif = block(*entries, place=((GPS.GPSLatitudeRef, 2, 2, b"N\0\0\0"),))
    buffer = io.BytesIO()
    Image.new("RGB", (96, 64)).save(buffer, "PNG", exif=exif)
    with pixel_limit(10_000):
        opened = open_image(buffer.getvalue())
    kept = Image.Exif()
    kept.load(opened.info["exif"])
    assert dict(kept) == {Base.Model: "Box", IFD.GPSInfo: kept[IFD.GPSInfo]}
    assert kept.get_ifd(IFD.GPSInfo) == {GPS.GPSLatitudeRef: "N"}


def tiff(*entries: Entry) -> bytes:
    """An uncompressed TIFF of 96x64 px, with other entries, valid or not."""
    width, height = 96, 64
    pixels = bytes(width * height * 3)
    own = {256: width, 257: height, 258: 8, 259: 1, 262: 2, 277: 3, 278: height}
    shorts: list[Entry] = [(tag, 3, 1, struct.pack(">HH", n, 0)) for tag, n in own.items()]
    entries = (*entries, *shorts, (279, 4, 1, struct.pack(">I", len(pixels))))
    below = 8 + 2 + 12 * (len(entries) + 1) + 4
    return block(*entries, (273, 4, 1, struct.pack(">I", below))) + pixels


def test_tiff_with_malformed_ifds():
    for wrong in (
        (IFD.GPSInfo, 9, 1, struct.pack(">i", -5)),
        (IFD.GPSInfo, 2, 4, b"abc\0"),
        (IFD.Exif, 4, 1, b"\0\xff\0\0"),
        (Base.Software, 11, 1, struct.pack(">f", 1.5)),
    ):
        with pixel_limit(10_000):
            opened = open_image(tiff(TURNED, wrong, (Base.Model, 2, 4, b"Box\0")))
        assert opened.size == (64, 96)
        assert b"Box" in opened.info["exif"]


TEXTS = ["Zażółć © 日本".encode(), "Renée ©".encode("latin-1"), "Жук".encode("cp1251"), b"plain"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_text_is_copied_byte_for_byte(text: bytes, file_format: str):
    exif = Image.Exif()
    main = (Base.Artist, Base.Copyright, Base.ImageDescription, Base.Make)
    exif.update(dict.fromkeys(main, text))
    exif.get_ifd(IFD.Exif)[Base.UserComment] = comment = b"UNICODE\0" + "é".encode("utf-16-le")
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4)).save(buffer, "JPEG", exif=exif)
    written = encode_image(open_image(buffer.getvalue()), file_format)
    for data in (written, encode_image(open_image(written), "PNG")):
        kept = Image.open(io.BytesIO(data)).getexif()
        assert [kept[tag].encode("latin-1") for tag in main] == [text] * 4
        assert kept.get_ifd(IFD.Exif)[Base.UserComment] == comment


def test_exif_utf_8_type_becomes_ascii_type():
    name = "Zoë".encode()
    buffer = io.BytesIO()
    exif = block((Base.Artist, 129, 4, name))
    Image.new("RGB", (6, 4)).save(buffer, "JPEG", exif=b"Exif\0\0" + exif)
    kept = Image.Exif()
    kept.load(open_image(buffer.getvalue()).info["exif"])
    assert kept[Base.Artist].encode("latin-1") == name


def test_exif_numbers_are_copied():
    exif = Image.Exif()
    details, place = exif.get_ifd(IFD.Exif), exif.get_ifd(IFD.GPSInfo)
    details[Base.ExposureTime], details[Base.ISOSpeedRatings] = 1 / 320, 100
    details[Base.LensSpecification] = (24.0, 70.0, 2.8, 4.0)
    place[GPS.GPSLatitude], place[GPS.GPSAltitudeRef] = (52.0, 31.0, 12.025), b"\1"
    for order in ("<", ">"):
        exif.endian = order
        buffer = io.BytesIO()
        Image.new("RGB", (6, 4)).save(buffer, "JPEG", exif=exif)
        for file_format in ("JPEG", "TIFF"):
            written = encode_image(open_image(buffer.getvalue()), file_format)
            kept = Image.open(io.BytesIO(written)).getexif()
            found = kept.get_ifd(IFD.Exif)
            assert found[Base.ExposureTime] == pytest.approx(1 / 320)
            assert found[Base.ISOSpeedRatings] == 100
            assert found[Base.LensSpecification] == pytest.approx((24, 70, 2.8, 4))
            assert kept.get_ifd(IFD.GPSInfo)[GPS.GPSLatitude] == pytest.approx((52, 31, 12.025))
            assert kept.get_ifd(IFD.GPSInfo)[GPS.GPSAltitudeRef] == b"\1"


def generated(words: int = 9000) -> Image.Image:
    """A picture whose description is longer than a JPEG's EXIF data may be."""
    exif = Image.Exif()
    exif[Base.ImageDescription], exif[Base.Artist] = "a prompt " * words, "A. Non"
    exif.get_ifd(IFD.Exif)[Base.UserComment] = b"x" * 40_000
    exif.get_ifd(IFD.GPSInfo)[GPS.GPSLatitudeRef] = "N"
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4)).save(buffer, "WEBP", exif=exif)
    return open_image(buffer.getvalue())


def test_jpeg_drops_exif_over_64_kb():
    line = "^the painting is without the photograph's EXIF ImageDescription: a JPEG holds 64 kB of"
    with pytest.warns(UserNote, match=line):
        written = encode_image(generated(), "JPEG")
    kept = Image.open(io.BytesIO(written)).getexif()
    assert set(kept) == {Base.Artist, IFD.Exif, IFD.GPSInfo}
    assert kept[Base.Artist] == "A. Non"
    assert kept.get_ifd(IFD.Exif)[Base.UserComment] == b"x" * 40_000
    assert kept.get_ifd(IFD.GPSInfo)[GPS.GPSLatitudeRef] == "N"


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_other_formats_keep_large_exif(file_format: str):
    kept = Image.open(io.BytesIO(encode_image(generated(), file_format))).getexif()
    assert kept[Base.ImageDescription] == "a prompt " * 9000


def test_fit_exif_respects_limit():
    exif = generated(3000).info["exif"]
    assert fit_exif(exif, len(exif)) == (exif, [])
    less, left_out = fit_exif(exif, len(exif) - 1)
    assert left_out == ["UserComment"]
    assert len(less) < len(exif) - 40_000
    assert fit_exif(exif, 10)[0] == b""


def test_overlapping_exif_entries_are_bounded():
    size = 2**20
    entries = [(tag, 7, size, struct.pack(">I", 600)) for tag in GPS]
    exif = block((Base.Model, 2, 4, b"Box\0"), place=tuple(entries)) + bytes(size + 600)
    image = Image.new("RGB", (2, 2))
    image.info["exif"] = exif
    assert len(kept_exif(image)) < 17 * size


def test_random_exif_bytes_never_raise():
    rng = np.random.default_rng(0)
    whole = photographed("WEBP")
    exif = whole[whole.index(b"EXIF") + 8 :]
    for _ in range(300):
        broken = bytearray(exif)
        for position in rng.integers(0, len(broken), 8):
            broken[position] = int(rng.integers(0, 256))
        image = Image.new("RGB", (2, 2))
        image.info["exif"] = bytes(broken)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert isinstance(kept_exif(image), bytes)
            assert open_image(image).size == (2, 2)
