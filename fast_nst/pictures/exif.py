"""Copying of EXIF data from a photograph to its painting, entry by entry.

Pillow drops a whole block for one malformed entry, and replaces non-ASCII text by question marks.
Here entries are copied byte for byte, and a malformed entry affects no other.
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

# Every exception that Pillow's decoders have been seen to raise on damaged files.
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
    Warning,  # under warnings.simplefilter("error")
)
# Entries that hold for the painting too: author, time, place, camera and exposure. Size,
# orientation, thumbnail and maker notes do not.
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
_MAIN = 0  # the first directory (IFD0), beside IFD.Exif and IFD.GPSInfo
_KEPT: dict[int, Collection[int]] = {
    _MAIN: _KEPT_TAGS,
    IFD.Exif: _KEPT_EXIF_TAGS,
    IFD.GPSInfo: tuple(GPS),
}
_MAX_BYTES = 16 * 2**20  # of a directory's values; overlapping entries may add up to gigabytes
_MAX_ENTRIES = 65535
# Bytes per value of each TIFF type; 129 is EXIF 3.0's UTF-8.
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
_ASCII, _LONG, _UTF_8 = 2, 4, 129
_INTEGERS = {1: "B", 3: "H", 4: "L", 6: "b", 8: "h", 9: "l"}


class _Entry(NamedTuple):
    type: int  # TIFF type
    length: int  # number of values
    data: bytes


_Directory = dict[int, _Entry]  # tag -> entry


class _Block:
    """A TIFF structure: an EXIF block, a TIFF file or a BigTIFF file.

    Raises:
        KeyError, struct.error: The data have no TIFF header.
    """

    def __init__(self, data: bytes) -> None:
        self.order = {b"II": "<", b"MM": ">"}[data[:2]]
        self._data = data
        self._is_big = self._unpack("H", 2)[0] == 43
        self._pointer = "Q" if self._is_big else "L"
        self.first: int = self._unpack(self._pointer, 8 if self._is_big else 4)[0]

    def _unpack(self, form: str, offset: int) -> tuple[int, ...]:
        return struct.unpack_from(self.order + form, self._data, offset)

    def directory(self, offset: int, wanted: Collection[int]) -> _Directory:
        """The well-formed entries of a directory whose tags are in `wanted`."""
        found: _Directory = {}
        form = self.order + ("HHQ8s" if self._is_big else "HHL4s")
        left = _MAX_BYTES
        # Raised at the end of the data, and for offsets far beyond it.
        with contextlib.suppress(struct.error, OverflowError):
            (count,) = self._unpack("Q" if self._is_big else "H", offset)
            offset += 8 if self._is_big else 2
            for _ in range(min(count, _MAX_ENTRIES)):
                tag, tiff_type, count, inline = struct.unpack_from(form, self._data, offset)
                offset += struct.calcsize(form)
                size = _BYTES.get(tiff_type, 0) * count
                if tag not in wanted or tag in found or not 0 < size <= left:
                    continue
                data = inline[:size]
                if size > len(inline):
                    (start,) = struct.unpack(self.order + self._pointer, inline)
                    data = self._data[start : start + size]
                if len(data) == size:
                    found[tag] = _Entry(_ASCII if tiff_type == _UTF_8 else tiff_type, count, data)
                    left -= size
        return found

    def integer(self, tag: int) -> int | None:
        """An integer in the first directory; None if missing or of another type."""
        entry = self.directory(self.first, (tag,)).get(tag)
        if entry is None or entry.type not in _INTEGERS:
            return None
        found: int = struct.unpack_from(self.order + _INTEGERS[entry.type], entry.data)[0]
        return found


@dataclass(frozen=True)
class _ExifData:
    """Selected directories, by `_MAIN` or the tag that points to them."""

    order: str
    directories: dict[int, _Directory]

    def tobytes(self) -> bytes:
        """Serialize to an EXIF block that starts with `_PREFIX`; b"" if there are no entries."""
        below = {tag: d for tag, d in self.directories.items() if tag != _MAIN and d}
        main = dict(self.directories.get(_MAIN, {}))
        if not main and not below:
            return b""
        main |= {tag: _Entry(_LONG, 1, bytes(4)) for tag in below}
        offset = 8 + len(_pack_directory(self.order, main, 8))
        packed = []
        for tag, directory in sorted(below.items()):
            main[tag] = _Entry(_LONG, 1, struct.pack(self.order + "L", offset))
            packed.append(_pack_directory(self.order, directory, offset))
            offset += len(packed[-1])
        mark = b"II" if self.order == "<" else b"MM"
        header = mark + struct.pack(self.order + "HL", 42, 8)
        return b"".join((_PREFIX, header, _pack_directory(self.order, main, 8), *packed))


def _pack_directory(order: str, directory: _Directory, offset: int) -> bytes:
    """A directory that starts at `offset`, followed by its values."""
    table, values = [struct.pack(order + "H", len(directory))], b""
    offset += 2 + 12 * len(directory) + 4
    for tag, entry in sorted(directory.items()):
        inline = entry.data
        if len(inline) > 4:
            inline = struct.pack(order + "L", offset + len(values))
            values += entry.data + bytes(len(entry.data) % 2)
        table.append(struct.pack(order + "HHL4s", tag, entry.type, entry.length, inline))
    return b"".join((*table, bytes(4), values))


def file_bytes(image: Image.Image) -> bytes:
    """The encoded file of an image that Pillow has open; b"" if it is closed or has none."""
    file = getattr(image, "fp", None)
    with contextlib.suppress(*DECODING_ERRORS):
        if file is not None:
            position = file.tell()
            file.seek(0)
            data: bytes = file.read()
            file.seek(position)
            return data
    return b""


def _block(image: Image.Image) -> _Block | None:
    with contextlib.suppress(*DECODING_ERRORS):
        data = image.info.get("exif") or (file_bytes(image) if image.format == "TIFF" else b"")
        if not data:  # XMP, raw profiles in a PNG, and entries set by the caller
            exif = image.getexif()
            data = exif.tobytes() if len(exif) else b""
        while data.startswith(_PREFIX):
            data = data.removeprefix(_PREFIX)
        return _Block(data)
    return None


def drop_broken_ifds(image: Image.Image) -> None:
    """Drop the EXIF directories of a TIFF that would make Pillow's `load` fail."""
    with contextlib.suppress(*DECODING_ERRORS):
        exif = image.getexif()
        for tag in (IFD.Exif, IFD.GPSInfo):
            try:
                exif.get_ifd(tag)
            except DECODING_ERRORS:
                del exif[tag]


def orientation(image: Image.Image) -> int:
    """The EXIF orientation of an image, 1 to 8; 1 if missing or invalid."""
    if image.format == "TIFF":  # Pillow has applied it
        return 1
    block = _block(image)
    value = None if block is None else block.integer(Base.Orientation)
    if value is None:
        with contextlib.suppress(*DECODING_ERRORS):
            value = image.getexif().get(Base.Orientation)  # also from XMP
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def kept_exif(image: Image.Image) -> bytes:
    """The EXIF block that an image's painting inherits; b"" if there is none.

    To be called on a TIFF before `load`, which closes the file that it is read from.
    """
    block = _block(image)
    return b"" if block is None else _select(block).tobytes()


def _select(block: _Block) -> _ExifData:
    directories = {_MAIN: block.directory(block.first, _KEPT[_MAIN])}
    for tag in (IFD.Exif, IFD.GPSInfo):
        offset = block.integer(tag)
        if offset is not None and offset > 0:
            directories[tag] = block.directory(offset, _KEPT[tag])
    return _ExifData(block.order, directories)


def fit_exif(exif: bytes, max_bytes: int) -> tuple[bytes, list[str]]:
    """Drop the largest entries of a `kept_exif` block until it fits.

    Returns:
        The block and the names of the dropped tags.
    """
    if len(exif) <= max_bytes:
        return exif, []
    kept, dropped = _select(_Block(exif.removeprefix(_PREFIX))), []
    while len(exif) > max_bytes:
        _, tag, ifd = max(
            (len(entry.data), tag, ifd)
            for ifd, directory in kept.directories.items()
            for tag, entry in directory.items()
        )
        del kept.directories[ifd][tag]
        dropped.append(GPS(tag).name if ifd == IFD.GPSInfo else Base(tag).name)
        exif = kept.tobytes()
    return exif, dropped


class _Text(str):
    """Text that Pillow decoded as Latin-1; encoding it so again preserves its bytes."""

    def encode(self, encoding: str = "latin-1", errors: str = "strict") -> bytes:
        return super().encode("latin-1", errors)


def to_tiff_exif(exif: bytes) -> Image.Exif:
    """Convert a `kept_exif` block for Pillow's TIFF writer, dropping what that cannot write."""
    source_exif, kept = Image.Exif(), Image.Exif()
    source_exif.load(exif)
    for ifd, wanted in _KEPT.items():
        source = source_exif if ifd == _MAIN else source_exif.get_ifd(ifd)
        target = kept if ifd == _MAIN else kept.get_ifd(ifd)
        for tag in wanted:
            if tag not in source:
                continue
            with contextlib.suppress(*DECODING_ERRORS):
                value = source[tag]
                if isinstance(value, str):
                    value = _Text(value)
                trial = Image.Exif()
                (trial if ifd == _MAIN else trial.get_ifd(ifd))[tag] = value
                trial.tobytes()  # raises for a value of the wrong type
                target[tag] = value
        if ifd != _MAIN and target:
            kept[ifd] = 0  # placeholder for its offset
    return kept
