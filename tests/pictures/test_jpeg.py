"""JPEGs with too many scans, and those that lack their last bytes."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image

from fast_nst.errors import UserError, UserNote
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.jpeg import MAX_SCANS, Scans, read_scans
from fast_nst.pictures.read import open_image

KINDS = [
    {},
    {"progressive": True},
    {"optimize": True},
    {"subsampling": 0},
    {"restart_marker_rows": 1},
    {"progressive": True, "quality": 30},
]


def picture(width: int = 90, height: int = 70) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([2 * x, 3 * y, x * y // 50], -1).astype(np.uint8))


def jpeg(image: Image.Image | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    (image or picture()).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    data = jpeg(progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * (count - read_scans(data).count) + data[-2:]


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("lacking", [1, 2])
def test_truncated_jpeg_is_decoded(options: dict, lacking: int):
    whole = jpeg(**options)
    with pytest.warns(UserNote, match="^the input lacks its last bytes: decoded anyway$"):
        opened = open_image(whole[:-lacking])
    np.testing.assert_array_equal(to_array(opened), to_array(open_image(whole)))


def test_truncated_jpeg_keeps_exif_and_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = 6, "Box"
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(exif=exif)[:-2])
    with pytest.warns(UserNote, match=r"a\.jpg' lacks"):
        opened = open_image(path)
    assert opened.size == (70, 90)
    assert b"Box" in opened.info["exif"]
    with pytest.warns(UserNote, match="lacks"):
        assert open_image(Image.open(io.BytesIO(path.read_bytes()))).size == (70, 90)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_truncated_jpeg_in_other_modes(mode: str):
    with pytest.warns(UserNote, match="lacks"):
        assert open_image(jpeg(picture().convert(mode))[:-2]).size == (90, 70)


@pytest.mark.parametrize("options", KINDS)
def test_jpeg_lacking_more_is_damaged(options: dict):
    whole = jpeg(**options)
    for share in (0.1, 0.3, 0.5, 0.8):
        with pytest.raises(UserError, match="is damaged"):
            open_image(whole[: int(len(whole) * (1 - share))])


def test_jpeg_lacking_its_last_scan_is_damaged():
    whole = jpeg(progressive=True)
    with pytest.raises(UserError, match="is damaged"):
        open_image(whole[: whole.rindex(b"\xff\xda")])


def test_read_scans():
    assert read_scans(jpeg()) == Scans(1, is_complete=True, has_end=False)
    assert read_scans(jpeg(progressive=True)) == Scans(10, is_complete=True, has_end=True)
    assert read_scans(jpeg(progressive=True)[:-2]) == Scans(10, is_complete=True, has_end=False)
    assert read_scans(with_scans(40)).count == 40
    for nothing in (b"", b"\xff\xd8\xff", b"\xff\xd8\xff\xc2", b"\xff\xd8\xff\xda\x00\x00"):
        assert not read_scans(nothing).has_end


def test_scans_of_a_thumbnail_do_not_count():
    exif = Image.Exif()
    exif[0x010E] = with_scans(100)[:60000].decode("latin-1").encode("latin-1")
    assert read_scans(jpeg(progressive=True, exif=exif)).count == 10


def test_too_many_scans_are_rejected_quickly(tmp_path):
    data = with_scans(20_000)
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    for source in (data, data[:-2], path, Image.open(io.BytesIO(data))):
        started = time.perf_counter()
        with pytest.raises(UserError, match="has over 100 scans"):
            open_image(source)
        assert time.perf_counter() - started < 0.5
    assert open_image(with_scans(MAX_SCANS)).size == (90, 70)


def test_scans_of_single_components_count():
    """A sequential JPEG may have a scan for each component; libjpeg then reads on to the end."""
    data = jpeg(progressive=True)
    frame = data.index(b"\xff\xc2")
    sequential = data[:frame] + b"\xff\xc0" + data[frame + 2 :]
    first = data.index(b"\xff\xda")
    alone = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"  # the first component
    assert read_scans(sequential[:first] + alone * 30_000).count == MAX_SCANS + 1
