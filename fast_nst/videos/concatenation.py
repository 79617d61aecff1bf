"""Detecting files that were concatenated byte for byte, as by `cat a.mkv b.mkv`."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067  # Matroska element IDs
_FLV = tuple(b"FLV\x01" + bytes((kinds, 0, 0, 0, 9, 0, 0, 0, 0)) for kinds in (1, 4, 5))
_CHUNK = 1 << 22  # bytes


def may_continue_after_segment(path: Path) -> bool:
    """Whether data may follow the first segment of a Matroska or WebM file.

    Also true for a segment of unknown size, as in recordings by browsers.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            while (element := _read_vint(file, keep_marker=True)) is not None:
                length = _read_vint(file, keep_marker=False)
                if element == _SEGMENT:
                    return length is None or file.tell() + length < size
                if element != _EBML or length is None:
                    break
                file.seek(length, io.SEEK_CUR)
    except OSError:
        pass
    return False


def _read_vint(file: BinaryIO, keep_marker: bool) -> int | None:
    """Read an EBML variable-size integer; None if it is missing or the reserved "unknown"."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    rest = file.read(width - 1)
    value = int.from_bytes(first + rest, "big")
    if keep_marker:
        return value
    value &= (1 << 7 * width) - 1
    return None if value == (1 << 7 * width) - 1 else value


def has_unread_files(path: Path, formats: str) -> bool:
    """Whether a second MP4 or FLV file follows, of which FFmpeg reads the first only.

    Args:
        path: The file.
        formats: FFmpeg's comma-separated names of its format.
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
    count = offset = 0
    while offset + 16 <= size:
        file.seek(offset)
        length, box, long_length = struct.unpack(">I4sQ", file.read(16))
        count += box == b"ftyp"
        if length == 1:
            length = long_length
        if length < 8:  # 0 is up to the end, others are invalid
            break
        offset += length
    return count > 1


def _has_second_flv(file: BinaryIO) -> bool:
    file.seek(1)  # past the signature of the first one
    return _contains_any(file, _FLV)


def has_matroska_after(path: Path, offset: int) -> bool:
    """Whether another Matroska or WebM file starts after a byte offset."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(offset)
        return _contains_any(file, (_EBML.to_bytes(4, "big"),))
    return False


def _contains_any(file: BinaryIO, signatures: Sequence[bytes]) -> bool:
    buffer = b""
    while chunk := file.read(_CHUNK):
        buffer += chunk
        if any(signature in buffer for signature in signatures):
            return True
        buffer = buffer[-max(map(len, signatures)) :]
    return False
