"""Compositing of GIF frames."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from fast_nst.videos.gif import composite, parse

NOTHING, KEEP, CLEAR, RESTORE = range(4)
RED, GREEN, BLUE = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255)
_NONE = (0, 0, 0, 0)


def gif(*frames: tuple[tuple[int, int, int, int], tuple[int, ...], int]) -> bytes:
    """Of 4 x 2 px; frames of a colour each, as (left, top, width, height), colour, disposal."""
    data = b"GIF89a" + struct.pack("<HHBBB", 4, 2, 0x80, 0, 0) + bytes((9, 9, 9, 0, 0, 0))
    for (left, top, width, height), color, disposal in frames:
        data += bytes((0x21, 0xF9, 4, disposal << 2 | (color == _NONE), 10, 0, 1, 0))
        data += struct.pack("<cHHHHB", b",", left, top, width, height, 0x80)
        data += bytes((7, 7, 7, *color[:3])) + _ones(width * height)
    return data + b";"


def _ones(count: int) -> bytes:
    """So many pixels of colour 1, as GIFs have them: codes of 3 bits, each behind a clear code."""
    bits = 0
    codes = [4, 1] * count + [5]
    for place, code in enumerate(codes):
        bits |= code << 3 * place
    packed = bits.to_bytes((3 * len(codes) + 7) // 8, "little")
    return bytes((2, len(packed))) + packed + b"\0"


def shown(data: bytes) -> list[list[list[tuple[int, ...]]]]:
    """Of each frame, its rows of pixels; what is clear as `_NONE`."""
    return [
        [[tuple(map(int, pixel)) for pixel in row] for row in frame]
        for frame in composite(parse(data))
    ]


ALL, LEFT, RIGHT = (0, 0, 4, 2), (0, 0, 2, 2), (2, 0, 2, 2)


@pytest.mark.parametrize(
    ("frames", "last"),
    [
        ([(ALL, RED, KEEP), (LEFT, GREEN, KEEP)], [GREEN, GREEN, RED, RED]),
        ([(ALL, RED, NOTHING), (LEFT, _NONE, KEEP)], [RED, RED, RED, RED]),
        ([(ALL, RED, CLEAR), (LEFT, GREEN, KEEP)], [GREEN, GREEN, _NONE, _NONE]),
        ([(LEFT, RED, KEEP)], [RED, RED, _NONE, _NONE]),
        ([(LEFT, RED, CLEAR), (RIGHT, GREEN, KEEP)], [_NONE, _NONE, GREEN, GREEN]),
        (
            [(ALL, RED, KEEP), (LEFT, GREEN, RESTORE), (RIGHT, BLUE, KEEP)],
            [RED, RED, BLUE, BLUE],
        ),
        ([(ALL, RED, RESTORE), (RIGHT, BLUE, KEEP)], [_NONE, _NONE, BLUE, BLUE]),
        ([(ALL, RED, KEEP), ((2, 0, 9, 9), GREEN, KEEP)], [RED, RED, GREEN, GREEN]),
    ],
)
def test_disposal_methods(frames: list, last: list[tuple[int, ...]]):
    assert shown(gif(*frames))[-1] == [last, last]


def test_durations_and_truncation():
    data = gif((ALL, RED, KEEP), (LEFT, GREEN, KEEP), (RIGHT, BLUE, KEEP))
    whole = parse(data)
    assert (whole.width, whole.height, whole.is_complete) == (4, 2, True)
    assert [part.milliseconds for part in whole.frames] == [100, 100, 100]
    assert parse(data[:-1]).is_complete  # browsers do without the last byte
    cut = parse(data[:-5])
    assert (len(cut.frames), cut.is_complete) == (2, False)
    assert parse(data[:9]).frames == []
    for length in range(len(data)):
        assert len(parse(data[:length]).frames) <= 3


def test_opaque_gif_equals_pillow():
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 255, (20, 30), np.uint8)) for _ in range(4)]
    buffer = io.BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:])
    for image, frame in zip(images, composite(parse(buffer.getvalue())), strict=True):
        assert np.array_equal(frame[..., 0], np.asarray(image))
        assert frame[..., 3].min() == 255
