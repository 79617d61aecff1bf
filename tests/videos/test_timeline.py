"""Files with discontinuous timestamps, and streams without an index."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fast_nst.videos.clip import Frame
from fast_nst.videos.concatenation import may_continue_after_segment
from fast_nst.videos.read import VideoReader
from fast_nst.videos.timeline import MonotonicClock, timeline_of
from tests.videos.recordings import (
    FRAMES_A_SECOND,
    PICTURES,
    SOUND,
    joined,
    number_of,
    record,
    shift_one_time,
)

FORMATS = [
    (".ts", "libx264", "aac", "mpegts"),
    (".mpg", "mpeg2video", "mp2", "mpeg"),
    (".mkv", "libx264", "aac", "matroska"),
    (".webm", "libvpx-vp9", "libopus", "webm"),
]


def read(
    path: Path, start: float | Fraction = 0, until: float | None = None
) -> tuple[Any, list[Frame]]:
    end = None if until is None else Fraction(until)
    reader = VideoReader(path, None, Fraction(start), end, 10**9)
    return reader, list(reader.frames())


def numbers(frames: list[Frame]) -> list[int]:
    return [number_of(frame.pixels) for frame in frames]


@pytest.mark.parametrize(("suffix", "codec", "sound", "container"), FORMATS)
def test_concatenated_recordings_are_continuous(
    tmp_path: Path, suffix: str, codec: str, sound: str, container: str
):
    first = record(tmp_path / f"a{suffix}", codec, sound, container=container)
    second = record(tmp_path / f"b{suffix}", codec, sound, container=container, frames=30)
    both = joined(tmp_path / f"both{suffix}", first, second)
    reader, frames = read(both)
    assert len(frames) == 80
    assert reader.notes == []
    found = np.array(numbers(frames))
    assert np.abs(found - [*range(50), *range(30)]).max() <= 1
    steps = [float(b.time - a.time) for a, b in itertools.pairwise(frames)]
    assert min(steps) > 0.03
    assert max(steps) < 0.12  # sound is a little longer than pictures
    assert reader.clip.seconds == pytest.approx(float(frames[-1].time) + 0.04, abs=0.05)
    _, part = read(both, start=2.5, until=3.5)
    assert [float(frame.time) for frame in part] == pytest.approx(
        [float(f.time) - 2.5 for f in frames if 2.5 <= f.time < 3.5]
    )
    assert all(
        np.array_equal(a.pixels, b.pixels)
        for a, b in zip(part, (f for f in frames if 2.5 <= f.time < 3.5), strict=True)
    )


@pytest.mark.parametrize(("first", "second"), [(1000, 0), (0, 5000), (95_000, 0)])
def test_wrapping_or_leaping_clocks_are_continuous(tmp_path: Path, first: float, second: float):
    parts = (
        record(tmp_path / f"{begin}.ts", container="mpegts", begin=begin)
        for begin in (first, second)
    )
    _, frames = read(joined(tmp_path / "both.ts", *parts))
    assert len(frames) == 100
    steps = [float(b.time - a.time) for a, b in itertools.pairwise(frames)]
    assert 0.03 < min(steps) <= max(steps) < 0.12


def test_recording_without_sound_may_follow(tmp_path: Path):
    loud = record(tmp_path / "a.ts", container="mpegts")
    silent = record(tmp_path / "b.ts", sound=None, container="mpegts")
    _, frames = read(joined(tmp_path / "both.ts", loud, silent, loud))
    assert len(frames) == 150
    assert max(b.time - a.time for a, b in itertools.pairwise(frames)) < 0.12


def test_clock_wraps_within_a_recording(tmp_path: Path):
    path = record(tmp_path / "a.ts", container="mpegts", begin=2**33 / 90_000 - 1)
    _, frames = read(path)
    assert len(frames) == 50
    assert [float(f.time - frames[0].time) for f in frames] == pytest.approx(
        [n / 25 for n in range(50)], abs=1e-4
    )


@pytest.mark.parametrize("wrong", [-1.0, 3600.0])
@pytest.mark.parametrize("stream", [SOUND, PICTURES])
def test_outlier_moves_no_other_timestamp(tmp_path: Path, stream: int, wrong: float):
    path = record(tmp_path / "a.ts", container="mpegts")
    _, before = read(path)
    shift_one_time(path, stream, 5 if stream == SOUND else 30, wrong)
    assert timeline_of(path, None).offsets == {}
    _, frames = read(path)
    assert len(frames) == 50
    differing = [a.time != b.time for a, b in zip(frames, before, strict=True)]
    assert sum(differing) <= (0 if stream == SOUND else 2)


def test_pause_starts_no_segment(tmp_path: Path):
    first = record(tmp_path / "a.ts", container="mpegts")
    second = record(tmp_path / "b.ts", container="mpegts", begin=32)
    _, frames = read(joined(tmp_path / "both.ts", first, second))
    assert float(frames[50].time) == pytest.approx(32, abs=0.1)


def test_equal_timestamps_lose_no_frame(tmp_path: Path):
    import av

    path = tmp_path / "a.mkv"
    source = str(record(tmp_path / "in.mkv", "mpeg4", None))
    with av.open(source) as given, av.open(str(path), "w") as out:
        copied = out.add_stream_from_template(given.streams.video[0])
        for number, packet in enumerate(given.demux()):
            if packet.size:
                if number in (7, 20):
                    packet.pts = packet.dts = packet.pts - 40  # milliseconds
                packet.stream = copied
                out.mux(packet)
    _, frames = read(path)
    assert len(frames) == 50
    assert np.abs(np.array(numbers(frames)) - range(50)).max() <= 1
    assert [float(f.time) for f in frames][8:20] == pytest.approx([n / 25 for n in range(8, 20)])


@pytest.mark.parametrize(
    ("suffix", "container"), [(".ts", "mpegts"), (".h264", "h264"), (".mkv", None), (".mp4", None)]
)
@pytest.mark.parametrize("first", [7, 10, 33])
def test_part_starts_at_requested_frame(
    tmp_path: Path, suffix: str, container: str | None, first: int
):
    path = record(tmp_path / f"a{suffix}", sound=None, container=container)
    _, whole = read(path)
    reader, frames = read(path, start=Fraction(first, FRAMES_A_SECOND))
    assert frames[0].time == 0
    assert len(frames) == 50 - first
    assert reader.broken == 0
    for one, other in zip(frames, whole[first:], strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert one.time == other.time - Fraction(first, FRAMES_A_SECOND)


def test_raw_stream_duration(tmp_path: Path):
    path = record(tmp_path / "a.h264", sound=None, container="h264")
    assert read(path)[0].clip.seconds == pytest.approx(2)


def test_many_concatenated_recordings(tmp_path: Path):
    one = record(tmp_path / "a.ts", container="mpegts")
    _, frames = read(joined(tmp_path / "all.ts", *[one] * 5))
    assert len(frames) == 250
    assert max(b.time - a.time for a, b in itertools.pairwise(frames)) < 0.12


@pytest.mark.parametrize(("suffix", "given"), [(".mp4", 2), (".flv", 2), (".mkv", 3)])
def test_unread_concatenated_files_are_noted(tmp_path: Path, suffix: str, given: int):
    one = record(tmp_path / f"one{suffix}")
    assert read(one)[0].notes == []
    reader, frames = read(joined(tmp_path / f"all{suffix}", *[one] * given))
    assert len(frames) == 50 * (given - 1)
    assert "only the first can be read" in reader.notes[0]


def test_may_continue_after_segment(tmp_path: Path):
    one = record(tmp_path / "a.mkv")
    assert not may_continue_after_segment(one)
    assert may_continue_after_segment(joined(tmp_path / "b.mkv", one, one))
    damaged = tmp_path / "c.mkv"
    for data in (b"", b"\x1aE\xdf\xa3", b"no Matroska at all", one.read_bytes()[:100]):
        damaged.write_bytes(data)
        assert not may_continue_after_segment(damaged)


def test_monotonic_clock_increases():
    clock = MonotonicClock(1, 1000)
    given = [0, 20, 20, 40, 30, 60, 5, 25, 45, 80]
    assert [clock.correct(time, 20) for time in given] == [0, 20, 21, 40, 41, 60, 61, 62, 63, 80]
    assert clock.moved == 5
    assert clock.next(20) == 100


def test_monotonic_clock_continues_after_restart():
    clock = MonotonicClock(1, 10)
    assert [clock.correct(time, 5) for time in (100, 105, 0, 5, 10)] == [100, 105, 110, 115, 120]
    clock = MonotonicClock(1, 10)  # a single one was wrong
    assert [clock.correct(time, 5) for time in (100, 105, 0, 115, 120)] == [100, 105, 110, 115, 120]
    assert MonotonicClock(1, 10).next(5) is None
