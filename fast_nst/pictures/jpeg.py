"""Scanning a JPEG's markers: limits its scans, and recovers files that lack their last bytes."""

from __future__ import annotations

import contextlib
import io
import re
import struct
from dataclasses import dataclass

from PIL import Image, ImageChops

from fast_nst.errors import UserError
from fast_nst.pictures.exif import DECODING_ERRORS

# Each scan is a pass over the whole image. Encoders write about ten; Skia, and so Chrome, has the
# same limit.
MAX_SCANS = 100

_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)  # has a length, or is EOI
_EOI, _SOS = 0xD9, 0xDA
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_SOF = (0xC0, 0xC1, 0xC3, 0xC5, 0xC7, 0xC9, 0xCB, 0xCD, 0xCF, *_PROGRESSIVE)
_FILLER = bytes(range(1, 255))  # unlike the zeros that libjpeg itself appends
_EOI_MARKER = bytes((0xFF, _EOI))
_LAST_BLOCK = 18  # px: an MCU of 16, plus the reach of chroma interpolation


def is_jpeg(data: bytes) -> bool:
    """Whether the data start with a JPEG's signature."""
    return data.startswith(b"\xff\xd8\xff")


@dataclass(frozen=True)
class Scans:
    """The scans of a JPEG.

    Attributes:
        count: Number of scans; 1 if the first holds all components of a sequential JPEG.
        is_complete: Whether they hold every coefficient of every component at full precision.
        has_end: Whether an EOI marker follows; not looked for after a single complete scan.
    """

    count: int
    is_complete: bool
    has_end: bool


def read_scans(data: bytes) -> Scans:
    """Walk through the markers of a JPEG, up to its end or to scan number `MAX_SCANS` + 1."""
    position, count = 2, 0
    is_progressive, component_count = False, 0
    missing: dict[int, set[int]] = {}  # component -> coefficients
    while count <= MAX_SCANS and (found := _MARKER.search(data, position)):
        marker, position = data[found.end() - 1], found.end()
        if marker == _EOI:
            return Scans(count, not any(missing.values()), True)
        length = int.from_bytes(data[position : position + 2], "big")
        header = data[position + 2 : position + length]
        position += max(length, 2)
        if marker in _SOF and len(header) > 5:
            is_progressive, component_count = marker in _PROGRESSIVE, header[5]
            missing = {component: set(range(64)) for component in header[6 : 6 + 3 * header[5] : 3]}
        elif marker == _SOS:
            count += 1
            components = header[1 : 1 + 2 * header[0] : 2] if header else b""
            with contextlib.suppress(struct.error):
                first, last, bits = struct.unpack_from("BBB", header, 1 + 2 * len(components))
                if not bits & 15:
                    for component in components:
                        missing.get(component, set()).difference_update(range(first, last + 1))
            if not is_progressive and len(components) >= component_count:
                break
    return Scans(count, not any(missing.values()), False)


def check_scans(data: bytes, name: str) -> None:
    """Reject a JPEG that would keep a decoder busy for minutes.

    Raises:
        UserError: It has more than `MAX_SCANS` scans.
    """
    if is_jpeg(data) and read_scans(data).count > MAX_SCANS:
        raise UserError(
            f"{name} has over {MAX_SCANS} scans, which blocks decoders: save it again in an image "
            "editor"
        )


def open_truncated(data: bytes) -> Image.Image | None:
    """Decode a JPEG that lacks its last bytes, if at most its last block depends on them.

    It is decoded with and without filler bytes at the end: pixels on which both agree do not
    depend on the missing data.

    Returns:
        The image; None if the data are no JPEG, or more is missing.
    """
    if not is_jpeg(data) or not read_scans(data).is_complete:
        return None
    data = data.removesuffix(b"\xff")  # half of the EOI marker
    with contextlib.suppress(*DECODING_ERRORS):
        image, other = (
            Image.open(io.BytesIO(data + filler + _EOI_MARKER), formats=("JPEG",))
            for filler in (b"", _FILLER)
        )
        box = ImageChops.difference(image, other).getbbox()
        width, height = image.size
        if box is None or (box[0] >= width - _LAST_BLOCK and box[1] >= height - _LAST_BLOCK):
            return image
    return None
