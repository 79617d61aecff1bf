"""Video files to frames, with PyAV, which carries FFmpeg's libraries."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from fast_nst.errors import UserError
from fast_nst.pictures.edit import Array, scaled_size
from fast_nst.videos.clip import Clip, Colors, Frame
from fast_nst.videos.container import (
    MICROSECONDS,
    open_video,
    packets_of,
    reason_of,
    time_of,
)
from fast_nst.videos.timeline import Clock, going_on, timeline_of
from fast_nst.videos.turn import Turn, display_matrix

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
_RESTS = Fraction(1, 4)  # s: less may be a guess of the program that wrote the file
_FINE = Fraction(1, 90_000)  # s
_TICK = Fraction(1, 1000)  # s, by which a frame comes after another of the same time
_MOST_TIME = 10**7  # seconds; files that say more are damaged
_EARLIER = (0, 2, 20)  # seconds before the time sought, where its keyframe may be
_MOST_KEPT = 3000  # packets behind a keyframe, while the next one may still be the right one


def matrix_of(colors: Colors, width: int, height: int) -> int:
    """FFmpeg's number of the matrix, or what players take it to be if nothing is said."""
    if colors.matrix in MATRICES:
        return colors.matrix
    return _BT709 if width >= 1280 or height > 576 else _BT601


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
        self._path = path
        self._last_dts: int | None = None
        self._timeline = timeline_of(path, until)
        self._open()
        try:
            self._begin = Fraction(self._container.start_time or 0, MICROSECONDS)
            self._frames = self._decoded()
            first = next(self._frames, None)
            if first is None:
                raise UserError(f"{self._name} has no frame that can be read{self._where()}")
            self._first: VideoFrame = first[0]
            self._first_time: Fraction = first[1]
            self._turn = Turn(display_matrix(self._first))
            self._scaled = self._scaled_size(size, max_pixels)
            self._reformatter = VideoReformatter()
            self.clip = self._clip()
        except BaseException:
            self.close()
            raise
        if _has_alpha(self._first, self._stream):
            self.notes.append("the video's transparency is left out")
        if self._timeline.is_cut:
            self.notes.append(
                "the file is several put together, of which only the first can be read: give each "
                "for itself, or join them with a program that makes one file of them"
            )

    def _open(self) -> None:
        self._container = open_video(self._path)
        try:
            self._stream = self._pictures()
        except BaseException:
            self.close()
            raise
        # Threads a frame each would be faster, and lose good frames beside a broken one.
        self._stream.thread_type = "SLICE"

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
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        if not 0 < rate <= 1000:
            rate = Fraction(25)
        context = stream.codec_context
        return Clip(
            width,
            height,
            rate,
            self._time_base(),
            self._seconds(),
            1 / aspect if self._turn.swaps else aspect,
            Colors(
                UNSPECIFIED if first.format.is_rgb else int(first.colorspace),
                0 if first.format.is_rgb else 2 if _is_full(first) else int(first.color_range),
                int(context.color_primaries),
                int(context.color_trc),
            ),
        )

    def _time_base(self) -> Fraction:
        """Of the file, or finer where its times are moved by other than multiples of that."""
        given = Fraction(self._stream.time_base or Fraction(1, 1000))
        is_moved = self._timeline.shifts or (self._begin + self._start) % given
        return min(given, _FINE) if is_moved else given

    def _seconds(self) -> float | None:
        stream = self._stream
        seconds = self._timeline.seconds
        if seconds is not None:
            pass
        elif stream.duration is not None and stream.time_base:
            seconds = stream.duration * stream.time_base
        elif self._container.duration is not None:
            seconds = Fraction(self._container.duration, MICROSECONDS)
        if seconds is None or not 0 < seconds < _MOST_TIME:
            return None if self._until is None else float(self._until - self._start)
        end = seconds if self._until is None else min(seconds, self._until)
        return max(float(end - self._start), 0.0)

    def _decoded(self) -> Iterator[tuple[VideoFrame, Fraction, bool]]:
        """Frames from `start` on with their times, and whether each can be shown as it is."""
        broken = _Broken()
        step = 1 / Fraction(self._stream.average_rate or 25)
        clock = Clock(max(Fraction(self._stream.time_base or 0), _TICK), Fraction(1))
        last: VideoFrame | None = None
        packets = self._packets_from_start()
        time = -step if self._is_from_beginning else self._start - step
        for decoded in itertools.chain(self._images(packets, broken), [None]):
            now = time + step
            if decoded is None:  # the end, before which frames may be missing too
                now = Fraction(_MOST_TIME)
            elif decoded.pts is not None and decoded.time_base:
                given = decoded.pts * Fraction(decoded.time_base) - self._begin
                if given <= time and decoded.is_corrupt:
                    continue
                now = clock.settle(given, step)
            for missing in broken.before(now):
                if last is not None and missing > time and self._inside(missing):
                    time = missing
                    yield last, missing - self._start, False
            if decoded is None or (self._until is not None and now >= self._until):
                return
            is_good = not decoded.is_corrupt or last is None
            time = now
            if now >= self._start:
                yield (decoded if is_good else last), now - self._start, is_good  # type: ignore[misc]
            if is_good:
                last = decoded

    def _inside(self, time: Fraction) -> bool:
        return time >= self._start and (self._until is None or time < self._until)

    def _packets_from_start(self) -> Iterator[Packet[Any]]:
        """Packets from the keyframe before the start on, or from an earlier one."""
        self._is_from_beginning = not self._start or not self._timeline.can_seek
        if self._is_from_beginning:
            packets = self._read()
            return _from_keyframe(packets, self._begin + self._start) if self._start else packets
        for earlier in _EARLIER:
            sought = max(self._begin + self._start - earlier, self._begin)
            with contextlib.suppress(av.FFmpegError):
                self._container.seek(int(sought * MICROSECONDS))
                packets = self._read()
                first = next(packets, None)
                time = None if first is None else time_of(first)
                if first is not None and time is not None and time <= self._begin + self._start:
                    return itertools.chain([first], packets)
        self.close()  # its index is missing, or wrong
        self._open()
        self._is_from_beginning = True
        return _from_keyframe(self._read(), self._begin + self._start)

    def _read(self) -> Iterator[Packet[Any]]:
        return going_on(packets_of(self._container, self._stream), self._timeline)

    def _images(self, packets: Iterator[Packet[Any]], broken: _Broken) -> Iterator[VideoFrame]:
        """What the decoder gives, past what it cannot decode."""
        try:
            for packet in packets:
                self._last_dts = packet.dts if packet.size else self._last_dts
                if packet.pts is not None and not packet.is_discard:
                    broken.sent(packet.pts * Fraction(packet.time_base) - self._begin)
                try:
                    yield from packet.decode()
                except (av.FFmpegError, ValueError):
                    broken.count += 1
        except (av.FFmpegError, ValueError) as error:
            self.notes.append(f"the file is damaged and ends early: {reason_of(error)}")

    def frames(self) -> Iterator[Frame]:
        """All frames, upright, in the order of their times, which rise."""
        shown: Frame | None = None
        source: VideoFrame | None = None

        def given() -> Iterator[tuple[VideoFrame, Fraction, bool]]:
            yield self._first, self._first_time, True
            yield from self._frames

        waiting: Frame | None = None
        for decoded, time, is_good in given():
            self.broken += not is_good
            if shown is None or decoded is not source:
                pixels = self._turn(self._rgb(decoded))
                source = decoded
            else:
                pixels = shown.pixels
            duration = Fraction(decoded.duration or 0) * Fraction(decoded.time_base or 0)
            shown = Frame(pixels, time, duration)
            if waiting is not None:
                yield waiting
            waiting = shown
        if waiting is not None:
            yield replace(waiting, duration=self._last_duration(waiting))

    def _last_duration(self, last: Frame) -> Fraction:
        """How long the last frame stays.

        Where frames are stored in another order than they are shown in, an MP4 says so in the
        length of its track alone.
        """
        stream, duration = self._stream, last.duration
        index = stream.index_entries
        if stream.duration and index and index[-1].timestamp == self._last_dts:
            end = (stream.start_time or 0) + stream.duration
            told = end * Fraction(stream.time_base or 0) - self._begin - self._start
            if told - last.time > _RESTS:
                duration = max(duration, told - last.time)
        if self._until is not None:
            duration = min(duration, self._until - self._start - last.time)
        return duration

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


def _from_keyframe(packets: Iterator[Packet[Any]], start: Fraction) -> Iterator[Packet[Any]]:
    """Packets from the last keyframe on that is shown at `start` or before."""
    kept: list[Packet[Any]] = []
    for packet in packets:
        time = time_of(packet)
        if packet.is_keyframe and time is not None and time <= start:
            kept.clear()
        kept.append(packet)
        if time is None or time >= start or len(kept) > _MOST_KEPT:
            break
    yield from kept
    yield from packets


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


def _is_full(frame: VideoFrame) -> bool:
    """Whether its numbers go from 0 to 255, and not from 16 to 235."""
    return int(frame.color_range) == ColorRange.JPEG or frame.format.name.startswith("yuvj")


def _has_alpha(frame: VideoFrame, stream: VideoStream) -> bool:
    name = frame.format.name
    in_format = name.startswith(("yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya"))
    return in_format or stream.metadata.get("alpha_mode") == "1"
