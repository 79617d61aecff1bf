"""Times that go on, in files whose own times begin anew, stand still or leap.

Recordings that were put together (`cat a.ts b.ts`), and clocks that wrap, have times that begin
anew in the middle of a file. The file is looked through once, without decoding, to find where; each
part is then moved to the end of the one before, its pictures and its sound alike.
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

from fast_nst.videos.container import MICROSECONDS, open_video, packets_of, time_of
from fast_nst.videos.joined import (
    goes_on_after_its_segment,
    has_matroska_behind,
    has_unread_files,
)

_BACK = Fraction(1, 10)  # s, by which a stream's times may fall within a part
_LEAP = 10  # s, above which a single time is wrong unless the next one goes on from it
_GAP = 60  # s without anything, from which on it is another recording's time
_NEAR = 1  # s, of a stream that comes into a part after another one
_Span = tuple[Fraction, Fraction]  # from when until when, in seconds as the file counts them
_DISCONTINUOUS: Any = Flags.ts_discont.value
_TIMELESS: Any = Flags.no_timestamps.value
_UNINDEXED: Any = _DISCONTINUOUS | _TIMELESS | Flags.generic_index.value


@dataclass(frozen=True)
class Timeline:
    """What makes a file's times go on.

    Attributes:
        can_seek: Whether the file has an index, and times in one piece.
        has_times: Whether it has any; raw streams have none.
        shifts: By a stream's index, from which of its packets on how many seconds are added.
        seconds: How long its pictures take, where the file says nothing or not the truth.
        is_cut: Whether there are more recordings behind those that FFmpeg reads.
    """

    can_seek: bool
    has_times: bool = True
    shifts: Mapping[int, list[tuple[int, Fraction]]] = field(default_factory=dict)
    seconds: Fraction | None = None
    is_cut: bool = False


def timeline_of(path: Path, until: Fraction | None) -> Timeline:
    """Look through a file.

    Args:
        path: The video.
        until: Up to when it is of interest, in seconds; default: to its end.

    Raises:
        UserError: It cannot be read.
    """
    with open_video(path):  # which says what is wrong with it
        status = path.stat()
    return _timeline(path, until, status.st_mtime_ns, status.st_size)


@functools.lru_cache(4)
def _timeline(path: Path, until: Fraction | None, changed: int, size: int) -> Timeline:
    with open_video(path) as container:
        flags = container.format.flags
        has_times = not flags & _TIMELESS
        is_joined = "matroska" in container.format.name and goes_on_after_its_segment(path)
        if not flags & _UNINDEXED and not is_joined:
            return Timeline(can_seek=True, is_cut=has_unread_files(path, container.format.name))
        parts = _Parts(container, until)
        with contextlib.suppress(av.FFmpegError, ValueError):  # damaged: it ends here
            parts.read()
        seconds = parts.seconds() if has_times else parts.counted()
        is_cut = is_joined and parts.place is not None and has_matroska_behind(path, parts.place)
        return Timeline(False, has_times, parts.shifts(), seconds, is_cut)


@dataclass
class _Part:
    """A piece of a file with times of its own, in seconds as the file counts them."""

    begin: Fraction
    end: Fraction

    def cover(self, span: _Span) -> None:
        self.begin = min(self.begin, span[0])
        self.end = max(self.end, span[1])


@dataclass
class _Track:
    """How far a stream has come."""

    is_picture: bool
    usual: Fraction  # seconds that a packet lasts which does not say so
    part: int = 0
    count: int = 0
    last: Fraction | None = None
    end: Fraction = Fraction(0)
    begins: list[tuple[int, int]] = field(default_factory=list)  # packet, part
    # A time that does not go on from the last: packet, time, span.
    waiting: tuple[int, Fraction, _Span] | None = None


class _Parts:
    """The parts of a file, found out packet by packet."""

    def __init__(self, container: InputContainer, until: Fraction | None) -> None:
        self._container = container
        self._begin = Fraction(container.start_time or 0, MICROSECONDS)
        self._most = None if until is None else until + _LEAP
        self._by_pts = not container.format.flags & _DISCONTINUOUS
        self._main = container.streams.best("video")
        streams = [*container.streams.video, *container.streams.audio]
        self._streams = [stream for stream in streams if stream.codec_context]
        self._tracks = {
            stream.index: _Track(stream.type == "video", _usual(stream)) for stream in self._streams
        }
        self._parts: list[_Part] = []
        self.place: int | None = None  # in the file, that was come to

    def read(self) -> None:
        """Go through the packets, as far as they are wanted."""
        if not self._streams:
            return
        for packet in packets_of(self._container, *self._streams):
            if packet.size:
                track = self._tracks[packet.stream.index]
                self._take(track, packet)
                if track.is_picture and self._is_over(track):
                    self.place = None
                    return
                self.place = packet.pos

    def _is_over(self, track: _Track) -> bool:
        if self._most is None or track.last is None:
            return False
        return track.last + self._offsets()[track.part] - self._begin > self._most

    def _take(self, track: _Track, packet: Packet[Any]) -> None:
        number, track.count = track.count, track.count + 1
        time, shown = _order(packet, track.is_picture and self._by_pts), time_of(packet)
        if shown is None:
            return
        span = (shown, shown + (_length(packet) or track.usual))
        if not self._parts:
            self._parts.append(_Part(*span))
        if time is None:
            if track.waiting is None:
                self._reach(track, track.last, span)
            return
        if track.waiting is not None:
            first, awaited, its_span = track.waiting
            track.waiting = None
            assert track.last is not None
            is_nearer = abs(time - awaited) < abs(time - track.last)
            if is_nearer and -_BACK <= time - awaited <= _LEAP:
                self._go_on(track, first, awaited, its_span)
        if track.last is not None and self._is_elsewhere(track, time):
            track.waiting = number, time, span
            return
        self._reach(track, time, span)

    def _is_elsewhere(self, track: _Track, time: Fraction) -> bool:
        assert track.last is not None
        if track.part < len(self._parts) - 1:  # others have gone on: it may follow at any time
            newest = self._parts[-1]
            is_near = newest.begin - _NEAR <= time <= newest.end + _NEAR
            if is_near and not -_BACK <= time - track.end <= _BACK:
                return True
        return not -_BACK <= time - track.last <= _LEAP

    def _go_on(self, track: _Track, first: int, time: Fraction, span: _Span) -> None:
        """A stream's times go on from another place: in another part, or after a gap."""
        assert track.last is not None
        newest, part = len(self._parts) - 1, self._parts[-1]
        is_in_newest = part.begin - _LEAP <= time <= part.end + _GAP
        if track.part < newest and is_in_newest:
            track.part = newest
            track.begins.append((first, newest))
        elif time < track.last or time - part.end > _GAP:
            self._parts.append(_Part(*span))
            track.part = newest + 1
            track.begins.append((first, newest + 1))
        track.end = span[1]
        self._reach(track, time, span)

    def _reach(self, track: _Track, time: Fraction | None, span: _Span) -> None:
        track.last, track.end = time, max(track.end, span[1])
        self._parts[track.part].cover(span)

    def _offsets(self) -> list[Fraction]:
        """Seconds that are added in each part."""
        offsets = [Fraction(0)]
        for before, after in zip(self._parts, self._parts[1:], strict=False):
            offsets.append(offsets[-1] + before.end - after.begin)
        return offsets

    def shifts(self) -> dict[int, list[tuple[int, Fraction]]]:
        """See `Timeline`."""
        if len(self._parts) < 2:
            return {}
        offsets = self._offsets()
        return {
            index: [(first, offsets[part]) for first, part in track.begins]
            for index, track in self._tracks.items()
        }

    def seconds(self) -> Fraction | None:
        """Up to the end of the pictures, as far as they were looked through."""
        if not self._parts or self._main is None:
            return None
        track = self._tracks[self._main.index]
        return track.end + self._offsets()[track.part] - self._begin

    def counted(self) -> Fraction | None:
        """Of a stream without times: as many frames as it has packets."""
        if self._main is None:
            return None
        track = self._tracks[self._main.index]
        return track.count * track.usual


def _usual(stream: Any) -> Fraction:
    rate = stream.average_rate or stream.guessed_rate if stream.type == "video" else None
    return 1 / Fraction(rate) if rate else Fraction(0)


def _length(packet: Packet[Any]) -> Fraction:
    return (packet.duration or 0) * Fraction(packet.time_base or 0)


def _order(packet: Packet[Any], by_pts: bool) -> Fraction | None:
    """A time that rises from packet to packet, if there is one."""
    if by_pts:  # its dts are made up, and wrong where times begin anew
        return time_of(packet) if packet.is_keyframe else None
    stamp = packet.dts if packet.dts is not None else packet.pts
    return None if stamp is None else stamp * Fraction(packet.time_base)


def going_on(packets: Iterable[Packet[Any]], timeline: Timeline) -> Iterator[Packet[Any]]:
    """Packets at times that go on.

    One that leaps ahead alone loses its time: the next one tells, until which it waits.

    Args:
        packets: From the file's beginning, unless it can be sought in.
        timeline: Of the file.
    """
    counts: Counter[int] = Counter()
    last: dict[int, Fraction] = {}
    held: dict[int, Packet[Any]] = {}
    for packet in packets:
        index = packet.stream.index
        if packet.size:
            _shift(packet, timeline.shifts.get(index, []), counts[index])
            counts[index] += 1
        time = time_of(packet)
        if index in held:
            leaping = held.pop(index)
            if _is_wrong(leaping, time, last[index]):
                leaping.pts = leaping.dts = None
            else:
                last[index] = time_of(leaping) or last[index]
            yield leaping
        is_dense = packet.stream.type in ("audio", "video")
        if time is not None and is_dense:
            if time - last.get(index, time) > _LEAP:
                held[index] = packet
                continue
            last[index] = time
        yield packet
    yield from held.values()


def _is_wrong(leaping: Packet[Any], following: Fraction | None, last: Fraction) -> bool:
    """Whether a packet leaps ahead alone, given the times of the next one and of the one before."""
    if following is None:  # nothing comes: the last picture may well stay for long
        return leaping.stream.type == "audio"
    return following - last <= _LEAP


def _shift(packet: Packet[Any], shifts: list[tuple[int, Fraction]], number: int) -> None:
    place = bisect.bisect_right(shifts, number, key=lambda shift: shift[0])
    if place == 0 or not packet.time_base:
        return
    ticks = round(shifts[place - 1][1] / packet.time_base)
    if packet.pts is not None:
        packet.pts += ticks
    if packet.dts is not None:
        packet.dts += ticks


class Clock:
    """Makes the times of one stream rise.

    Args:
        tick: The least step.
        second: In the unit of the times.

    Attributes:
        moved: Times that were changed.
    """

    def __init__(self, tick: Any, second: Any) -> None:
        self.moved = 0
        self._tick, self._second = tick, second
        self._offset: Any = 0
        self._last: Any = None

    def settle(self, time: Any, step: Any) -> Any:
        """A time that rises.

        Args:
            time: As it was given.
            step: What lies between two times, usually.
        """
        settled = time + self._offset
        if self._last is not None:
            if self._offset and self._last < time <= self._last + self._second:
                settled, self._offset = time, 0  # a single one was wrong
            elif settled <= self._last - self._second:  # they begin anew
                settled = self._last + max(step, self._tick)
                self._offset = settled - time
                self.moved += 1
            elif settled <= self._last:
                settled = self._last + self._tick
                self.moved += 1
        self._last = settled
        return settled

    def next(self, step: Any) -> Any:
        """The time of what says nothing; None before all others."""
        if self._last is not None:
            self._last += max(step, self._tick)
        return self._last
