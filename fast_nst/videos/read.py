"""Reading the frames of video files with PyAV."""

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
from fast_nst.pictures.edit import Array
from fast_nst.videos.clip import Clip, Colors, Frame, scaled_frame_size
from fast_nst.videos.container import (
    MICROSECONDS,
    demux,
    error_text,
    open_video,
    presentation_time,
)
from fast_nst.videos.orientation import Orientation, display_matrix
from fast_nst.videos.timeline import MonotonicClock, continuous, timeline_of

# FFmpeg's AVColorSpace -> swscale's.
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
_MIN_HOLD = Fraction(1, 4)  # s; a shorter rest at the end may be the muxer's guess
_FINE_TIME_BASE = Fraction(1, 90_000)  # s
_TICK = Fraction(1, 1000)  # s between frames of equal timestamps
_MAX_TIME = 10**7  # s; longer durations are damage
_SEEK_MARGINS = (0, 2, 20)  # s before the start at which to look for its keyframe
_MAX_GOP = 3000  # packets kept after a keyframe, in search of the next one


def matrix_of(colors: Colors, width: int, height: int) -> int:
    """FFmpeg's number of the matrix coefficients; if unspecified, players' usual guess."""
    if colors.matrix in MATRICES:
        return colors.matrix
    return _BT709 if width >= 1280 or height > 576 else _BT601


class VideoReader:
    """Reads a video file, or a part of it.

    Args:
        path: The file.
        size: Longer side of the frames, in px; default: the video's own.
        start: Start of the part, in seconds.
        until: End of the part, in seconds; default: the end of the video.
        max_pixels: Largest number of pixels in a frame.

    Raises:
        UserError: The file is missing, damaged or no video, has no frame in that part, or its
            frames exceed `max_pixels`.
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
        self.broken: int = 0
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
                part = f" from {float(start):g} s on" if start else ""
                raise UserError(f"{self._name} has no frame that can be read{part}")
            self._frames = itertools.chain([first], self._frames)
            self._first: VideoFrame = first[0]
            self._orientation = Orientation(display_matrix(self._first))
            stored_size = (self._first.width, self._first.height)
            self._scaled = scaled_frame_size(stored_size, size, max_pixels, self._name)
            self._reformatter = VideoReformatter()
            self.clip: Clip = self._clip()
        except BaseException:
            self.close()
            raise
        if _has_alpha(self._first, self._stream):
            self.notes.append("the video's transparency is left out")
        if self._timeline.has_unread_files:
            self.notes.append(
                "the file consists of several, of which only the first can be read: give each by "
                "itself, or join them with FFmpeg"
            )

    def _open(self) -> None:
        self._container = open_video(self._path)
        try:
            self._stream = self._video_stream()
        except BaseException:
            self.close()
            raise
        # Frame threading would be faster, but loses good frames beside a broken one.
        self._stream.thread_type = "SLICE"

    def _video_stream(self) -> VideoStream:
        """The best video stream that is not a cover image."""
        moving = [
            stream
            for stream in self._container.streams.video
            if not stream.disposition & Disposition.attached_pic and stream.codec_context
        ]
        if not moving:
            raise UserError(f"{self._name} has no moving pictures: give a video")
        best = self._container.streams.best("video")
        return best if best in moving else moving[0]

    def _clip(self) -> Clip:
        stream, first, swaps_sides = self._stream, self._first, self._orientation.swaps_sides
        width, height = self._scaled[::-1] if swaps_sides else self._scaled
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
            1 / aspect if swaps_sides else aspect,
            Colors(
                UNSPECIFIED if first.format.is_rgb else int(first.colorspace),
                0 if first.format.is_rgb else 2 if _is_full(first) else int(first.color_range),
                int(context.color_primaries),
                int(context.color_trc),
            ),
        )

    def _time_base(self) -> Fraction:
        """The stream's time base, or a finer one if timestamps are shifted by no multiple of it."""
        given = Fraction(self._stream.time_base or Fraction(1, 1000))
        is_shifted = self._timeline.offsets or (self._begin + self._start) % given
        return min(given, _FINE_TIME_BASE) if is_shifted else given

    def _seconds(self) -> float | None:
        stream = self._stream
        seconds = self._timeline.duration
        if seconds is None and stream.duration is not None and stream.time_base:
            seconds = stream.duration * stream.time_base
        elif seconds is None and self._container.duration is not None:
            seconds = Fraction(self._container.duration, MICROSECONDS)
        if seconds is None or not 0 < seconds < _MAX_TIME:
            return None if self._until is None else float(self._until - self._start)
        end = seconds if self._until is None else min(seconds, self._until)
        return max(float(end - self._start), 0.0)

    def _decoded(self) -> Iterator[tuple[VideoFrame, Fraction, bool]]:
        """Yield frames from `start` on, their timestamps, and whether each is good.

        A frame that is not good repeats the last good one in place of one that is broken.
        """
        broken = _BrokenFrames()
        step = 1 / Fraction(self._stream.average_rate or 25)
        clock = MonotonicClock(max(Fraction(self._stream.time_base or 0), _TICK), Fraction(1))
        last: VideoFrame | None = None
        packets = self._packets_from_start()
        time = -step if self._is_from_beginning else self._start - step
        for decoded in itertools.chain(self._decode(packets, broken), [None]):
            now = time + step
            if decoded is None:  # frames may be missing at the end too
                now = Fraction(_MAX_TIME)
            elif decoded.pts is not None and decoded.time_base:
                given = decoded.pts * Fraction(decoded.time_base) - self._begin
                if given <= time and decoded.is_corrupt:
                    continue
                now = clock.correct(given, step)
            for missing in broken.before(now):
                if last is not None and missing > time and self._is_inside(missing):
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

    def _is_inside(self, time: Fraction) -> bool:
        return time >= self._start and (self._until is None or time < self._until)

    def _packets_from_start(self) -> Iterator[Packet[Any]]:
        """Packets from a keyframe at or before the start on."""
        start = self._begin + self._start
        self._is_from_beginning = not self._start or not self._timeline.can_seek
        if self._is_from_beginning:
            return _from_keyframe(self._demux(), start) if self._start else self._demux()
        for margin in _SEEK_MARGINS:
            with contextlib.suppress(av.FFmpegError):
                self._container.seek(int(max(start - margin, self._begin) * MICROSECONDS))
                packets = self._demux()
                first = next(packets, None)
                time = None if first is None else presentation_time(first)
                if first is not None and time is not None and time <= start:
                    return itertools.chain([first], packets)
        self.close()  # the index is missing or wrong
        self._open()
        self._is_from_beginning = True
        return _from_keyframe(self._demux(), start)

    def _demux(self) -> Iterator[Packet[Any]]:
        return continuous(demux(self._container, self._stream), self._timeline)

    def _decode(
        self, packets: Iterator[Packet[Any]], broken: _BrokenFrames
    ) -> Iterator[VideoFrame]:
        """Decode packets, skipping those with errors."""
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
            self.notes.append(f"the file is damaged and ends early: {error_text(error)}")

    def frames(self) -> Iterator[Frame]:
        """Yield the upright frames in presentation order, with increasing timestamps."""
        last: Frame | None = None
        source: VideoFrame | None = None
        for decoded, time, is_good in self._frames:
            self.broken += not is_good
            if last is not None and decoded is source:
                pixels = last.pixels
            else:
                pixels, source = self._orientation(self._rgb(decoded)), decoded
            if last is not None:
                yield last
            duration = Fraction(decoded.duration or 0) * Fraction(decoded.time_base or 0)
            last = Frame(pixels, time, duration)
        if last is not None:
            yield replace(last, duration=self._last_duration(last))

    def _last_duration(self, last: Frame) -> Fraction:
        """The duration of the last frame, in seconds.

        With reordered frames (B-frames), only the duration of an MP4's track gives it.
        """
        stream, duration = self._stream, last.duration
        index = stream.index_entries
        if stream.duration and index and index[-1].timestamp == self._last_dts:
            end = (stream.start_time or 0) + stream.duration
            stated = end * Fraction(stream.time_base or 0) - self._begin - self._start
            if stated - last.time > _MIN_HOLD:
                duration = max(duration, stated - last.time)
        if self._until is not None:
            duration = min(duration, self._until - self._start - last.time)
        return duration

    def _rgb(self, frame: VideoFrame) -> Array:
        """Convert to (H, W, 3) uint8 sRGB at the scaled size, in the stored orientation."""
        colors = Colors(int(frame.colorspace))
        is_same_size = (frame.width, frame.height) == self._scaled
        converted = self._reformatter.reformat(
            frame,
            *self._scaled,
            format="rgb24",
            src_colorspace=MATRICES[matrix_of(colors, frame.width, frame.height)],
            src_color_range=ColorRange.JPEG if _is_full(frame) else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.BILINEAR if is_same_size else Interpolation.LANCZOS,
            threads=1,  # more threads give wrong lines between their slices, at some sizes
        )
        return converted.to_ndarray()  # type: ignore[return-value]

    def close(self) -> None:
        """Close the file."""
        self._container.close()


def _from_keyframe(packets: Iterator[Packet[Any]], start: Fraction) -> Iterator[Packet[Any]]:
    """Skip the packets before the last keyframe at or before `start`."""
    kept: list[Packet[Any]] = []
    for packet in packets:
        time = presentation_time(packet)
        if packet.is_keyframe and time is not None and time <= start:
            kept.clear()
        kept.append(packet)
        if time is None or time >= start or len(kept) > _MAX_GOP:
            break
    yield from kept
    yield from packets


class _BrokenFrames:
    """Tracks the frames that a decoder should return, to know the timestamps of lost ones.

    Attributes:
        count: Decoding errors since the last frame.
    """

    _MAX_EXPECTED = 1000

    def __init__(self) -> None:
        self.count = 0
        self._expected: set[Fraction] = set()

    def sent(self, time: Fraction) -> None:
        """Record a packet sent to the decoder, with its presentation time."""
        if len(self._expected) < self._MAX_EXPECTED:
            self._expected.add(time)

    def before(self, time: Fraction) -> list[Fraction]:
        """Record a decoded frame; returns the times of frames lost before it, in order."""
        late = sorted(expected for expected in self._expected if expected < time)
        self._expected = {expected for expected in self._expected if expected > time}
        lost = late[: self.count]
        self.count -= len(lost)
        return lost


def _is_full(frame: VideoFrame) -> bool:
    """Whether the colour range is full (0 to 255) rather than limited (16 to 235)."""
    return int(frame.color_range) == ColorRange.JPEG or frame.format.name.startswith("yuvj")


def _has_alpha(frame: VideoFrame, stream: VideoStream) -> bool:
    name = frame.format.name
    in_format = name.startswith(("yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya"))
    return in_format or stream.metadata.get("alpha_mode") == "1"
