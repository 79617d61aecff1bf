"""Where in an exported file's bytes its parameters lie, for programs that cannot read ONNX.

The file is a protocol buffer: messages of numbered fields, each a tag, a length and bytes. Walking
through it finds the places that `onnx` does not tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fast_nst.errors import UserError

PREFIX = "network."  # of the parameters' names
# Numbers of fields in onnx.proto.
_GRAPH, _INITIALIZER = 7, 5
_DATA_TYPE, _NAME, _RAW_DATA = 2, 8, 9
_TYPES = {1: "float32", 10: "float16"}
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5


class Place(NamedTuple):
    """Where a parameter's values lie in a file, little-endian."""

    offset: int  # bytes
    length: int  # bytes
    type: str  # "float32" or "float16"


def parameter_places(data: bytes) -> dict[str, Place]:
    """The place of each parameter, by its name.

    Args:
        data: A model file whose parameters mix (see `models.graphs`).

    Raises:
        UserError: It is damaged, or a parameter does not lie in one piece.
    """
    try:
        return dict(_places(data))
    except (IndexError, KeyError, UnicodeDecodeError) as error:
        raise UserError("the model file is damaged: export it again") from error


def _places(data: bytes) -> Iterator[tuple[str, Place]]:
    for graph, start, end in _fields(data, 0, len(data)):
        if graph != _GRAPH:
            continue
        for initializer, first, last in _fields(data, start, end):
            if initializer != _INITIALIZER:
                continue
            found = {number: (a, b) for number, a, b in _fields(data, first, last)}
            name = data[slice(*found[_NAME])].decode() if _NAME in found else ""
            if not name.startswith(PREFIX):
                continue
            kind = _TYPES.get(int.from_bytes(data[slice(*found[_DATA_TYPE])], "little"))
            if _RAW_DATA not in found or kind is None:
                raise UserError(f"{name} does not lie in one piece of floats: export it again")
            begin, stop = found[_RAW_DATA]
            yield name.removeprefix(PREFIX), Place(begin, stop - begin, kind)


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number of each field of a message, and where its content begins and ends."""
    while start < end:
        tag, start = _varint(data, start)
        kind = tag & 7
        if kind == _LENGTH:
            length, start = _varint(data, start)
            stop = start + length
        elif kind == _VARINT:
            _, stop = _varint(data, start)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            stop = start + (8 if kind == _EIGHT_BYTES else 4)
        else:
            raise IndexError(f"no such kind of field: {kind}")
        if stop > end:
            raise IndexError("a field ends behind its message")
        yield tag >> 3, start, stop
        start = stop


def _varint(data: bytes, start: int) -> tuple[int, int]:
    """A number, seven bits a byte, the lowest first; and where it ends."""
    value = shift = 0
    while True:
        byte = data[start]
        value |= (byte & 0x7F) << shift
        start, shift = start + 1, shift + 7
        if byte < 0x80:
            return value, start
