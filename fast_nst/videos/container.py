"""Opening video files with PyAV, and demuxing their packets."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet

from fast_nst.errors import UserError, one_line

MICROSECONDS = 1_000_000  # per second; the unit of a container's timestamps
# PyAV 19 and later pass metadata that is not UTF-8 through.
_METADATA_OPTIONS: dict[str, Any] = (
    {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
)


def open_video(path: Path) -> InputContainer:
    """Open a file in any format that FFmpeg demuxes, without network access.

    Raises:
        UserError: The file is missing, unreadable, a folder, or no video.
    """
    name = repr(str(path))
    if path.is_dir():
        raise UserError(f"{name} is a folder: give a video file")
    try:
        with path.open("rb"):
            pass
        # Playlists may contain URLs, which the whitelist blocks.
        options = {"protocol_whitelist": "file"}
        return av.open(f"file:{path}", options=options, **_METADATA_OPTIONS)
    except FileNotFoundError:
        raise UserError(f"no file {name}: check the name") from None
    except PermissionError:
        raise UserError(f"cannot read {name}: Permission denied") from None
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UserError(
            f"{name} is not a video that can be read, or a damaged one: {error_text(error)}"
        ) from error


def demux(container: InputContainer, *streams: Any) -> Iterator[Packet[Any]]:
    """Yield the packets of the given streams, skipping streams that start later in the file."""
    while True:
        try:
            yield from container.demux(*streams)
        except IndexError:  # PyAV lists only the streams that it found when opening
            continue
        return


def presentation_time(packet: Packet[Any]) -> Fraction | None:
    """A packet's PTS, or else its DTS, in seconds; None if it has neither."""
    stamp = packet.pts if packet.pts is not None else packet.dts
    return None if stamp is None or not packet.time_base else stamp * Fraction(packet.time_base)


def error_text(error: BaseException) -> str:
    """FFmpeg's message in one line."""
    return one_line(getattr(error, "strerror", None) or error)
