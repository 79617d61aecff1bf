"""Video files to frames, with PyAV, which carries FFmpeg's libraries."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from fast_nst.errors import UserError, one_line
from fast_nst.pictures.edit import Array, scaled_size
from fast_nst.videos.clip import Clip, Colors, Frame

# FFmpeg's number of a Y'CbCr matrix -> swscale's.
MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
UNSPECIFIED = 2
_BT709, _BT601 = 1, 6
MICROSECONDS = 1_000_000  # in a second: the unit of a container's times
_MOST_TIME = 10**7  # seconds; files that say more are damaged


def matrix_of(colors: Colors, width: int, height: int) -> int:
    """FFmpeg's number of the matrix, or what players take it to be if nothing is said."""
    if colors.matrix in MATRICES:
        return colors.matrix
    return _BT709 if width >= 1280 or height > 576 else _BT601


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
        return av.open(
            f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="ignore"
        )
    except FileNotFoundError:
        raise UserError(f"no file {name}: check the name") from None
    except PermissionError:
        raise UserError(f"cannot read {name}: Permission denied") from None
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UserError(
            f"{name} is not a video that can be read, or a damaged one: {_reason(error)}"
        ) from error


def packets_of(container: InputContainer, *streams: Any) -> Iterator[Packet[Any]]:
    """The packets of some streams, past those of streams that come up in the middle of a file."""
    while True:
        try:
            yield from container.demux(*streams)
        except IndexError:  # PyAV knows only those that were there when it was opened
            continue
        return


def _reason(error: BaseException) -> str:
    return one_line(getattr(error, "strerror", None) or error)


class VideoReader:
    """A video file, from a time to another.

    Args:
        path: The file.
        size: Longer side of the frames, in px; default: the video's own.
        start: Where to begin, in seconds.
        until: Where to end; default: at the end.
        max_pixels: That a frame may have.

    Raises:
        UserError: It cannot be read, or its frames are too large.
    """

    def __init__(
        self,
        path: Path,
        size: int | None,
        start: Fraction,
        until: Fraction | None,
        max_pixels: int,
    ) -> None:
        self.notes: list[str] = []
        self.broken = 0
        self._name = repr(str(path))
        self._until = until
        self._start = start
        self._container = open_video(path)
        try:
            self._stream = self._pictures()
            # Threads a frame each would be faster, and lose good frames beside a broken one.
            self._stream.thread_type = "SLICE"
            self._begin = Fraction(self._container.start_time or 0, MICROSECONDS)
            self._frames = self._decoded()
            first = next(self._frames, None)
            if first is None:
                raise UserError(f"{self._name} has no frame that can be read{self._where()}")
            self._first: VideoFrame = first[0]
            self._first_time: Fraction = first[1]
            self._rational = Fraction(self._stream.time_base or Fraction(1, 1000))
            self._turn = _Turn(_display_matrix(self._first))
            self._scaled = self._scaled_size(size, max_pixels)
            self._reformatter = VideoReformatter()
            self.clip = self._clip()
        except BaseException:
            self.close()
            raise
        if _has_alpha(self._first, self._stream):
            self.notes.append("the video's transparency is left out")

    def _where(self) -> str:
        return f" from {float(self._start):g} s on" if self._start else ""

    def _pictures(self) -> VideoStream:
        moving = [
            stream
            for stream in self._container.streams.video
            if not stream.disposition & Disposition.attached_pic and stream.codec_context
        ]
        if not moving:
            raise UserError(f"{self._name} has no moving pictures: give a video")
        best = self._container.streams.best("video")
        return best if best in moving else moving[0]

    def _scaled_size(self, size: int | None, max_pixels: int) -> tuple[int, int]:
        """Width and height to decode to, as they lie in the file."""
        width, height = self._first.width, self._first.height
        if size is not None:
            width, height = scaled_size((width, height), size / max(width, height))
        if width * height > max_pixels:
            raise UserError(
                f"{self._name} has frames of {width}x{height}, over {max_pixels:,} pixels: choose "
                "a smaller --size or raise --max-pixels"
            )
        return width, height

    def _clip(self) -> Clip:
        stream, first = self._stream, self._first
        width, height = self._scaled[::-1] if self._turn.swaps else self._scaled
        aspect = stream.sample_aspect_ratio or Fraction(1)
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        if not 0 < rate <= 1000:
            rate = Fraction(25)
        context = stream.codec_context
        return Clip(
            width,
            height,
            rate,
            self._rational,
            self._seconds(),
            1 / aspect if self._turn.swaps else aspect,
            Colors(
                UNSPECIFIED if first.format.is_rgb else int(first.colorspace),
                0 if first.format.is_rgb else 2 if _is_full(first) else int(first.color_range),
                int(context.color_primaries),
                int(context.color_trc),
            ),
        )

    def _seconds(self) -> float | None:
        stream = self._stream
        seconds: Fraction | None = None
        if stream.duration is not None and stream.time_base:
            seconds = stream.duration * stream.time_base
        elif self._container.duration is not None:
            seconds = Fraction(self._container.duration, MICROSECONDS)
        if seconds is None or not 0 < seconds < _MOST_TIME:
            return None if self._until is None else float(self._until - self._start)
        end = seconds if self._until is None else min(seconds, self._until)
        return max(float(end - self._start), 0.0)

    def _decoded(self) -> Iterator[tuple[VideoFrame, Fraction, bool]]:
        """Frames from `start` on with their times, and whether each can be shown as it is."""
        if self._start:
            with contextlib.suppress(av.FFmpegError):  # then it is read from its beginning
                self._container.seek(int((self._begin + self._start) * MICROSECONDS))
        broken = _Broken()
        rate = self._stream.average_rate or Fraction(25)
        last: VideoFrame | None = None
        time = self._start - 1 / rate
        for decoded in itertools.chain(self._packets(broken), [None]):
            now = time + 1 / rate
            if decoded is None:  # the end, before which frames may be missing too
                now = Fraction(_MOST_TIME)
            elif decoded.pts is not None and decoded.time_base:
                now = decoded.pts * decoded.time_base - self._begin
            for missing in broken.before(now):
                if last is not None and missing > time and self._inside(missing):
                    time = missing
                    yield last, missing - self._start, False
            if decoded is None or (self._until is not None and now >= self._until):
                return
            if now <= time and last is not None:  # times rise
                continue
            is_good = not decoded.is_corrupt or last is None
            time = now
            if now >= self._start:
                yield (decoded if is_good else last), now - self._start, is_good  # type: ignore[misc]
            if is_good:
                last = decoded

    def _inside(self, time: Fraction) -> bool:
        return time >= self._start and (self._until is None or time < self._until)

    def _packets(self, broken: _Broken) -> Iterator[VideoFrame]:
        """What the decoder gives, past what it cannot decode."""
        try:
            for packet in packets_of(self._container, self._stream):
                if packet.pts is not None and not packet.is_discard:
                    broken.sent(packet.pts * packet.time_base - self._begin)
                try:
                    yield from packet.decode()
                except (av.FFmpegError, ValueError):
                    broken.count += 1
        except (av.FFmpegError, ValueError) as error:
            self.notes.append(f"the file is damaged and ends early: {_reason(error)}")

    def frames(self) -> Iterator[Frame]:
        """All frames, upright, in the order of their times, which rise."""
        shown: Frame | None = None
        source: VideoFrame | None = None

        def given() -> Iterator[tuple[VideoFrame, Fraction, bool]]:
            yield self._first, self._first_time, True
            yield from self._frames

        for decoded, time, is_good in given():
            self.broken += not is_good
            if shown is None or decoded is not source:
                pixels = self._turn(self._rgb(decoded))
                source = decoded
            else:
                pixels = shown.pixels
            duration = Fraction(decoded.duration or 0) * (decoded.time_base or 0)
            shown = Frame(pixels, time, duration)
            yield shown

    def _rgb(self, frame: VideoFrame) -> Array:
        """(H, W, 3) uint8 as it lies in the file."""
        colors = Colors(int(frame.colorspace))
        same = (frame.width, frame.height) == self._scaled
        converted = self._reformatter.reformat(
            frame,
            *self._scaled,
            format="rgb24",
            src_colorspace=MATRICES[matrix_of(colors, frame.width, frame.height)],
            src_color_range=ColorRange.JPEG if _is_full(frame) else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.BILINEAR if same else Interpolation.LANCZOS,
            threads=1,  # more leave wrong lines between their parts, at some sizes
        )
        return converted.to_ndarray()  # type: ignore[return-value]

    def close(self) -> None:
        """Let the file go."""
        self._container.close()


class _Broken:
    """Which frames a decoder owes, so that those it cannot give are known by their times.

    Attributes:
        count: Errors since the last frame.
    """

    _MOST = 1000

    def __init__(self) -> None:
        self.count = 0
        self._owed: set[Fraction] = set()

    def sent(self, time: Fraction) -> None:
        """A packet went into the decoder."""
        if len(self._owed) < self._MOST:
            self._owed.add(time)

    def before(self, time: Fraction) -> list[Fraction]:
        """A frame came: those owed before it that an error has cost, in order."""
        late = sorted(owed for owed in self._owed if owed < time)
        self._owed = {owed for owed in self._owed if owed > time}
        lost = late[: self.count]
        self.count -= len(lost)
        return lost


class _Turn:
    """What makes frames upright, by quarter turns and mirrors.

    Args:
        matrix: (2, 2), from a pixel's place, right and down, to where it belongs.
    """

    def __init__(self, matrix: npt.NDArray[np.float64]) -> None:
        (right, down), (right_of_down, down_of_down) = matrix
        self.swaps = bool(abs(down) > abs(right))
        if self.swaps:
            self._flips = (down < 0, right_of_down < 0)
        else:
            self._flips = (down_of_down < 0, right < 0)

    def __call__(self, pixels: Array) -> Array:
        """(H, W, 3) to the same, or (W, H, 3)."""
        if not (self.swaps or any(self._flips)):
            return pixels
        turned = pixels.transpose(1, 0, 2) if self.swaps else pixels
        upside_down, mirrored = self._flips
        turned = turned[:: -1 if upside_down else 1, :: -1 if mirrored else 1]
        return np.ascontiguousarray(turned)


def _display_matrix(frame: VideoFrame) -> npt.NDArray[np.float64]:
    """The part of a frame's display matrix that turns and mirrors."""
    side_data: Any = frame.side_data
    found = side_data.get("DISPLAYMATRIX")
    if found is None or found.buffer_size < 36:
        return np.eye(2)
    numbers = np.frombuffer(bytes(found), np.int32)[:9].reshape(3, 3)
    matrix = numbers[:2, :2].astype(np.float64)
    return matrix if matrix.any() else np.eye(2)


def _is_full(frame: VideoFrame) -> bool:
    """Whether its numbers go from 0 to 255, and not from 16 to 235."""
    return int(frame.color_range) == ColorRange.JPEG or frame.format.name.startswith("yuvj")


def _has_alpha(frame: VideoFrame, stream: VideoStream) -> bool:
    name = frame.format.name
    in_format = name.startswith(("yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya"))
    return in_format or stream.metadata.get("alpha_mode") == "1"
