"""The metadata of an ONNX file, and the offsets of its initializers, without an ONNX parser.

The page mixes styles in the browser by writing into a copy of a model file; `onnx` does not expose
where a field lies, and takes long to import where only the metadata are wanted. The file is a
protocol buffer: messages of numbered fields, each a tag, a length and bytes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from fast_nst.errors import UserError

PREFIX = "network."  # of the parameters' names
# Numbers of fields in onnx.proto.
_GRAPH, _INITIALIZER, _METADATA = 7, 5, 14
_KEY, _VALUE = 1, 2
_DATA_TYPE, _NAME, _RAW_DATA = 2, 8, 9
_TYPES = {1: "float32", 10: "float16"}
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5


class Offset(NamedTuple):
    """Where the values of an initializer lie in the file, little-endian."""

    offset: int  # bytes
    length: int  # bytes
    type: str  # "float32" or "float16"


def initializer_offsets(data: bytes) -> dict[str, Offset]:
    """The offset of each parameter, by its name in the network's state dict.

    Args:
        data: The content of a model file.

    Raises:
        UserError: The file is damaged, or a parameter is not stored as raw float32 or float16.
    """
    try:
        return dict(_offsets(data))
    except (IndexError, KeyError, UnicodeDecodeError) as error:
        raise UserError("the model file is damaged: export it again") from error


def read_metadata(data: bytes) -> dict[str, str]:
    """The metadata of a model file; of one that is damaged, what can be read."""
    metadata = {}
    with contextlib.suppress(IndexError, UnicodeDecodeError):
        for number, start, end in _fields(data, 0, len(data)):
            if number == _METADATA:
                pair = {n: data[a:b].decode() for n, a, b in _fields(data, start, end)}
                metadata[pair.get(_KEY, "")] = pair.get(_VALUE, "")
    return metadata


def is_model(data: bytes) -> bool:
    """Whether it looks like the content of a model file: whole fields, one of which is a graph."""
    with contextlib.suppress(IndexError):
        return _GRAPH in [number for number, _, _ in _fields(data, 0, len(data))]
    return False


def _offsets(data: bytes) -> Iterator[tuple[str, Offset]]:
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
                raise UserError(f"{name} is not stored as raw floats: export the model again")
            begin, stop = found[_RAW_DATA]
            yield name.removeprefix(PREFIX), Offset(begin, stop - begin, kind)


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The number of each field of a message, and the begin and end of its content."""
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
            raise IndexError(f"unknown wire type: {kind}")
        if stop > end:
            raise IndexError("a field exceeds its message")
        yield tag >> 3, start, stop
        start = stop


def _varint(data: bytes, start: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = data[start]
        value |= (byte & 0x7F) << shift
        start, shift = start + 1, shift + 7
        if byte < 0x80:
            return value, start
