"""Reading and writing GIF and animated WebP."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from fast_nst.errors import UserError
from fast_nst.videos import animation
from fast_nst.videos.animation import AnimationReader, AnimationWriter
from fast_nst.videos.clip import Clip, Frame
from tests.videos.clips import moving


def pictures(count: int, alpha: bool = False) -> list[Image.Image]:
    images = [Image.fromarray(moving(8 * i, 48, 32)) for i in range(count)]
    for number, image in enumerate(images if alpha else []):
        hole = np.full((32, 48), 255, np.uint8)
        hole[:, 4 * number : 4 * number + 8] = 0
        image.putalpha(Image.fromarray(hole))
    return images


def save(path: Path, images: list[Image.Image], durations: list[int], **options: object) -> Path:
    images[0].save(path, save_all=True, append_images=images[1:], duration=durations, **options)
    return path


def read(path: Path, **how: object) -> tuple[AnimationReader, list[Frame]]:
    given = {"size": None, "start": Fraction(0), "until": None, "max_pixels": 10**9, **how}
    with contextlib.closing(AnimationReader(path, **given)) as reader:  # type: ignore[arg-type]
        return reader, list(reader.frames())


def write(path: Path, frames: list[Frame], **clip: object) -> list[Image.Image]:
    given = {"width": 48, "height": 32, "rate": Fraction(10), "time_base": Fraction(1, 1000)}
    writer = AnimationWriter(path, path, Clip(**{**given, **clip}))  # type: ignore[arg-type]
    for frame in frames:
        writer.write(frame)
    writer.finish()
    with Image.open(path) as image:
        return [frame.copy() for frame in ImageSequence.Iterator(image)]


def durations(path: Path) -> list[int]:
    found = []
    with Image.open(path) as image:
        for frame in ImageSequence.Iterator(image):
            frame.load()
            found.append(frame.info["duration"])
    return found


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_frames_and_durations_are_read(tmp_path: Path, suffix: str):
    path = save(tmp_path / f"a{suffix}", pictures(4), [100, 40, 250, 60], loop=3)
    reader, frames = read(path)
    assert (reader.clip.width, reader.clip.height) == (48, 32)
    assert reader.clip.seconds == pytest.approx(0.45)
    assert reader.clip.frames == 4
    assert reader.clip.loop == 3
    assert [1000 * frame.time for frame in frames] == [0, 100, 140, 390]
    assert frames[-1].duration == Fraction(60, 1000)
    assert np.abs(frames[2].pixels.astype(float) - moving(16, 48, 32)).mean() < 12


def test_default_frame_duration(tmp_path: Path):
    _, frames = read(save(tmp_path / "a.gif", pictures(3), [0, 10, 20]))
    assert [frame.duration for frame in frames] == [Fraction(n, 1000) for n in (100, 100, 20)]


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_frames_and_durations_are_written(tmp_path: Path, suffix: str):
    path = tmp_path / f"a{suffix}"
    times = [Fraction(0), Fraction(1, 10), Fraction(17, 100), Fraction(4, 10)]
    frames = [Frame(moving(8 * i, 48, 32), time) for i, time in enumerate(times)]
    found = write(path, frames, loop=2)
    assert durations(path) == [100, 70, 230, 100]
    pixels = np.asarray(found[2].convert("RGB"), float)
    assert np.abs(pixels - moving(16, 48, 32)).mean() < 12
    assert read(path)[0].clip.loop == 2


def test_gif_durations_do_not_drift(tmp_path: Path):
    times = [Fraction(i, 30) for i in range(31)]
    path = tmp_path / "a.gif"
    write(
        path,
        [Frame(moving(8 * i, 48, 32), time) for i, time in enumerate(times)],
        rate=Fraction(30),
    )
    assert set(durations(path)) == {30, 40}
    assert sum(durations(path)) == pytest.approx(1033, abs=5)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_transparency_is_kept(tmp_path: Path, suffix: str):
    path = save(tmp_path / f"a{suffix}", pictures(3, alpha=True), [100] * 3, disposal=2)
    _, frames = read(path)
    for number, frame in enumerate(frames):
        assert frame.alpha is not None
        assert frame.alpha[:, 4 * number : 4 * number + 8].max() == 0
        assert frame.alpha.mean() == pytest.approx(255 * 40 / 48, abs=1)
    again = tmp_path / f"b{suffix}"
    write(again, frames)
    for before, after in zip(frames, read(again)[1], strict=True):
        assert after.alpha is not None
        assert np.array_equal(before.alpha, after.alpha)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
@pytest.mark.parametrize("opaque", [{0}, {2}, {0, 1}, {3}])
def test_opaque_and_transparent_frames(tmp_path: Path, suffix: str, opaque: set[int]):
    frames = []
    for number in range(4):
        alpha = np.full((32, 48), 255, np.uint8)
        alpha[:, 10 * number : 10 * number + 8] = 0
        pixels = np.full((32, 48, 3), (60 * number, 200 - 40 * number, 90), np.uint8)
        clear = None if number in opaque else alpha
        frames.append(Frame(pixels, Fraction(number, 10), Fraction(1, 10), clear))
    path = tmp_path / f"a{suffix}"
    write(path, frames)
    for before, after in zip(frames, read(path)[1], strict=True):
        if before.alpha is None:
            assert after.alpha is None
            visible = np.ones((32, 48), bool)
        else:
            assert after.alpha is not None
            assert np.array_equal(before.alpha, after.alpha)
            visible = before.alpha > 0
        away = np.abs(before.pixels.astype(float) - after.pixels)[visible]
        assert away.mean() < 4


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_part_starts_with_frame_on_screen(tmp_path: Path, suffix: str):
    path = save(tmp_path / f"a{suffix}", pictures(3), [100, 3000, 100])
    reader, frames = read(path, start=Fraction(1), until=Fraction(2))
    assert [(frame.time, frame.duration) for frame in frames] == [(0, 1)]
    assert np.abs(frames[0].pixels.astype(float) - moving(8, 48, 32)).mean() < 12
    assert reader.clip.seconds == 1


def test_a_part_and_a_size(tmp_path: Path):
    path = save(tmp_path / "a.gif", pictures(10), [100] * 10)
    reader, frames = read(path, start=Fraction(3, 10), until=Fraction(7, 10), size=24)
    assert [frame.time for frame in frames] == [Fraction(i, 10) for i in range(4)]
    assert frames[0].pixels.shape == (16, 24, 3)
    assert reader.clip.seconds == pytest.approx(0.4)
    with pytest.raises(UserError, match="no frame that can be read from 9 s on"):
        read(path, start=Fraction(9))
    with pytest.raises(UserError, match="over 1,000 pixels"):
        read(path, max_pixels=1000)


def test_invalid_animations(tmp_path: Path):
    (tmp_path / "a.gif").write_text("no")
    with pytest.raises(UserError, match="is not an animation"):
        read(tmp_path / "a.gif")
    with pytest.raises(UserError, match="check the name"):
        read(tmp_path / "b.gif")
    path = save(tmp_path / "huge.webp", pictures(2), [100] * 2)
    data = bytearray(path.read_bytes())
    place = data.find(b"VP8X") + 12
    data[place : place + 6] = b"\xff\xff\0\xff\xff\0"  # 65,536 pixels each way
    path.write_bytes(data)
    with pytest.raises(UserError, match="pixels, more than an animation may have: scale it down"):
        read(path)
    path = save(tmp_path / "c.gif", pictures(8), [100] * 8)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    reader, frames = read(path)
    assert 1 <= len(frames) < 8
    assert len(reader.notes) == 1
    assert "damaged" in reader.notes[0]


def test_too_many_frames_for_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(animation, "_MAX_PIXELS", 4000)
    with pytest.raises(UserError, match="held in memory"):
        write(tmp_path / "a.gif", [Frame(moving(i, 48, 32), Fraction(i, 10)) for i in range(3)])
