"""What a photograph's EXIF data says, entry by entry: a broken entry costs no other.

Pillow gives up a whole block for one entry that it cannot read or write, and turns text that is
not ASCII into question marks; here entries are copied as they are.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

# Everything that Pillow's decoders have been seen to raise on damaged files.
DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    AttributeError,
    MemoryError,
    RuntimeError,
    NotImplementedError,
    struct.error,
    zlib.error,
    Warning,  # where somebody has made errors of them
)
# What a painting has in common with its photograph: who, when, where, with which camera and how.
# The rest (size, orientation, thumbnail, the maker's notes) is no longer so.
_KEPT_TAGS = (
    Base.ImageDescription,
    Base.Make,
    Base.Model,
    Base.DateTime,
    Base.Artist,
    Base.Copyright,
)
_KEPT_EXIF_TAGS = (
    Base.ExposureTime,
    Base.FNumber,
    Base.ExposureProgram,
    Base.ISOSpeedRatings,
    Base.DateTimeOriginal,
    Base.DateTimeDigitized,
    Base.OffsetTime,
    Base.OffsetTimeOriginal,
    Base.OffsetTimeDigitized,
    Base.SubsecTime,
    Base.SubsecTimeOriginal,
    Base.SubsecTimeDigitized,
    Base.ShutterSpeedValue,
    Base.ApertureValue,
    Base.ExposureBiasValue,
    Base.MeteringMode,
    Base.Flash,
    Base.FocalLength,
    Base.FocalLengthIn35mmFilm,
    Base.UserComment,
    Base.LensMake,
    Base.LensModel,
    Base.LensSpecification,
)

_PREFIX = b"Exif\0\0"
_MAIN = 0  # the first directory, beside IFD.Exif and IFD.GPSInfo
_KEPT: dict[int, Collection[int]] = {
    _MAIN: _KEPT_TAGS,
    IFD.Exif: _KEPT_EXIF_TAGS,
    IFD.GPSInfo: tuple(GPS),
}
_MOST_BYTES = 16 * 2**20  # of a directory's values: entries may overlap, and add up to gigabytes
_MOST_ENTRIES = 65535
# The bytes of a value of each TIFF type; 129 is the UTF-8 of EXIF 3.0.
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
_ASCII, _LONG, _UTF_8 = 2, 4, 129
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "L", 6: "b", 8: "h", 9: "l"}


class _Entry(NamedTuple):
    kind: int  # the TIFF type
    length: int  # how many values
    data: bytes


_Directory = dict[int, _Entry]


class _Block:
    """A TIFF structure: a block of EXIF data, a TIFF file or a BigTIFF file.

    Raises:
        KeyError, struct.error: It is none.
    """

    def __init__(self, data: bytes) -> None:
        self.order = {b"II": "<", b"MM": ">"}[data[:2]]
        self._data = data
        self._is_big = self._unpack("H", 2)[0] == 43
        self._pointer = "Q" if self._is_big else "L"
        self.first: int = self._unpack(self._pointer, 8 if self._is_big else 4)[0]

    def _unpack(self, form: str, place: int) -> tuple[int, ...]:
        return struct.unpack_from(self.order + form, self._data, place)

    def directory(self, place: int, wanted: Collection[int]) -> _Directory:
        """Those of a directory's entries that are wanted, and whole."""
        found: _Directory = {}
        form = self.order + ("HHQ8s" if self._is_big else "HHL4s")
        left = _MOST_BYTES
        # Both raise at the end of what is there, or far behind it.
        with contextlib.suppress(struct.error, OverflowError):
            (count,) = self._unpack("Q" if self._is_big else "H", place)
            place += 8 if self._is_big else 2
            for _ in range(min(count, _MOST_ENTRIES)):
                tag, kind, count, inside = struct.unpack_from(form, self._data, place)
                place += struct.calcsize(form)
                size = _BYTES.get(kind, 0) * count
                if tag not in wanted or tag in found or not 0 < size <= left:
                    continue
                data = inside[:size]
                if size > len(inside):
                    (start,) = struct.unpack(self.order + self._pointer, inside)
                    data = self._data[start : start + size]
                if len(data) == size:
                    found[tag] = _Entry(_ASCII if kind == _UTF_8 else kind, count, data)
                    left -= size
        return found

    def number(self, tag: int) -> int | None:
        """A whole number in the first directory; None without one."""
        entry = self.directory(self.first, (tag,)).get(tag)
        if entry is None or entry.kind not in _WHOLE_NUMBERS:
            return None
        found: int = struct.unpack_from(self.order + _WHOLE_NUMBERS[entry.kind], entry.data)[0]
        return found


@dataclass(frozen=True)
class _Kept:
    """Some directories, by `_MAIN` or their pointer's tag."""

    order: str
    directories: dict[int, _Directory]

    def tobytes(self) -> bytes:
        """As a block that begins with `_PREFIX`; b"" without any entry."""
        below = {tag: d for tag, d in self.directories.items() if tag != _MAIN and d}
        main = dict(self.directories.get(_MAIN, {}))
        if not main and not below:
            return b""
        main |= {tag: _Entry(_LONG, 1, bytes(4)) for tag in below}
        place = 8 + len(_packed(self.order, main, 8))
        packed = []
        for tag, directory in sorted(below.items()):
            main[tag] = _Entry(_LONG, 1, struct.pack(self.order + "L", place))
            packed.append(_packed(self.order, directory, place))
            place += len(packed[-1])
        mark = b"II" if self.order == "<" else b"MM"
        header = mark + struct.pack(self.order + "HL", 42, 8)
        return b"".join((_PREFIX, header, _packed(self.order, main, 8), *packed))


def _packed(order: str, directory: _Directory, place: int) -> bytes:
    """A directory at `place` with its values behind it."""
    table, values = [struct.pack(order + "H", len(directory))], b""
    place += 2 + 12 * len(directory) + 4
    for tag, entry in sorted(directory.items()):
        inside = entry.data
        if len(inside) > 4:
            inside = struct.pack(order + "L", place + len(values))
            values += entry.data + bytes(len(entry.data) % 2)
        table.append(struct.pack(order + "HHL4s", tag, entry.kind, entry.length, inside))
    return b"".join((*table, bytes(4), values))


def file_of(image: Image.Image) -> bytes:
    """The file that a picture is read from, while it is open; else b""."""
    file = getattr(image, "fp", None)
    with contextlib.suppress(*DECODING_ERRORS):
        if file is not None:
            place = file.tell()
            file.seek(0)
            data: bytes = file.read()
            file.seek(place)
            return data
    return b""


def _block(image: Image.Image) -> _Block | None:
    with contextlib.suppress(*DECODING_ERRORS):
        data = image.info.get("exif") or (file_of(image) if image.format == "TIFF" else b"")
        if not data:  # XMP, older ways to put it into a PNG, and what callers have set
            exif = image.getexif()
            data = exif.tobytes() if len(exif) else b""
        while data.startswith(_PREFIX):
            data = data.removeprefix(_PREFIX)
        return _Block(data)
    return None


def forget_broken_parts(image: Image.Image) -> None:
    """Drop what Pillow would read of a TIFF's EXIF data while it loads it, and fail with."""
    with contextlib.suppress(*DECODING_ERRORS):
        exif = image.getexif()
        for tag in (IFD.Exif, IFD.GPSInfo):
            try:
                exif.get_ifd(tag)
            except DECODING_ERRORS:
                del exif[tag]


def orientation(image: Image.Image) -> int:
    """How a decoded picture is to be turned: 1 to 8, as EXIF counts them."""
    if image.format == "TIFF":  # which Pillow turns
        return 1
    block = _block(image)
    turned = None if block is None else block.number(Base.Orientation)
    if turned is None:
        with contextlib.suppress(*DECODING_ERRORS):
            turned = image.getexif().get(Base.Orientation)  # or that in XMP
    return turned if isinstance(turned, int) and 1 <= turned <= 8 else 1


def still_true(image: Image.Image) -> bytes:
    """The EXIF data of a picture that its painting keeps; b"" without any.

    That of a TIFF is read from its file, which `load` closes.
    """
    block = _block(image)
    return b"" if block is None else _chosen(block).tobytes()


def _chosen(block: _Block) -> _Kept:
    directories = {_MAIN: block.directory(block.first, _KEPT[_MAIN])}
    for tag in (IFD.Exif, IFD.GPSInfo):
        place = block.number(tag)
        if place is not None and place > 0:
            directories[tag] = block.directory(place, _KEPT[tag])
    return _Kept(block.order, directories)


def fitted(exif: bytes, most: int) -> tuple[bytes, list[str]]:
    """What of `still_true` has room in so many bytes, and the names of what has none."""
    if len(exif) <= most:
        return exif, []
    kept, left_out = _chosen(_Block(exif.removeprefix(_PREFIX))), []
    while len(exif) > most:
        _, tag, part = max(
            (len(entry.data), tag, part)
            for part, directory in kept.directories.items()
            for tag, entry in directory.items()
        )
        del kept.directories[part][tag]
        left_out.append(GPS(tag).name if part == IFD.GPSInfo else Base(tag).name)
        exif = kept.tobytes()
    return exif, left_out


class _Text(str):
    """Text that Pillow has read as Latin-1, and writes byte for byte, whatever encoding it had."""

    def encode(self, encoding: str = "latin-1", errors: str = "strict") -> bytes:
        return super().encode("latin-1", errors)


def for_tiff(exif: bytes) -> Image.Exif:
    """What Pillow can write into a TIFF of `still_true`, text byte for byte."""
    given, kept = Image.Exif(), Image.Exif()
    given.load(exif)
    for part, wanted in _KEPT.items():
        source = given if part == _MAIN else given.get_ifd(part)
        target = kept if part == _MAIN else kept.get_ifd(part)
        for tag in wanted:
            if tag not in source:
                continue
            with contextlib.suppress(*DECODING_ERRORS):
                value = source[tag]
                if isinstance(value, str):
                    value = _Text(value)
                alone = Image.Exif()
                (alone if part == _MAIN else alone.get_ifd(part))[tag] = value
                alone.tobytes()  # raises if it is of a wrong type
                target[tag] = value
        if part != _MAIN and target:
            kept[part] = 0  # its place, which is not known yet
    return kept
