"""The frames of a GIF as browsers put them together.

Pillow decodes each frame's pixels. What lies under them is up to here: it starts out clear, and a
frame leaves itself, a clear rectangle or what was there before it. Pillow itself fills with the
background colour instead, which browsers do not know.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fast_nst.pictures.edit import Array

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL = 0xF9
_CLEAR, _RESTORE = (2,), (3, 4)  # what is done with a frame's place before the next one
_HEAD = struct.Struct("<6sHHBBB")
_PLACE = struct.Struct("<HHHHB")
_CONTROL = struct.Struct("<BBHB")


@dataclass(frozen=True)
class Part:
    """A frame as it lies in the file.

    Attributes:
        place: Left, top, width and height, in px.
        milliseconds: How long it stays.
        disposal: What is done with its place before the next one.
        data: It alone, as a GIF.
    """

    place: tuple[int, int, int, int]
    milliseconds: int
    disposal: int
    data: bytes


@dataclass(frozen=True)
class Gif:
    """A file in its parts.

    Attributes:
        width: Of the whole, in px.
        height: In px.
        parts: Its frames.
        is_whole: Whether the file is complete.
    """

    width: int
    height: int
    parts: list[Part]
    is_whole: bool


class _EndError(Exception):
    """The file ends in the middle of something."""


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self._data):
            raise _EndError
        taken, self.at = self._data[self.at : end], end
        return taken

    def blocks(self) -> bytes:
        """Data in blocks that tell their length, up to the empty one, as they are."""
        begin = self.at
        while count := self.take(1)[0]:
            self.take(count)
        return self._data[begin : self.at]


def parse(data: bytes) -> Gif:
    """Take a file apart, as far as it goes.

    Args:
        data: That begins as a GIF does.
    """
    source = _Bytes(data)
    parts: list[Part] = []
    width = height = 0
    try:
        _, width, height, flags, *_ = _HEAD.unpack(source.take(_HEAD.size))
        colors = source.take(_table_size(flags))
        control = (0, 0, 0, 0)
        while source.at < len(data):
            kind = source.take(1)[0]
            if kind == _EXTENSION:
                label, block = source.take(1)[0], source.blocks()
                if label == _GRAPHIC_CONTROL and len(block) > _CONTROL.size:
                    control = _CONTROL.unpack_from(block)
            elif kind == _IMAGE:
                part = _part(source, flags, colors, control)
                if part is not None:
                    parts.append(part)
                control = (0, 0, 0, 0)
            elif kind == _TRAILER:
                break
    except _EndError:
        return Gif(width, height, parts, is_whole=False)
    return Gif(width, height, parts, is_whole=True)


def _table_size(flags: int) -> int:
    """Of a table of colours, in bytes."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _part(
    source: _Bytes, flags: int, colors: bytes, control: tuple[int, int, int, int]
) -> Part | None:
    left, top, width, height, own = _PLACE.unpack(source.take(_PLACE.size))
    own_colors = source.take(_table_size(own))
    pixels = source.take(1) + source.blocks()
    if not width or not height:
        return None
    _, control_flags, hundredths, clear = control
    data = (
        _HEAD.pack(b"GIF89a", width, height, flags, 0, 0)
        + colors
        + bytes((_EXTENSION, _GRAPHIC_CONTROL, 4))
        + _CONTROL.pack(4, control_flags & 1, 0, clear)[1:]
        + bytes((0, _IMAGE))
        + _PLACE.pack(0, 0, width, height, own)
        + own_colors
        + pixels
        + bytes((_TRAILER,))
    )
    place = (left, top, width, height)
    return Part(place, 10 * hundredths, control_flags >> 2 & 7, data)


def composed(gif: Gif) -> Iterator[Array]:
    """What is on screen at each frame: (H, W, 4) uint8, RGBA.

    Raises:
        OSError: A frame is damaged; so is what `fast_nst.pictures.exif.DECODING_ERRORS` names.
    """
    canvas = np.zeros((gif.height, gif.width, 4), np.uint8)
    for part in gif.parts:
        left, top, width, height = part.place
        place = canvas[top : top + height, left : left + width]
        before = place.copy() if part.disposal in _RESTORE else None
        with Image.open(io.BytesIO(part.data), formats=["GIF"]) as image:
            pixels = np.asarray(image.convert("RGBA"))[: place.shape[0], : place.shape[1]]
        shown = pixels[..., 3] > 0
        place[shown] = pixels[shown]
        yield canvas.copy()
        if before is not None:
            place[:] = before
        elif part.disposal in _CLEAR:
            place[:] = 0
