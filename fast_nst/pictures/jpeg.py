"""What the markers of a JPEG say of its scans, and pictures whose last bytes are missing."""

from __future__ import annotations

import contextlib
import io
import re
import struct
from dataclasses import dataclass

from PIL import Image, ImageChops

from fast_nst.errors import UserError
from fast_nst.pictures.exif import DECODING_ERRORS

# Each is one pass over the whole picture. Encoders write about ten; browsers built on Skia, as
# Chrome is, stop at a hundred too.
MOST_SCANS = 100

_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)  # with a length, or the end
_END, _SCAN = 0xD9, 0xDA
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_FRAMES = (0xC0, 0xC1, 0xC3, 0xC5, 0xC7, 0xC9, 0xCB, 0xCD, 0xCF, *_PROGRESSIVE)
# What would follow, if it were anything: unlike zeros, which libjpeg goes on with.
_ANYTHING = bytes(range(1, 255))
_END_MARKER = bytes((0xFF, _END))
_LAST_BLOCK = 18  # px: 16, and what interpolated chroma reaches beyond


def is_jpeg(data: bytes) -> bool:
    """Whether Pillow takes this for a JPEG."""
    return data.startswith(b"\xff\xd8\xff")


@dataclass(frozen=True)
class Scans:
    """The scans of a picture.

    Attributes:
        count: How many; 1 where the first is all that a decoder reads.
        are_all: Whether they hold every coefficient of every component to its last bit.
        is_ended: Whether the end is marked; not looked for behind a single scan.
    """

    count: int
    are_all: bool
    is_ended: bool


def read_scans(data: bytes) -> Scans:
    """Walk through the markers of a JPEG, as a decoder does.

    Returns:
        What was found up to the end, or up to one scan too many.
    """
    place, count = 2, 0
    is_progressive, components_in_all = False, 0
    missing: dict[int, set[int]] = {}  # the coefficients of each component
    while count <= MOST_SCANS and (found := _MARKER.search(data, place)):
        marker, place = data[found.end() - 1], found.end()
        if marker == _END:
            return Scans(count, not any(missing.values()), True)
        length = int.from_bytes(data[place : place + 2], "big")
        about = data[place + 2 : place + length]
        place += max(length, 2)
        if marker in _FRAMES and len(about) > 5:
            is_progressive, components_in_all = marker in _PROGRESSIVE, about[5]
            missing = {component: set(range(64)) for component in about[6 : 6 + 3 * about[5] : 3]}
        elif marker == _SCAN:
            count += 1
            components = about[1 : 1 + 2 * about[0] : 2] if about else b""
            with contextlib.suppress(struct.error):
                first, last, bits = struct.unpack_from("BBB", about, 1 + 2 * len(components))
                if not bits & 15:
                    for component in components:
                        missing.get(component, set()).difference_update(range(first, last + 1))
            if not is_progressive and len(components) >= components_in_all:
                break
    return Scans(count, not any(missing.values()), False)


def check_scans(data: bytes, name: str) -> None:
    """Refuse a JPEG that would keep a decoder busy for minutes.

    Raises:
        UserError: It has over a hundred scans.
    """
    if is_jpeg(data) and read_scans(data).count > MOST_SCANS:
        raise UserError(
            f"{name} has over {MOST_SCANS} scans, as files do that are made to block a decoder: "
            "save it again in a picture editor"
        )


def without_its_end(data: bytes) -> Image.Image | None:
    """Decode a JPEG that lacks its last bytes, if that leaves no more than its last block open.

    It is decoded twice, as if nothing came behind it and as if something did: where both agree,
    what is missing does not matter.

    Returns:
        The picture; None if it is none, or lacks more.
    """
    if not is_jpeg(data) or not read_scans(data).are_all:
        return None
    data = data.removesuffix(b"\xff")  # of the end's marker
    with contextlib.suppress(*DECODING_ERRORS):
        picture, other = (
            Image.open(io.BytesIO(data + rest + _END_MARKER), formats=("JPEG",))
            for rest in (b"", _ANYTHING)
        )
        box = ImageChops.difference(picture, other).getbbox()
        width, height = picture.size
        if box is None or (box[0] >= width - _LAST_BLOCK and box[1] >= height - _LAST_BLOCK):
            return picture
    return None
