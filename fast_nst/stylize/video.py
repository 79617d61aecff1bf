"""Videos, from file to file: frames are decoded, painted and encoded at the same time."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from fast_nst.errors import UserError
from fast_nst.files import written_whole
from fast_nst.models.model import Model
from fast_nst.options import plain
from fast_nst.pictures.read import MOST_PIXELS
from fast_nst.stylize.prefetch import BackgroundWriter, prefetch
from fast_nst.stylize.stream import LAG, Look, Stream, Task
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.videos.clip import Clip, Frame, Reader, Writer
from fast_nst.videos.codecs import check_target
from fast_nst.videos.files import check_pyav, open_reader, open_writer
from fast_nst.videos.rate import at_rate

_WAITING = 4  # frames at most, before the network and behind it
_STEP = 0.02  # of strength, and of a style's share: the difference does not show
_MOST_RATE = {".gif": 50}  # frames a second; browsers slow down a GIF that has more
EachFrame = Callable[[int, int], bool | None]


@dataclass(frozen=True)
class PaintedVideo:
    """A video that was painted.

    Attributes:
        frames: In it.
        seconds: How long it plays.
        size: Width and height of its frames, in px.
        broken: Frames that could not be decoded, in whose place the last good one is.
        is_whole: Whether it was painted to its end.
        notes: Lines that people should read, on what was not kept.
    """

    frames: int
    seconds: float
    size: tuple[int, int]
    broken: int
    is_whole: bool
    notes: list[str]


@dataclass(frozen=True)
class Fade:
    """How a film's look changes, evenly over its length, in steps too small to show.

    Attributes:
        first: Strength at its beginning.
        last: And at its end.
        into: Whether it passes into a second style.
        seconds: Its length up to its last frame; None if it is not known.
    """

    first: float
    last: float
    into: bool
    seconds: float | None

    @property
    def _steps(self) -> int:
        steps = abs(self.last - self.first) / _STEP
        return round(max(steps, 1 / _STEP if self.into else 0))

    def task(self, frame: Frame) -> Task:
        """A frame with its look, and with what comes next."""
        time = float(frame.time)
        return Task(frame.pixels, self.look(time), self.look(time, later=1))

    def look(self, time: float, later: int = 0) -> Look:
        """Of a frame.

        Args:
            time: Of the frame, in seconds.
            later: How many steps on.
        """
        steps = self._steps
        if steps == 0:
            return Look(self.first)
        position = min(time / self.seconds, 1.0) if self.seconds else 1.0
        done = min(int(position * steps + 1e-9) + later, steps) / steps
        strength = self.first + (self.last - self.first) * done
        return Look(round(strength, 6), done if self.into else 0.0)


def stylize_video(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    stylize: Stylizer,
    *,
    strength: float | tuple[float, float] | None = None,
    to: Model | Mapping[str, float] | None = None,
    detail: float = 0.0,
    keep_colors: bool = False,
    steady: bool = True,
    size: int | None = None,
    fps: float | Fraction | None = None,
    start: float | Fraction = 0,
    until: float | Fraction | None = None,
    codec: str | None = None,
    crf: int | None = None,
    max_pixels: int = MOST_PIXELS,
    each: EachFrame | None = None,
) -> PaintedVideo:
    """Paint a video, or an animated GIF or WebP, and keep its sound and subtitles.

    Args:
        source: Anything that FFmpeg's libraries read, or an animation.
        target: Its suffix says what is written: .mp4, .mov, .mkv, .webm, .ts, .gif or .webp. A
            file that is there is replaced once the new one is whole.
        stylize: The style.
        strength: As for `Stylizer`, or that at the beginning and that at the end; default: the
            stylizer's.
        to: Another style, as `Stylizer` takes it, to pass into over the video's length.
        detail: As for `Stylizer.stream`.
        keep_colors: As for `Stylizer`.
        steady: Carry the network's statistics from frame to frame; see `stylize.stream`.
        size: Longer side of the frames, in px; default: the video's own.
        fps: Frames a second; default: each of the video's own, at its time.
        start: Where to begin, in seconds.
        until: Where to end; default: at the end.
        codec: h264, hevc, vp9, av1 or another encoder of FFmpeg's; default: the container's.
        crf: Quality as the codec counts it: less is better, and larger.
        max_pixels: That a frame may have.
        each: Called with the frames done, of how many (0 if that is not known); if it returns true,
            the video ends there, and is playable.

    Raises:
        UserError: It cannot be read, painted or written; there is no new file then.
    """
    source, target = Path(source), Path(target)
    if isinstance(strength, tuple):
        first, last = strength
    else:
        first = last = stylize.strength if strength is None else strength
    start, until, fps = plain(start), plain(until), plain(fps)
    begin, end = _exact(start), None if until is None else _exact(until)
    if begin < 0 or (end is not None and end <= begin):
        raise UserError(
            f"the part from {float(begin):g} s until {float(end or 0):g} s is empty: give times "
            "that rise from 0"
        )
    if fps is not None and not 0 < fps <= 1000:
        raise UserError(f"fps is {float(fps):g}: it must be above 0 and at most 1000")
    check_pyav(target)
    check_target(target, codec, crf)
    _check_apart(source, target)
    reader = open_reader(source, size, begin, end, max_pixels)
    try:
        clip, frames = _at_rate(reader, fps, target.suffix.lower())
        fade = Fade(first, last, to is not None, _length(clip))
        if fade.seconds is None and (first != last or to is not None):
            raise UserError(
                f"{str(source)!r} does not say how long it is, and a change over its length needs "
                "that: give --until"
            )
        with written_whole(target) as temporary:
            writer = open_writer(temporary, target, clip, codec, crf, source, begin, end)
            try:
                painter = stylize.painter(
                    to, keep_colors=keep_colors, steady=steady, workers=LAG, detail=detail
                )
                return _painted(frames, painter, fade, reader, writer, clip, each)
            finally:
                writer.close()
    finally:
        reader.close()


def _exact(seconds: float | Fraction) -> Fraction:
    """The time that is meant by a number, which no binary fraction may be."""
    return Fraction(seconds).limit_denominator(1_000_000)


def _check_apart(source: Path, target: Path) -> None:
    if target.exists() and source.exists() and target.samefile(source):
        raise UserError(f"{str(target)!r} is the input too: give another output")


def _length(clip: Clip) -> float | None:
    """In seconds, up to the last frame."""
    return None if clip.seconds is None else max(clip.seconds - float(1 / clip.rate), 1e-3)


def _at_rate(
    reader: Reader, fps: float | Fraction | None, suffix: str
) -> tuple[Clip, Iterator[Frame]]:
    """The clip with another rate, if one is asked for or the format wants it."""
    clip, most = reader.clip, _MOST_RATE.get(suffix)
    rate = None if fps is None else Fraction(fps).limit_denominator(100_000)
    if most is not None and (rate or clip.rate) > most:
        reader.notes.append(f"{suffix} files play at {most} frames a second at most: so does this")
        rate = Fraction(most)
    if rate is None:
        return clip, reader.frames()
    return replace(clip, rate=rate, time_base=1 / rate), at_rate(reader.frames(), rate)


def _painted(
    frames: Iterator[Frame],
    painter: Stream,
    fade: Fade,
    reader: Reader,
    writer: Writer,
    clip: Clip,
    each: EachFrame | None,
) -> PaintedVideo:
    """Take frames from the reader and hand paintings over to the writer, a thread each."""
    behind = BackgroundWriter(writer.write, _WAITING)
    count, end, is_whole = 0, Fraction(0), True
    try:
        with contextlib.ExitStack() as stack:
            decoded = stack.enter_context(contextlib.closing(prefetch(frames, _WAITING)))
            shown, given = itertools.tee(decoded)
            paintings = stack.enter_context(
                contextlib.closing(painter.paint(fade.task(frame) for frame in given))
            )
            for frame, painting in zip(shown, paintings, strict=True):
                behind.put(replace(frame, pixels=painting))
                count += 1
                end = frame.time + (frame.duration or 1 / clip.rate)
                if each is not None and each(count, clip.frames or 0):
                    is_whole = False
                    break
        behind.finish()
    except BaseException:
        behind.give_up()
        raise
    writer.finish(is_whole)
    notes = [*reader.notes, *writer.notes]
    return PaintedVideo(
        count, float(end), (clip.width, clip.height), reader.broken, is_whole, notes
    )
