"""Writing videos with sound and subtitles."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fast_nst.errors import UserError
from fast_nst.videos.clip import Clip, Colors, Frame
from fast_nst.videos.codecs import check_target
from fast_nst.videos.read import VideoReader
from fast_nst.videos.write import VideoWriter
from tests.videos.clips import RATE, SOUND_RATE, Found, flat, make, moving, probe

CLIP = Clip(96, 64, Fraction(RATE), Fraction(1, 2000))


def write(
    path: Path,
    clip: Clip = CLIP,
    *,
    frames: int = 8,
    times: list[Fraction] | None = None,
    picture: object = moving,
    source: Path | None = None,
    codec: str | None = None,
    crf: int | None = 4,
    start: float = 0,
    until: float | None = None,
    is_whole: bool = True,
) -> tuple[Found, list[str]]:
    end = None if until is None else Fraction(until)
    writer = VideoWriter(path, path, clip, codec, crf, source, Fraction(start), end)
    for number, time in enumerate(times or [Fraction(i, RATE) for i in range(frames)]):
        pixels = picture(number, clip.width, clip.height)  # type: ignore[operator]
        writer.write(Frame(pixels, time))
    writer.finish(is_whole)
    return probe(path), writer.notes


def test_round_trip_of_frames_and_timestamps(tmp_path: Path):
    found, notes = write(tmp_path / "a.mp4")
    assert found.video == ("h264", "yuv420p", 96, 64)
    assert found.times == [i / RATE for i in range(8)]
    for number in (0, 7):
        assert np.abs(found.frames[number].astype(float) - moving(number)).mean() < 4
    assert notes == []


def test_uneven_timestamps_are_kept(tmp_path: Path):
    times = [Fraction(t, 2000) for t in (0, 7, 100, 333, 1999)]
    for suffix in (".mp4", ".mkv", ".mov"):
        found, _ = write(tmp_path / f"a{suffix}", times=times)
        accuracy = 0.001 if suffix == ".mkv" else 1e-4
        assert found.times == pytest.approx(list(map(float, times)), abs=accuracy)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_few_frames_of_hevc_are_always_written(tmp_path: Path, frames: int):
    """x265 gives its first packets decoding times that it has not set: each time others."""
    path = tmp_path / "a.mp4"
    for _ in range(30):
        writer = VideoWriter(path, path, replace(CLIP, rate=Fraction(10)), "hevc")
        for number in range(frames):
            writer.write(Frame(moving(number), Fraction(number, 10), Fraction(3)))
        writer.finish()
        assert probe(path).times == pytest.approx([number / 10 for number in range(frames)])


def test_no_thread_gets_realtime_priority(tmp_path: Path):
    """As root, SVT-AV1 would give it to itself and to the thread that opens it."""
    path, before = tmp_path / "a.mp4", os.sched_getscheduler(0)
    writer = VideoWriter(path, path, replace(CLIP, rate=Fraction(10)), "av1")
    tasks = [int(task.name) for task in Path("/proc/self/task").iterdir()]
    assert len(tasks) > 1
    assert {os.sched_getscheduler(task) for task in tasks} == {before}
    writer.write(Frame(moving(0), Fraction(0)))
    writer.finish()
    assert os.sched_getscheduler(0) == before


@pytest.mark.parametrize("frames", [1, 2, 9])
@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".mp4", None), (".mov", None), (".mkv", None), (".webm", None), (".ts", None),
     (".mp4", "hevc"), (".mkv", "ffv1"), (".mp4", "av1"), (".mp4", "vp9")],
)  # fmt: skip
def test_last_frame_duration(tmp_path: Path, suffix: str, codec: str | None, frames: int):
    import av

    path = tmp_path / f"a{suffix}"
    writer = VideoWriter(path, path, replace(CLIP, rate=Fraction(10)), codec)
    for number in range(frames):
        last = number == frames - 1
        writer.write(Frame(moving(number), Fraction(number, 10), Fraction(3 if last else 0)))
    writer.finish()
    length = (frames - 1) / 10 + 3
    with av.open(str(path)) as container:
        found = (container.duration or 0) / 1e6
    assert found == pytest.approx(length, abs=0.11 if suffix == ".ts" else 0.002)
    reader = VideoReader(path, None, Fraction(0), None, 10**9)
    shown = list(reader.frames())
    assert len(shown) == frames + (suffix == ".ts")  # which has no durations: it is shown twice
    assert float(shown[-1].time + shown[-1].duration) == pytest.approx(length, abs=0.11)


def test_no_frame_is_added_to_ordinary_videos(tmp_path: Path):
    for suffix in (".mp4", ".ts"):
        found, _ = write(tmp_path / f"a{suffix}", frames=9)
        assert len(found.times) == 9


def test_transparent_parts_become_white(tmp_path: Path):
    path = tmp_path / "a.mkv"
    writer = VideoWriter(path, path, CLIP, "ffv1")
    clear = np.full((64, 96), 255, np.uint8)
    clear[:, :48] = 0
    clear[:, 48:72] = 128
    writer.write(Frame(np.zeros((64, 96, 3), np.uint8), Fraction(0)))
    writer.write(Frame(np.zeros((64, 96, 3), np.uint8), Fraction(1, RATE), alpha=clear))
    writer.finish()
    opaque, half = probe(path).frames
    assert opaque.max() <= 2
    assert half[:, :46].min() >= 253
    assert np.abs(half[:, 50:70].astype(int) - 127).max() <= 2
    assert half[:, 74:].max() <= 2
    assert writer.notes == ["transparent parts become white: videos have no transparency"]


@pytest.mark.parametrize(
    ("name", "codec", "video"),
    [
        ("a.mov", None, "h264"),
        ("a.ts", None, "h264"),
        ("a.webm", None, "vp9"),
        ("a.mkv", "hevc", "hevc"),
        ("a.mp4", "h265", "hevc"),
        ("a.mkv", "av1", "libdav1d"),
        ("a.mkv", "libx264", "h264"),
    ],
)
def test_containers_and_codecs(tmp_path: Path, name: str, codec: str | None, video: str):
    found, _ = write(tmp_path / name, codec=codec, crf=None)
    assert found.video == (video, "yuv420p", 96, 64)
    assert len(found.times) == 8


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "ffv1"), ("a.mp4", "mpeg4")])
def test_codecs_without_crf(tmp_path: Path, name: str, codec: str):
    found, _ = write(
        tmp_path / name, replace(CLIP, time_base=Fraction(1, 90_000)), codec=codec, crf=None
    )
    assert found.video[0] == codec
    assert found.times == pytest.approx([i / RATE for i in range(8)], abs=0.001)
    with pytest.raises(UserError, match=f"{codec} has none"):
        check_target(tmp_path / name, codec, 20)


@pytest.mark.parametrize(
    ("codec", "size"), [("h264", (98, 66)), ("hevc", (98, 66)), ("vp9", (97, 65))]
)
def test_odd_sizes(tmp_path: Path, codec: str, size: tuple[int, int]):
    found, notes = write(tmp_path / "a.mkv", replace(CLIP, width=97, height=65), codec=codec, crf=8)
    assert found.video[2:] == size
    assert np.abs(found.frames[0][:65, :97].astype(float) - moving(0, 97, 65)).mean() < 6
    assert [note for note in notes if "97x65" in note] == (notes if size != (97, 65) else [])


@pytest.mark.parametrize("color", [(200, 30, 60), (20, 180, 40), (250, 250, 250)])
@pytest.mark.parametrize(
    "colors", [Colors(), Colors(1, 1, 1, 1), Colors(6, 2, 6, 6), Colors(9, 1, 9, 16)]
)
def test_color_properties_are_written(tmp_path: Path, colors: Colors, color: tuple[int, int, int]):
    path = tmp_path / "a.mp4"
    found, _ = write(path, replace(CLIP, colors=colors), picture=flat(color), frames=2, crf=1)
    if colors.matrix != 2:
        assert found.colors == (colors.matrix, colors.range, colors.primaries, colors.transfer)
    reader = VideoReader(path, None, Fraction(0), None, 10**9)
    assert np.abs(next(reader.frames()).pixels.astype(int) - color).max() <= 4


def test_pixel_aspect_is_kept(tmp_path: Path):
    found, _ = write(tmp_path / "a.mp4", replace(CLIP, pixel_aspect=Fraction(4, 3)))
    assert found.aspect == Fraction(4, 3)


@pytest.mark.parametrize(
    ("suffix", "sound", "target"),
    [(".mp4", "aac", ".mp4"), (".mkv", "libopus", ".webm"), (".mkv", "flac", ".mkv"),
     (".mkv", "libmp3lame", ".mp4"), (".mov", "pcm_s16le", ".mov"), (".ts", "aac", ".mkv")],
)  # fmt: skip
def test_sound_is_copied(tmp_path: Path, suffix: str, sound: str, target: str):
    source = make(tmp_path / f"in{suffix}", sound=sound, frames=20)
    found, notes = write(tmp_path / f"out{target}", frames=20, source=source)
    given = probe(source)
    ((name, language, packets),) = found.sound
    assert notes == []
    assert name == given.sound[0][0]
    assert language == given.sound[0][1]
    header = 7 if suffix == ".ts" else 0  # bytes, of each packet of AAC in a stream of its own
    copied = b"".join(data for _, data in packets)
    assert copied == b"".join(data[header:] for _, data in given.sound[0][2])
    before = given.times[0] if suffix == ".ts" else 0  # the others begin at 0
    first = min(before, given.sound[0][2][0][0])
    shifted = [time - (first if suffix == ".ts" else 0) for time, _ in given.sound[0][2]]
    assert [time for time, _ in packets] == pytest.approx(shifted, abs=0.002)


@pytest.mark.parametrize(
    ("suffix", "sound", "target", "becomes"),
    [(".mp4", "aac", ".webm", "opus"), (".mov", "pcm_s16le", ".mp4", "aac")],
)
def test_unsupported_sound_is_re_encoded(
    tmp_path: Path, suffix: str, sound: str, target: str, becomes: str
):
    source = make(tmp_path / f"in{suffix}", sound=sound, frames=20)
    found, notes = write(tmp_path / f"out{target}", frames=20, source=source)
    assert notes == [f"sound in {sound} becomes {becomes}: {target[1:]} cannot hold it"]
    ((name, _, packets),) = found.sound
    assert name == becomes
    assert packets[-1][0] == pytest.approx(1.0, abs=0.05)
    assert _pitch(tmp_path / f"out{target}") == pytest.approx(440, rel=0.01)


def _pitch(path: Path) -> float:
    """Of a tone, in Hz."""
    import av

    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", "mono", SOUND_RATE)
        parts = [
            part.to_ndarray()[0]
            for frame in container.decode(audio=0)
            for part in resampler.resample(frame)
        ]
    wave = np.concatenate(parts)[4800:-4800]
    return float(np.abs(np.fft.rfft(wave)).argmax() * SOUND_RATE / len(wave))


def test_damaged_sound_is_dropped_and_counted(tmp_path: Path):
    source = make(tmp_path / "in.ts", sound="aac", frames=20)
    data = source.read_bytes()
    header = b"\xff\xf1"  # of a packet of AAC
    place = data.find(header, len(data) // 2)
    source.write_bytes(data[:place] + b"\0\0" + data[place + 2 :])
    found, notes = write(tmp_path / "out.mkv", frames=20, source=source)
    assert len(found.times) == 20
    assert len(found.sound[0][2]) > 10
    assert notes == ["damaged packets of sound and subtitles are left out: 1"]


def test_subtitles_chapters_and_metadata_are_copied(tmp_path: Path):
    source = make(tmp_path / "in.mkv", sound="aac", subtitles=True, frames=20)
    found, notes = write(tmp_path / "out.mkv", frames=20, source=source)
    assert found.subtitles == [("fra", [(0.1, "Bonjour"), (0.3, "Adieu")])]
    assert notes == []
    found, notes = write(tmp_path / "out.mp4", frames=20, source=source)
    assert found.subtitles == []
    assert notes == ["subtitles in srt are left out: mp4 cannot hold them"]
    assert len(found.sound) == 1


def test_part_has_its_own_sound(tmp_path: Path):
    source = make(tmp_path / "in.mkv", sound="flac", subtitles=True, frames=40)
    found, _ = write(tmp_path / "out.mkv", frames=10, source=source, start=0.25, until=0.75)
    given = probe(source).sound[0][2]
    kept = [(time - 0.25, data) for time, data in given if 0.25 <= time < 0.75]
    ((_, _, packets),) = found.sound
    assert [data for _, data in packets] == [data for _, data in kept]
    assert [time for time, _ in packets] == pytest.approx([t for t, _ in kept], abs=0.002)
    assert found.subtitles == [("fra", [(0.05, "Adieu")])]


def test_sound_is_cut_if_the_clip_ends_early(tmp_path: Path):
    source = make(tmp_path / "in.mp4", sound="aac", frames=60)
    found, _ = write(tmp_path / "out.mp4", frames=20, source=source, is_whole=False)
    ((_, _, packets),) = found.sound
    assert packets[-1][0] == pytest.approx(0.95, abs=0.05)


@pytest.mark.parametrize(
    ("name", "codec", "crf", "words"),
    [
        ("a.avi", None, None, "videos can be written as .mp4"),
        ("a", None, None, "no suffix"),
        ("a.mp4", "h246", None, "Did you mean 'h264'"),
        ("a.mp4", "aac", None, "encodes audio"),
        ("a.gif", "h264", None, "have no codec"),
        ("a.webp", None, 20, "have no crf"),
    ],
)
def test_check_target_rejects_invalid_options(
    name: str, codec: str | None, crf: int | None, words: str
):
    with pytest.raises(UserError, match=words):
        check_target(Path(name), codec, crf)


def test_container_without_support_for_codec(tmp_path: Path):
    with pytest.raises(UserError, match="cannot hold libx264"):
        VideoWriter(tmp_path / "a.webm", tmp_path / "a.webm", CLIP, "h264")
