"""Continuous timestamps for files whose own are discontinuous.

Concatenated recordings (`cat a.ts b.ts`) and clocks that wrap restart the timestamps in the middle
of a file. One pass over the packets, without decoding, finds these segments; each is then shifted
to the end of the previous one, video and audio alike.
"""

from __future__ import annotations

import bisect
import contextlib
import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet

from fast_nst.videos.concatenation import (
    has_matroska_after,
    has_unread_files,
    may_continue_after_segment,
)
from fast_nst.videos.container import MICROSECONDS, demux, open_video, presentation_time

_BACK = Fraction(1, 10)  # s by which a stream's timestamps may go back within a segment
_LEAP = 10  # s; a larger step is an error, unless the next timestamp continues from it
_GAP = 60  # s; a larger gap starts a new segment
_NEAR = 1  # s within which a stream joins a segment that another stream has started
_Span = tuple[Fraction, Fraction]  # begin and end, in seconds of the file's own timestamps
_DISCONTINUOUS: Any = Flags.ts_discont.value
_WITHOUT_TIMESTAMPS: Any = Flags.no_timestamps.value
_UNINDEXED: Any = _DISCONTINUOUS | _WITHOUT_TIMESTAMPS | Flags.generic_index.value


@dataclass(frozen=True)
class Timeline:
    """How to make a file's timestamps continuous.

    Attributes:
        can_seek: Whether the file has an index and a single segment.
        offsets: Stream index -> (number of a packet, seconds to add from that packet on).
        duration: Duration of the video in seconds, if the container's is missing or wrong.
        has_unread_files: Whether more files follow than FFmpeg reads.
    """

    can_seek: bool
    offsets: Mapping[int, list[tuple[int, Fraction]]] = field(default_factory=dict)
    duration: Fraction | None = None
    has_unread_files: bool = False


def timeline_of(path: Path, until: Fraction | None) -> Timeline:
    """Analyse the timestamps of a video.

    Args:
        path: The file.
        until: Where to stop, in seconds; default: the end of the file.

    Raises:
        UserError: See `open_video`.
    """
    with open_video(path):  # reports errors that `stat` would hide
        status = path.stat()
    return _timeline(path, until, status.st_mtime_ns, status.st_size)


@functools.lru_cache(4)
def _timeline(path: Path, until: Fraction | None, changed: int, size: int) -> Timeline:
    with open_video(path) as container:
        flags, name = container.format.flags, container.format.name
        may_continue = "matroska" in name and may_continue_after_segment(path)
        if not flags & _UNINDEXED and not may_continue:
            return Timeline(can_seek=True, has_unread_files=has_unread_files(path, name))
        segments = _Segments(container, until)
        with contextlib.suppress(av.FFmpegError, ValueError):  # damaged from here on
            segments.read()
        has_timestamps = not flags & _WITHOUT_TIMESTAMPS
        return Timeline(
            False,
            segments.offsets_by_stream(),
            segments.duration() if has_timestamps else segments.counted_duration(),
            may_continue
            and segments.position is not None
            and has_matroska_after(path, segments.position),
        )


@dataclass
class _Segment:
    """A stretch of a file with continuous timestamps, in seconds of the file's own."""

    begin: Fraction
    end: Fraction

    def extend(self, span: _Span) -> None:
        self.begin = min(self.begin, span[0])
        self.end = max(self.end, span[1])


@dataclass
class _StreamState:
    is_video: bool
    default_duration: Fraction  # s, of packets that do not state theirs
    segment: int = 0
    count: int = 0  # packets so far
    last: Fraction | None = None
    end: Fraction = Fraction(0)
    starts: list[tuple[int, int]] = field(default_factory=list)  # packet number, segment
    # A timestamp that does not continue from the last: packet number, time, span.
    pending: tuple[int, Fraction, _Span] | None = None


class _Segments:
    """Finds the segments of a file, packet by packet."""

    def __init__(self, container: InputContainer, until: Fraction | None) -> None:
        self._container = container
        self._begin = Fraction(container.start_time or 0, MICROSECONDS)
        self._stop = None if until is None else until + _LEAP
        self._by_pts = not container.format.flags & _DISCONTINUOUS
        self._main = container.streams.best("video")
        streams = [*container.streams.video, *container.streams.audio]
        self._streams = [stream for stream in streams if stream.codec_context]
        self._states = {
            stream.index: _StreamState(stream.type == "video", _default_duration(stream))
            for stream in self._streams
        }
        self._segments: list[_Segment] = []
        self.position: int | None = None  # byte offset of the last packet; None if stopped early

    def read(self) -> None:
        """Read the packets, up to `until`."""
        if not self._streams:
            return
        for packet in demux(self._container, *self._streams):
            if packet.size:
                state = self._states[packet.stream.index]
                self._add(state, packet)
                if state.is_video and self._is_past_stop(state):
                    self.position = None
                    return
                self.position = packet.pos

    def _is_past_stop(self, state: _StreamState) -> bool:
        if self._stop is None or state.last is None:
            return False
        return state.last + self._offsets()[state.segment] - self._begin > self._stop

    def _add(self, state: _StreamState, packet: Packet[Any]) -> None:
        number, state.count = state.count, state.count + 1
        time, shown = _order(packet, state.is_video and self._by_pts), presentation_time(packet)
        if shown is None:
            return
        span = (shown, shown + (_duration(packet) or state.default_duration))
        if not self._segments:
            self._segments.append(_Segment(*span))
        if time is None:
            if state.pending is None:
                self._advance(state, state.last, span)
            return
        if state.pending is not None:
            first, pending_time, pending_span = state.pending
            state.pending = None
            assert state.last is not None
            is_nearer = abs(time - pending_time) < abs(time - state.last)
            if is_nearer and -_BACK <= time - pending_time <= _LEAP:
                self._jump(state, first, pending_time, pending_span)
        if state.last is not None and self._is_discontinuous(state, time):
            state.pending = number, time, span
            return
        self._advance(state, time, span)

    def _is_discontinuous(self, state: _StreamState, time: Fraction) -> bool:
        assert state.last is not None
        if state.segment < len(self._segments) - 1:  # other streams are in a later segment
            newest = self._segments[-1]
            is_near = newest.begin - _NEAR <= time <= newest.end + _NEAR
            if is_near and not -_BACK <= time - state.end <= _BACK:
                return True
        return not -_BACK <= time - state.last <= _LEAP

    def _jump(self, state: _StreamState, first: int, time: Fraction, span: _Span) -> None:
        """Continue a stream from packet `first` in another segment, or after a gap."""
        assert state.last is not None
        newest, segment = len(self._segments) - 1, self._segments[-1]
        is_in_newest = segment.begin - _LEAP <= time <= segment.end + _GAP
        if state.segment < newest and is_in_newest:
            state.segment = newest
            state.starts.append((first, newest))
        elif time < state.last or time - segment.end > _GAP:
            self._segments.append(_Segment(*span))
            state.segment = newest + 1
            state.starts.append((first, newest + 1))
        state.end = span[1]
        self._advance(state, time, span)

    def _advance(self, state: _StreamState, time: Fraction | None, span: _Span) -> None:
        state.last, state.end = time, max(state.end, span[1])
        self._segments[state.segment].extend(span)

    def _offsets(self) -> list[Fraction]:
        """Seconds to add in each segment."""
        offsets = [Fraction(0)]
        for before, after in zip(self._segments, self._segments[1:], strict=False):
            offsets.append(offsets[-1] + before.end - after.begin)
        return offsets

    def offsets_by_stream(self) -> dict[int, list[tuple[int, Fraction]]]:
        """See `Timeline.offsets`."""
        if len(self._segments) < 2:
            return {}
        offsets = self._offsets()
        return {
            index: [(first, offsets[segment]) for first, segment in state.starts]
            for index, state in self._states.items()
        }

    def duration(self) -> Fraction | None:
        """Duration of the video stream in seconds, as far as it was read."""
        if not self._segments or self._main is None:
            return None
        state = self._states[self._main.index]
        return state.end + self._offsets()[state.segment] - self._begin

    def counted_duration(self) -> Fraction | None:
        """Duration of a video stream without timestamps: number of packets over frame rate."""
        if self._main is None:
            return None
        state = self._states[self._main.index]
        return state.count * state.default_duration


def _default_duration(stream: Any) -> Fraction:
    rate = stream.average_rate or stream.guessed_rate if stream.type == "video" else None
    return 1 / Fraction(rate) if rate else Fraction(0)


def _duration(packet: Packet[Any]) -> Fraction:
    return (packet.duration or 0) * Fraction(packet.time_base or 0)


def _order(packet: Packet[Any], by_pts: bool) -> Fraction | None:
    """A time that increases from packet to packet, if there is one."""
    if by_pts:  # the demuxer makes the DTS up, wrongly at discontinuities
        return presentation_time(packet) if packet.is_keyframe else None
    stamp = packet.dts if packet.dts is not None else packet.pts
    return None if stamp is None else stamp * Fraction(packet.time_base)


def continuous(packets: Iterable[Packet[Any]], timeline: Timeline) -> Iterator[Packet[Any]]:
    """Make the timestamps of packets continuous.

    A packet far ahead is held until the next one: if that does not follow it, its timestamps are
    removed.

    Args:
        packets: Packets from the beginning of the file, or from anywhere if it can be seeked.
        timeline: The file's timeline.
    """
    counts: Counter[int] = Counter()
    last: dict[int, Fraction] = {}
    held: dict[int, Packet[Any]] = {}
    for packet in packets:
        index = packet.stream.index
        if packet.size:
            _shift(packet, timeline.offsets.get(index, []), counts[index])
            counts[index] += 1
        time = presentation_time(packet)
        if index in held:
            ahead = held.pop(index)
            if _is_outlier(ahead, time, last[index]):
                ahead.pts = ahead.dts = None
            else:
                last[index] = presentation_time(ahead) or last[index]
            yield ahead
        is_dense = packet.stream.type in ("audio", "video")
        if time is not None and is_dense:
            if time - last.get(index, time) > _LEAP:
                held[index] = packet
                continue
            last[index] = time
        yield packet
    yield from held.values()


def _is_outlier(ahead: Packet[Any], following: Fraction | None, last: Fraction) -> bool:
    """Whether the packet after `ahead` continues from the one before it."""
    if following is None:  # the end, where a last frame may stay for long
        return ahead.stream.type == "audio"
    return following - last <= _LEAP


def _shift(packet: Packet[Any], offsets: list[tuple[int, Fraction]], number: int) -> None:
    index = bisect.bisect_right(offsets, number, key=lambda offset: offset[0])
    if index == 0 or not packet.time_base:
        return
    ticks = round(offsets[index - 1][1] / packet.time_base)
    if packet.pts is not None:
        packet.pts += ticks
    if packet.dts is not None:
        packet.dts += ticks


class MonotonicClock:
    """Makes the timestamps of one stream strictly increasing.

    Args:
        tick: The smallest step, in the unit of the timestamps.
        second: A second, in the unit of the timestamps.

    Attributes:
        moved: Number of timestamps changed.
    """

    def __init__(self, tick: Any, second: Any) -> None:
        self.moved: int = 0
        self._tick, self._second = tick, second
        self._offset: Any = 0
        self._last: Any = None

    def correct(self, time: Any, step: Any) -> Any:
        """Return `time`, moved after the last timestamp if necessary.

        Args:
            time: The timestamp.
            step: The usual step between timestamps.
        """
        corrected = time + self._offset
        if self._last is not None:
            if self._offset and self._last < time <= self._last + self._second:
                corrected, self._offset = time, 0  # it was an outlier
            elif corrected <= self._last - self._second:  # the timestamps restart
                corrected = self._last + max(step, self._tick)
                self._offset = corrected - time
                self.moved += 1
            elif corrected <= self._last:
                corrected = self._last + self._tick
                self.moved += 1
        self._last = corrected
        return corrected

    def next(self, step: Any) -> Any:
        """The timestamp of a packet that has none; None before the first one."""
        if self._last is not None:
            self._last += max(step, self._tick)
        return self._last
