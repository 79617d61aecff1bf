"""Copying of sound with wrong, restarting or too fine timestamps."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fast_nst.videos.clip import Clip, Frame
from fast_nst.videos.read import VideoReader
from fast_nst.videos.write import VideoWriter
from tests.videos.clips import make, probe
from tests.videos.recordings import SOUND, grey, joined, record, shift_one_time

CLIP = Clip(64, 48, Fraction(25), Fraction(1, 25))


def copy(
    source: Path, target: Path, start: float = 0, until: float | None = None
) -> tuple[list[float], list[float], list[str]]:
    """Copy a video; returns the times of its frames and of its audio packets, and the notes."""
    begin, end = Fraction(start), None if until is None else Fraction(until)
    reader = VideoReader(source, None, begin, end, 10**9)
    writer = VideoWriter(target, target, reader.clip, None, None, source, begin, end)
    for frame in reader.frames():
        writer.write(frame)
    writer.finish()
    found = probe(target)
    return found.times, [time for time, _ in found.sound[0][2]], writer.notes


def same_time(heard: list[Any]) -> None:
    heard[8].pts = heard[8].dts = heard[7].dts


def stands_still(heard: list[Any]) -> None:
    for packet in heard[20:30]:
        packet.pts = packet.dts = heard[20].dts


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts", ".webm"])
@pytest.mark.parametrize(("change", "count"), [(same_time, 1), (stands_still, 9)])
def test_equal_audio_timestamps_are_moved(tmp_path: Path, suffix: str, change: Any, count: int):
    source = record(tmp_path / "in.mkv", change=change)
    given = probe(source).sound[0][2]
    times, heard, notes = copy(source, tmp_path / f"out{suffix}")
    assert len(times) == 50
    assert heard == sorted(heard)
    assert f"audio packets with non-increasing timestamps are moved: {count}" in notes
    if suffix != ".webm":  # where it is encoded again
        assert len(set(heard)) == len(given)
    first = min(times[0], heard[0]) if suffix == ".ts" else 0
    assert heard[-1] - first == pytest.approx(given[-1][0], abs=0.04)


@pytest.mark.parametrize("wrong", [-1.0, 3600.0])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_audio_outlier_moves_no_other_timestamp(tmp_path: Path, suffix: str, wrong: float):
    source = record(tmp_path / "in.ts", container="mpegts")
    _, right, _ = copy(source, tmp_path / f"right{suffix}")
    shift_one_time(source, SOUND, 5, wrong)
    times, heard, _ = copy(source, tmp_path / f"out{suffix}")
    assert len(times) == 50
    assert len(heard) == len(right)
    away = np.abs(np.array(heard) - right)
    assert (away > 0.001).sum() <= 10  # those of one packet of the transport stream
    assert away.max() < 0.3


@pytest.mark.parametrize(
    ("suffix", "codec", "sound", "container"),
    [(".ts", "libx264", "aac", "mpegts"), (".mpg", "mpeg2video", "mp2", "mpeg")],
)
def test_concatenated_recordings_keep_their_sound(
    tmp_path: Path, suffix: str, codec: str, sound: str, container: str
):
    one = record(tmp_path / f"a{suffix}", codec, sound, container=container)
    both = joined(tmp_path / f"both{suffix}", one, one)
    once, heard_once, _ = copy(one, tmp_path / "once.mp4")
    times, heard, notes = copy(both, tmp_path / "twice.mp4")
    assert (len(times), len(heard), notes) == (100, 2 * len(heard_once), [])
    assert np.diff(heard).max() < 0.1
    # In the second one, sound and pictures are as far apart as in the first.
    assert heard[len(heard_once)] - times[50] == pytest.approx(heard_once[0] - once[0], abs=0.002)
    times, heard, notes = copy(both, tmp_path / "part.mp4", start=1.5, until=3)
    assert (len(times), notes) == (37, [])
    assert (heard[0], heard[-1]) == pytest.approx((0, 1.5), abs=0.06)


@pytest.mark.parametrize(("suffix", "sound"), [(".mpg", "mp2"), (".vob", "ac3")])
def test_parts_of_mpeg_program_streams(tmp_path: Path, suffix: str, sound: str):
    source = record(tmp_path / f"in{suffix}", "mpeg2video", sound, frames=100)
    times, heard, notes = copy(source, tmp_path / "out.mp4", start=3)
    assert (len(times), notes) == (25, [])
    assert (heard[0], heard[-1]) == pytest.approx((0, 0.98), abs=0.06)


@pytest.mark.parametrize("rate", [192_000, 176_400, 6_000])
@pytest.mark.parametrize(
    ("suffix", "becomes", "rates"),
    [
        (".mp4", "aac", {192_000: 96_000, 176_400: 96_000, 6_000: 7_350}),
        (".ts", "mp2", {192_000: 48_000, 176_400: 48_000, 6_000: 16_000}),
        (".webm", "opus", {192_000: 48_000, 176_400: 48_000, 6_000: 48_000}),
    ],
)
def test_sound_is_resampled_for_the_target(
    tmp_path: Path, suffix: str, becomes: str, rates: dict[int, int], rate: int
):
    import av

    source = record(tmp_path / "in.mov", sound="pcm_s16le", sound_rate=rate)
    target = tmp_path / f"out{suffix}"
    times, heard, notes = copy(source, target)
    assert len(times) == 50
    assert notes[0].startswith(f"sound in pcm_s16le becomes {becomes}")
    assert heard[-1] == pytest.approx(times[-1], abs=0.25)
    with av.open(str(target)) as container:
        assert container.streams.audio[0].rate == rates[rate]


def test_mpegts_re_encodes_unsupported_audio(tmp_path: Path):
    source = make(tmp_path / "in.mkv", sound="flac")
    _, _, notes = copy(source, tmp_path / "out.ts")
    assert notes == ["sound in flac becomes mp2: mpegts cannot hold it"]


def test_coarse_time_base_keeps_frame_order(tmp_path: Path):
    target = tmp_path / "a.mp4"
    writer = VideoWriter(target, target, CLIP)
    for number in range(6):
        writer.write(Frame(grey(number), Fraction(number, 100)))
    writer.finish()
    assert probe(target).times == [number / 25 for number in range(6)]
