"""Files that were put together, by how far each says that it goes."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

_HEADER, _SEGMENT = 0x1A45DFA3, 0x18538067  # of Matroska
_FLV = tuple(b"FLV\x01" + bytes((kinds, 0, 0, 0, 9, 0, 0, 0, 0)) for kinds in (1, 4, 5))
_CHUNK = 1 << 22  # bytes


def goes_on_after_its_segment(path: Path) -> bool:
    """Whether another file may have been put behind a Matroska or WebM file.

    True as well if the file does not say how long it is, as recordings of browsers do not.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            while (name := _number(file, keep_mark=True)) is not None:
                length = _number(file, keep_mark=False)
                if name == _SEGMENT:
                    return length is None or file.tell() + length < size
                if name != _HEADER or length is None:
                    break
                file.seek(length, io.SEEK_CUR)
    except OSError:
        pass
    return False


def _number(file: BinaryIO, keep_mark: bool) -> int | None:
    """A number of as many bytes as its first bit tells; None if it is left open or missing."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    rest = file.read(width - 1)
    value = int.from_bytes(first + rest, "big")
    if keep_mark:
        return value
    value &= (1 << 7 * width) - 1
    return None if value == (1 << 7 * width) - 1 else value


def has_unread_files(path: Path, formats: str) -> bool:
    """Whether a second file lies behind the first, of a kind of which only the first is read.

    Args:
        path: The file.
        formats: FFmpeg's names of its format.
    """
    try:
        with path.open("rb") as file:
            if "mp4" in formats.split(","):
                return _has_second_mp4(file)
            return formats == "flv" and _has_second_flv(file)
    except OSError:
        return False


def _has_second_mp4(file: BinaryIO) -> bool:
    size = file.seek(0, io.SEEK_END)
    begins = at = 0
    while at + 16 <= size:
        file.seek(at)
        length, kind, long_length = struct.unpack(">I4sQ", file.read(16))
        begins += kind == b"ftyp"
        if length == 1:
            length = long_length
        if length < 8:  # up to the end, or damaged
            break
        at += length
    return begins > 1


def _has_second_flv(file: BinaryIO) -> bool:
    file.seek(1)  # past the begin of the first one
    return _has_any(file, _FLV)


def has_matroska_behind(path: Path, place: int) -> bool:
    """Whether another Matroska or WebM file begins behind a place in a file, in bytes."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(place)
        return _has_any(file, (_HEADER.to_bytes(4, "big"),))
    return False


def _has_any(file: BinaryIO, wanted: Sequence[bytes]) -> bool:
    kept = b""
    while chunk := file.read(_CHUNK):
        kept += chunk
        if any(begin in kept for begin in wanted):
            return True
        kept = kept[-max(map(len, wanted)) :]
    return False
