"""Compositing a GIF's frames as browsers do.

Pillow decodes the pixels of each frame. The canvas starts transparent, and each frame's disposal
method keeps it, clears its rectangle, or restores what it covered. Pillow's own compositing fills
with the background colour, which browsers ignore.
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
_CLEAR, _RESTORE = (2,), (3, 4)  # disposal methods
_HEADER = struct.Struct("<6sHHBBB")
_DESCRIPTOR = struct.Struct("<HHHHB")
_CONTROL = struct.Struct("<BBHB")


@dataclass(frozen=True)
class GifFrame:
    """A frame as stored in the file.

    Attributes:
        box: Left, top, width and height, in px.
        milliseconds: Its duration.
        disposal: The disposal method, applied before the next frame.
        data: The frame alone, as a GIF file.
    """

    box: tuple[int, int, int, int]
    milliseconds: int
    disposal: int
    data: bytes


@dataclass(frozen=True)
class Gif:
    """A parsed file.

    Attributes:
        width: Width of the canvas, in px.
        height: Height of the canvas, in px.
        frames: The frames as stored.
        is_complete: False if the file is truncated.
    """

    width: int
    height: int
    frames: list[GifFrame]
    is_complete: bool


class _TruncatedError(Exception):
    """The data end inside a block."""


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self._data):
            raise _TruncatedError
        taken, self.position = self._data[self.position : end], end
        return taken

    def sub_blocks(self) -> bytes:
        """Length-prefixed data sub-blocks up to and including the empty terminator, raw."""
        begin = self.position
        while count := self.take(1)[0]:
            self.take(count)
        return self._data[begin : self.position]


def parse(data: bytes) -> Gif:
    """Parse a GIF file, up to where it is truncated."""
    source = _Bytes(data)
    frames: list[GifFrame] = []
    width = height = 0
    try:
        _, width, height, flags, *_ = _HEADER.unpack(source.take(_HEADER.size))
        colors = source.take(_table_bytes(flags))
        control = (0, 0, 0, 0)
        while source.position < len(data):
            block_type = source.take(1)[0]
            if block_type == _EXTENSION:
                label, block = source.take(1)[0], source.sub_blocks()
                if label == _GRAPHIC_CONTROL and len(block) > _CONTROL.size:
                    control = _CONTROL.unpack_from(block)
            elif block_type == _IMAGE:
                frame = _parse_frame(source, flags, colors, control)
                if frame is not None:
                    frames.append(frame)
                control = (0, 0, 0, 0)
            elif block_type == _TRAILER:
                break
    except _TruncatedError:
        return Gif(width, height, frames, is_complete=False)
    return Gif(width, height, frames, is_complete=True)


def _table_bytes(flags: int) -> int:
    """Size of a colour table."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _parse_frame(
    source: _Bytes, flags: int, colors: bytes, control: tuple[int, int, int, int]
) -> GifFrame | None:
    left, top, width, height, local_flags = _DESCRIPTOR.unpack(source.take(_DESCRIPTOR.size))
    local_colors = source.take(_table_bytes(local_flags))
    pixels = source.take(1) + source.sub_blocks()
    if not width or not height:
        return None
    _, control_flags, hundredths, transparent = control
    data = (
        _HEADER.pack(b"GIF89a", width, height, flags, 0, 0)
        + colors
        + bytes((_EXTENSION, _GRAPHIC_CONTROL, 4))
        + _CONTROL.pack(4, control_flags & 1, 0, transparent)[1:]
        + bytes((0, _IMAGE))
        + _DESCRIPTOR.pack(0, 0, width, height, local_flags)
        + local_colors
        + pixels
        + bytes((_TRAILER,))
    )
    return GifFrame((left, top, width, height), 10 * hundredths, control_flags >> 2 & 7, data)


def composite(gif: Gif) -> Iterator[Array]:
    """Yield the canvas at each frame, (H, W, 4) uint8, RGBA.

    Raises:
        OSError: A frame is damaged; also any of `fast_nst.pictures.exif.DECODING_ERRORS`.
    """
    canvas = np.zeros((gif.height, gif.width, 4), np.uint8)
    for frame in gif.frames:
        left, top, width, height = frame.box
        region = canvas[top : top + height, left : left + width]
        covered = region.copy() if frame.disposal in _RESTORE else None
        with Image.open(io.BytesIO(frame.data), formats=["GIF"]) as image:
            pixels = np.asarray(image.convert("RGBA"))[: region.shape[0], : region.shape[1]]
        opaque = pixels[..., 3] > 0
        region[opaque] = pixels[opaque]
        yield canvas.copy()
        if covered is not None:
            region[:] = covered
        elif frame.disposal in _CLEAR:
            region[:] = 0
