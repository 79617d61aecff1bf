"""Video files opened with PyAV, and their packets."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet

from fast_nst.errors import UserError, one_line

MICROSECONDS = 1_000_000  # in a second: the unit of a container's times
# From PyAV 19 on, what is not UTF-8 in titles and the like goes through as it is.
_TITLES: dict[str, Any] = (
    {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
)


def open_video(path: Path) -> InputContainer:
    """A file's container, of whatever kind FFmpeg knows; nothing but files is read for it.

    Raises:
        UserError: There is no such file, or it is no video.
    """
    name = repr(str(path))
    if path.is_dir():
        raise UserError(f"{name} is a folder: give a video file")
    try:
        with path.open("rb"):
            pass
        # A playlist may name addresses: they are not followed.
        return av.open(f"file:{path}", options={"protocol_whitelist": "file"}, **_TITLES)
    except FileNotFoundError:
        raise UserError(f"no file {name}: check the name") from None
    except PermissionError:
        raise UserError(f"cannot read {name}: Permission denied") from None
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UserError(
            f"{name} is not a video that can be read, or a damaged one: {reason_of(error)}"
        ) from error


def packets_of(container: InputContainer, *streams: Any) -> Iterator[Packet[Any]]:
    """The packets of some streams, past those of streams that come up in the middle of a file."""
    while True:
        try:
            yield from container.demux(*streams)
        except IndexError:  # PyAV knows only those that were there when it was opened
            continue
        return


def time_of(packet: Packet[Any]) -> Fraction | None:
    """When what is in a packet is shown or heard, in seconds as the file counts them."""
    stamp = packet.pts if packet.pts is not None else packet.dts
    return None if stamp is None or not packet.time_base else stamp * Fraction(packet.time_base)


def reason_of(error: BaseException) -> str:
    """What FFmpeg has to say, in a line."""
    return one_line(getattr(error, "strerror", None) or error)
