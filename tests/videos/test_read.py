"""Reading videos: orientation, colours, timestamps, damage."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fast_nst.errors import UserError
from fast_nst.videos.clip import Frame
from fast_nst.videos.read import VideoReader, _BrokenFrames, demux
from tests.videos.clips import RATE, TICKS, flat, make, moving, noisy


def reader(
    path: Path,
    size: int | None = None,
    start: float = 0,
    until: float | None = None,
    most: int = 10**9,
) -> VideoReader:
    end = None if until is None else Fraction(until)
    return VideoReader(path, size, Fraction(start), end, most)


def read(path: Path, **how: float) -> tuple[VideoReader, list[Frame]]:
    found = reader(path, **how)  # type: ignore[arg-type]
    return found, list(found.frames())


def test_frames_and_timestamps(tmp_path: Path):
    found, frames = read(make(tmp_path / "a.mp4", frames=10))
    clip = found.clip
    assert (clip.width, clip.height, clip.rate) == (96, 64, RATE)
    assert clip.seconds == pytest.approx(0.5)
    assert clip.frames == 10
    assert [frame.time for frame in frames] == [Fraction(i, RATE) for i in range(10)]
    assert all(frame.duration == Fraction(1, RATE) for frame in frames)
    for number in (0, 9):
        difference = frames[number].pixels.astype(float) - moving(number)
        assert np.abs(difference).mean() < 4
    assert found.broken == 0
    assert found.notes == []


def test_variable_frame_rate(tmp_path: Path):
    times = [0, 100, 150, 400, 410, 900]
    _, frames = read(make(tmp_path / "a.mp4", times=times))
    assert [frame.time for frame in frames] == [Fraction(t, RATE * TICKS) for t in times]


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_is_applied(tmp_path: Path, degrees: int):
    path = make(tmp_path / "a.mp4", frames=2, rotation=degrees, aspect=Fraction(4, 3))
    found, frames = read(path)
    upright = np.rot90(moving(0), degrees // 90)
    assert frames[0].pixels.shape == upright.shape
    assert (found.clip.height, found.clip.width) == upright.shape[:2]
    assert np.abs(frames[0].pixels.astype(float) - upright).mean() < 4
    sideways = degrees in (90, 270)
    assert found.clip.pixel_aspect == (Fraction(3, 4) if sideways else Fraction(4, 3))


def test_flips_are_applied(tmp_path: Path):
    import av

    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", RATE)
        stream.width, stream.height = 96, 64
        stream.set_display_rotation(0, hflip=True)
        stream.options = {"crf": "8"}
        frame = av.VideoFrame.from_ndarray(moving(0))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    _, frames = read(path)
    assert np.abs(frames[0].pixels.astype(float) - moving(0)[:, ::-1]).mean() < 4


@pytest.mark.parametrize("color", [(200, 30, 60), (20, 180, 40), (10, 40, 220)])
@pytest.mark.parametrize(
    ("pixels", "colors"),
    [
        ("yuv420p", None),
        ("yuv420p", (1, 1, 1, 1)),
        ("yuv420p", (6, 2, 6, 6)),
        ("yuv444p", (1, 2, 1, 1)),
        ("yuv420p10le", (6, 1, 6, 6)),
    ],
)
def test_color_conversion(
    tmp_path: Path,
    color: tuple[int, int, int],
    pixels: str,
    colors: tuple[int, int, int, int] | None,
):
    path = tmp_path / "a.mkv"
    make(path, pixels=pixels, colors=colors, picture=flat(color), frames=2, options={"crf": "1"})
    found, frames = read(path)
    assert np.abs(frames[0].pixels.astype(int) - color).max() <= 4
    if colors is not None:
        assert found.clip.colors.matrix == colors[0]
        assert found.clip.colors.range == colors[1]


@pytest.mark.parametrize(
    ("codec", "pixels"), [("ffv1", "gray"), ("png", "rgb24"), ("ffv1", "yuv422p10le")]
)
def test_other_pixel_formats(tmp_path: Path, codec: str, pixels: str):
    grey = (90, 90, 90)
    path = tmp_path / ("a.mov" if codec == "png" else "a.mkv")
    make(path, codec, pixels=pixels, picture=flat(grey), size=(33, 21))
    found, frames = read(path)
    assert found.clip.colors.matrix == 2  # RGB, which the file may say, is none of Y'CbCr
    assert frames[0].pixels.shape == (21, 33, 3)
    assert np.abs(frames[0].pixels.astype(int) - grey).max() <= 2


def test_transparency_is_noted(tmp_path: Path):
    found, _ = read(make(tmp_path / "a.mkv", "ffv1", pixels="yuva420p"))
    assert found.notes == ["the video's transparency is left out"]


def test_a_part_and_a_size(tmp_path: Path):
    path = make(tmp_path / "a.mp4", frames=40, options={"g": "15"})
    found, frames = read(path, start=0.5, until=1.25, size=48)
    assert frames[0].pixels.shape == (32, 48, 3)
    assert [frame.time for frame in frames] == [Fraction(i, RATE) for i in range(15)]
    assert found.clip.seconds == pytest.approx(0.75)
    _, whole = read(path, size=48)
    assert np.array_equal(frames[0].pixels, whole[10].pixels)


def test_damaged_frames_are_repeated(tmp_path: Path):
    path = make(tmp_path / "a.mp4", frames=40, picture=noisy)
    data = bytearray(path.read_bytes())
    begin = len(data) // 4  # behind the first frame, which has no other before it
    rng = np.random.default_rng(1)
    for place in rng.integers(begin, len(data) - 3000, 40):
        data[place] ^= 0xFF
    path.write_bytes(data)
    found, frames = read(path)
    assert found.broken > 0
    assert [frame.time for frame in frames] == [Fraction(i, RATE) for i in range(40)]
    same = [a.pixels is b.pixels for a, b in itertools.pairwise(frames)]
    assert 0 < sum(same) <= found.broken


def test_broken_frames_are_known_by_timestamp():
    broken = _BrokenFrames()
    for time in (0, 3, 1, 2, 5, 4):  # as packets come, with frames that refer to later ones
        broken.sent(Fraction(time))
    assert broken.before(Fraction(0)) == []
    assert broken.before(Fraction(2)) == []  # 1 came to nothing without an error: it was no frame
    broken.count = 2
    assert broken.before(Fraction(4)) == [3]
    assert broken.before(Fraction(9)) == [5]
    broken.sent(Fraction(10))
    assert broken.before(Fraction(11)) == []  # both errors are accounted for


def test_missing_last_frames(tmp_path: Path):
    path = make(tmp_path / "a.mp4", frames=40, picture=noisy, options={"bf": "0", "g": "1"})
    data = bytearray(path.read_bytes())
    last = data.rfind(b"mdat") if data.rfind(b"moov") < data.rfind(b"mdat") else data.rfind(b"moov")
    data[last - 8000 : last - 100] = bytes(7900)
    path.write_bytes(data)
    found, frames = read(path)
    assert found.broken > 0
    assert [frame.time for frame in frames] == [Fraction(i, RATE) for i in range(40)]
    assert frames[-1].pixels is frames[-2].pixels


def test_truncated_file(tmp_path: Path):
    path = make(tmp_path / "a.mkv", frames=40, picture=noisy, sound="aac")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    _, frames = read(path)
    assert 5 < len(frames) < 40


def test_streams_that_start_later_are_skipped():
    """PyAV's iterator raises at their packets, and a new one continues after them."""

    class Container:
        def __init__(self) -> None:
            self.packets = iter([1, 2, None, 3, None, None, 4])

        def demux(self, *streams: object) -> Iterator[int]:
            for packet in self.packets:
                if packet is None:
                    raise IndexError
                yield packet

    assert list(demux(Container())) == [1, 2, 3, 4]  # type: ignore[arg-type]


def test_invalid_videos(tmp_path: Path):
    (tmp_path / "text.mp4").write_text("no video" * 100)
    (tmp_path / "empty.mp4").touch()
    make(tmp_path / "good.mp4")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n")
    for name, words in (
        ("text.mp4", "is not a video that can be read"),
        ("empty.mp4", "is not a video that can be read"),
        ("none.mp4", "check the name"),
        ("list.m3u8", "is not a video that can be read"),
        (".", "is a folder"),
    ):
        with pytest.raises(UserError, match=words):
            reader(tmp_path / name)
    with pytest.raises(UserError, match="no frame that can be read from 9 s on"):
        reader(tmp_path / "good.mp4", start=9)
    with pytest.raises(UserError, match="over 6,000 pixels"):
        reader(tmp_path / "good.mp4", most=6000)
    assert reader(tmp_path / "good.mp4", most=6144)


def test_audio_only_file_is_rejected(tmp_path: Path):
    import av

    with av.open(str(tmp_path / "a.m4a"), "w", format="mp4") as container:
        stream = container.add_stream("aac", 48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp")
        frame.rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(UserError, match="no moving pictures"):
        reader(tmp_path / "a.m4a")
