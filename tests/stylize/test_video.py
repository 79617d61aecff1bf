"""Videos from file to file: paintings, fades, and what is left when something goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fast_nst import Stylizer, UserError
from fast_nst.assets import STYLES
from fast_nst.models.model import Model
from fast_nst.stylize import stream, video
from fast_nst.stylize.painting import PaintOptions
from fast_nst.stylize.video import Fade, stylize_video
from fast_nst.videos.clip import Frame
from fast_nst.videos.read import VideoReader
from fast_nst.videos.write import VideoWriter
from tests.videos.clips import RATE, make, moving, noisy, probe

pytestmark = pytest.mark.integration


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make(tmp_path / "in.mp4", sound="aac", frames=20)


@pytest.fixture
def invert(negative: Path) -> Stylizer:
    return Stylizer(negative)


def apart(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first.astype(float) - second).mean())


def test_every_frame_is_painted_at_its_time_with_the_sound(
    clip: Path, invert: Stylizer, tmp_path: Path
):
    told = []
    done = stylize_video(
        clip, tmp_path / "out.mp4", invert, crf=4, on_progress=lambda *numbers: told.append(numbers)
    )
    given, found = probe(clip), probe(tmp_path / "out.mp4")
    assert (done.frames, done.size, done.broken, done.is_whole) == (20, (96, 64), 0, True)
    assert done.seconds == pytest.approx(1.0)
    assert done.notes == []
    assert told == [(n, 20) for n in range(1, 21)]
    assert found.times == given.times
    assert found.sound == given.sound
    for before, after in zip(given.frames, found.frames, strict=True):
        assert apart(255 - before.astype(float), after) < 4


def test_frames_are_what_infer_paints(clip: Path, tmp_path: Path):
    stylize = Stylizer()
    target = tmp_path / "out.mkv"
    stylize_video(clip, target, stylize, codec="ffv1", steady=False)
    pictures = [stylize(frame, detail=0) for frame in probe(clip).frames]
    found = probe(target).frames
    coarse = [_half_the_colors(picture) for picture in pictures]
    assert max(map(apart, coarse, found)) < 1.5
    stylize_video(clip, target, stylize, codec="ffv1")
    steady = probe(target).frames
    assert apart(coarse[0], steady[0]) < 1.5
    assert max(map(apart, coarse, steady)) > 1.5


def test_detail_is_added_when_it_is_asked_for(tmp_path: Path):
    clip = make(tmp_path / "in.mp4", frames=3, picture=noisy)
    stylize, target = Stylizer(), tmp_path / "out.mkv"
    stylize_video(clip, target, stylize, detail=1, codec="ffv1", steady=False)
    plain, detailed = (
        [_half_the_colors(stylize(frame, detail=share)) for frame in probe(clip).frames]
        for share in (0, 1)
    )
    found = probe(target).frames
    assert max(map(apart, detailed, found)) < 1.5
    assert min(map(apart, plain, found)) > 2


def _half_the_colors(pixels: np.ndarray) -> np.ndarray:
    """What 4:2:0 leaves of a picture."""
    import av

    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    small = frame.reformat(format="yuv420p", dst_colorspace="itu601", dst_color_range="MPEG")
    return small.reformat(
        format="rgb24", src_colorspace="itu601", src_color_range="MPEG", dst_color_range="JPEG"
    ).to_ndarray()


def test_a_part_at_another_size_and_rate(clip: Path, invert: Stylizer, tmp_path: Path):
    target = tmp_path / "out.mp4"
    done = stylize_video(clip, target, invert, start=0.25, until=0.75, size=48, fps=10)
    found = probe(target)
    assert found.times == [0, 0.1, 0.2, 0.3, 0.4]
    assert done.size == (48, 32)
    assert apart(255 - probe(clip).frames[5][::2, ::2].astype(float), found.frames[0]) < 12
    assert 0.4 < found.sound[0][2][-1][0] < 0.5


def test_the_fade_is_even_and_its_ends_are_exact():
    model = Model.read("udnie")

    def fade(first: float, last: float, seconds: float | None = 3.0, into: Model | None = None):
        made = Fade(PaintOptions(strength=first, detail=0.2), last, model, into, seconds)
        return lambda time: made.task(Frame(moving(0), Fraction(time)))

    def strength(time: float) -> float:
        return task(time).options.strength

    task = fade(0, 1.2)
    assert strength(0) == 0
    assert strength(3) == strength(5) == 1.2
    found = [strength(Fraction(t, 100)) for t in range(301)]
    assert found == sorted(found)
    assert max(np.diff(found)) <= 0.0201
    assert len(set(found)) == 61
    assert max(abs(s - 1.2 * t / 300) for t, s in enumerate(found)) <= 0.0201
    assert task(1).next[1].strength == pytest.approx(strength(1) + 0.02)
    assert task(1).model == task(1).next[0] == model
    assert task(1).options.detail == 0.2
    assert fade(1, 1, None)(7).options.strength == 1
    assert fade(1.2, 0, 1.0)(1).options.strength == 0
    into = fade(1, 1, into=Model.read("evening"))
    weights = [[part.weight for part in into(t).model.parts] for t in (0, 1.5, 3)]
    assert weights == [[1.0], [0.5, 0.5], [1.0]]
    assert into(3).model == Model.read("evening")


def test_a_video_fades_into_its_painting(clip: Path, tmp_path: Path):
    stylize, target = Stylizer("udnie"), tmp_path / "out.mkv"
    stylize_video(clip, target, stylize, strength=(0, 1), codec="ffv1", steady=False)
    given, found = probe(clip).frames, probe(target).frames
    away = [apart(a, b) for a, b in zip(given, found, strict=True)]
    assert away[0] < 3 < 20 < away[-1]
    last = _half_the_colors(stylize(given[-1], detail=0))
    assert apart(last, found[-1]) < 1.5


def test_a_style_passes_into_another(clip: Path, tmp_path: Path):
    target = tmp_path / "out.mkv"
    stylize_video(clip, target, Stylizer("udnie"), to="great_wave", codec="ffv1", steady=False)
    given, found = probe(clip).frames, probe(target).frames
    first, last = (
        _half_the_colors(Stylizer(name, detail=0)(given[n]))
        for name, n in (("udnie", 0), ("great_wave", -1))
    )
    assert apart(first, found[0]) < 1.5
    assert apart(last, found[-1]) < 2
    assert apart(first, found[-1]) > 10


def test_a_file_without_a_model_for_films_keeps_the_network_of_both(clip: Path, tmp_path: Path):
    to = STYLES / "great_wave.onnx"
    done = stylize_video(clip, tmp_path / "out.mp4", "udnie", to=to, size=48, until=0.1)
    assert done.frames > 1


def test_a_change_over_a_length_that_nobody_knows(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def lengthless(*given: Any) -> Any:
        reader = read(*given)
        reader.clip = video.replace(reader.clip, seconds=None)
        return reader

    read = video.open_reader
    monkeypatch.setattr(video, "open_reader", lengthless)
    with pytest.raises(UserError, match="give until"):
        stylize_video(clip, tmp_path / "out.mp4", Stylizer(), strength=(0, 1))


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animations_in_and_out(invert: Stylizer, tmp_path: Path, suffix: str):
    images = [Image.fromarray(moving(8 * i)) for i in range(5)]
    path = tmp_path / f"in{suffix}"
    images[0].save(path, save_all=True, append_images=images[1:], duration=[100, 50, 50, 200, 100])
    done = stylize_video(path, tmp_path / f"out{suffix}", invert)
    assert (done.frames, done.seconds) == (5, 0.5)
    stylize_video(path, tmp_path / "out.mp4", invert, crf=4)
    found = probe(tmp_path / "out.mp4")
    assert found.times == [0, 0.1, 0.15, 0.2, 0.4]
    assert apart(255 - moving(16).astype(float), found.frames[2]) < 14
    done = stylize_video(tmp_path / "out.mp4", tmp_path / f"again{suffix}", invert)
    assert done.notes == []
    with Image.open(tmp_path / f"again{suffix}") as image:
        assert image.n_frames == 5
        assert apart(np.asarray(image.convert("RGB")), moving(0)) < 14


def test_a_gif_plays_no_faster_than_browsers_do(invert: Stylizer, tmp_path: Path):
    source = make(tmp_path / "in.mp4", times=[i * 25 for i in range(40)])  # 80 a second
    done = stylize_video(source, tmp_path / "out.gif", invert)
    assert done.frames == 25
    assert done.notes == ["frame rate reduced to 50, the maximum of .gif files"]


def test_an_animation_has_no_sound_and_says_so(clip: Path, invert: Stylizer, tmp_path: Path):
    done = stylize_video(clip, tmp_path / "out.webp", invert)
    assert done.notes == ["the sound is left out: .webp files have none"]


def test_what_ends_early_is_playable(clip: Path, invert: Stylizer, tmp_path: Path):
    target = tmp_path / "out.mp4"
    done = stylize_video(clip, target, invert, on_progress=lambda done, total: done == 7)
    found = probe(target)
    assert (done.frames, done.is_whole) == (7, False)
    assert len(found.times) == 7
    assert found.sound[0][2][-1][0] == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("where", ["reading", "painting", "writing", "telling", "finishing"])
def test_what_fails_leaves_no_file_and_no_thread(
    clip: Path, invert: Stylizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
):
    target = tmp_path / "out.mp4"
    target.write_bytes(b"precious")
    before = threading.active_count()

    def after(count: int, method: Callable[..., Any]) -> Callable[..., Any]:
        calls = []

        def failing(*arguments: Any, **named: Any) -> Any:
            calls.append(1)
            if len(calls) > count:
                raise UserError("it broke")
            return method(*arguments, **named)

        return failing

    def tell(done: int, total: int) -> None:
        if where == "telling" and done == 5:
            raise UserError("it broke")

    if where == "reading":
        monkeypatch.setattr(VideoReader, "_rgb", after(5, VideoReader._rgb))
    elif where == "painting":
        monkeypatch.setattr(stream, "finish", after(5, stream.finish))
    elif where == "writing":
        monkeypatch.setattr(VideoWriter, "_converted", after(5, VideoWriter._converted))
    elif where == "finishing":
        monkeypatch.setattr(VideoWriter, "finish", after(0, VideoWriter.finish))
    with pytest.raises(UserError, match="it broke"):
        stylize_video(clip, target, invert, on_progress=tell)
    assert target.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in.mp4",
        "negative.onnx",
        "out.mp4",
    ]
    assert threading.active_count() == before


def test_what_cannot_be_is_refused_before_any_work(clip: Path, invert: Stylizer, tmp_path: Path):
    for words, how in (
        ("is empty", {"start": 2.0, "until": 1.0}),
        ("is empty", {"start": -1.0}),
        ("fps is 0", {"fps": 0}),
        ("strength is 3", {"strength": 3.0}),
        ("no frame that can be read", {"start": 100}),
        ("over 100 pixels", {"max_pixels": 100}),
        ("unknown style", {"to": "no_such_style"}),
        ("unknown codec", {"codec": "none"}),
    ):
        with pytest.raises(UserError, match=words):
            stylize_video(clip, tmp_path / "out.mp4", invert, **how)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="is the input too"):
        stylize_video(clip, clip, invert)
    (tmp_path / "link.mp4").symlink_to(clip)
    with pytest.raises(UserError, match="is the input too"):
        stylize_video(clip, tmp_path / "link.mp4", invert)
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        stylize_video(clip, tmp_path / "folder.mp4", invert)
    assert not list(tmp_path.glob("out*"))
    assert not list(tmp_path.glob(".*"))


def test_damage_is_counted(invert: Stylizer, tmp_path: Path):
    source = make(tmp_path / "in.mp4", frames=40, picture=noisy)
    data = bytearray(source.read_bytes())
    rng = np.random.default_rng(1)
    for place in rng.integers(len(data) // 4, len(data) - 3000, 40):
        data[place] ^= 0xFF
    source.write_bytes(data)
    done = stylize_video(source, tmp_path / "out.mp4", invert)
    assert done.broken > 0
    assert probe(tmp_path / "out.mp4").times == [round(i / RATE, 4) for i in range(40)]


def test_fractions_are_taken_as_rates(clip: Path, invert: Stylizer, tmp_path: Path):
    stylize_video(clip, tmp_path / "out.mkv", invert, fps=Fraction(30000, 1001))
    times = np.array(probe(tmp_path / "out.mkv").times)
    assert times - times[0] == pytest.approx([n * 1001 / 30000 for n in range(30)], abs=0.001)
