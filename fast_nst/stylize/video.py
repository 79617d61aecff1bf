"""Video files: frames are decoded, painted and encoded at the same time."""

from __future__ import annotations

import contextlib
import functools
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from fast_nst.assets import DEFAULT_MODEL
from fast_nst.errors import UserError
from fast_nst.files import atomic_path, path_of
from fast_nst.models.catalogue import is_name, live_name
from fast_nst.models.model import Model, ModelSource, check_source
from fast_nst.numeric import number, plain, whole
from fast_nst.pictures.read import MAX_PIXELS
from fast_nst.stylize.painting import PaintOptions
from fast_nst.stylize.prefetch import prefetch
from fast_nst.stylize.stream import LAG, Stream, Task
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.videos.clip import Clip, Frame, Reader, Writer
from fast_nst.videos.codecs import check_target
from fast_nst.videos.files import check_pyav, open_reader, open_writer
from fast_nst.videos.rate import at_rate

LIVE = "fast"  # the network for films
_AHEAD = 4  # decoded frames, and paintings, at most
_STEP = 0.02  # of strength, or of a style's weight; too small to be visible
_MAX_RATE = {".gif": 50}  # frames per second; browsers slow down a GIF that has more
OnFrame = Callable[[int, int], bool | None]


@dataclass(frozen=True)
class PaintedVideo:
    """A painted video.

    Attributes:
        frames: Number of frames.
        seconds: Duration.
        size: Width and height of the frames, in px.
        broken: Number of frames that could not be decoded, and repeat the frame before them.
        is_whole: Whether it was painted to its end.
        notes: Messages for the user, on what was not kept.
    """

    frames: int
    seconds: float
    size: tuple[int, int]
    broken: int
    is_whole: bool
    notes: list[str]


class Fade:
    """A linear change of strength and style over a film, in steps too small to be visible.

    Args:
        options: How frames are painted, with the strength of the first frame.
        last: Strength of the last frame.
        first_style: The style at the beginning.
        second_style: The style at the end; None for the same.
        seconds: Time of the last frame; None if it is not known.

    Raises:
        UserError: `last` is out of range, or the two styles do not mix.
    """

    def __init__(
        self,
        options: PaintOptions,
        last: float,
        first_style: Model,
        second_style: Model | None,
        seconds: float | None,
    ) -> None:
        self._first, self._last = options, replace(options, strength=last)
        self._styles = first_style, second_style
        self._seconds = seconds
        steps = abs(last - options.strength) / _STEP
        self._steps = round(steps if second_style is None else max(steps, 1 / _STEP))
        if second_style is not None:
            first_style.blended(second_style, 0.5).network_strength(1.0)
        self.at_step: Callable[[int], tuple[Model, PaintOptions]] = functools.cache(self._at_step)

    def task(self, frame: Frame) -> Task:
        """The task of painting a frame, with the model and options of the next step."""
        step = 0
        if self._steps > 0:
            position = min(float(frame.time) / self._seconds, 1.0) if self._seconds else 1.0
            step = int(position * self._steps + 1e-9)
        return Task(frame, *self.at_step(step), self.at_step(min(step + 1, self._steps)))

    def _at_step(self, step: int) -> tuple[Model, PaintOptions]:
        done = step / self._steps if self._steps else 0.0
        strength = self._first.strength + (self._last.strength - self._first.strength) * done
        first, second = self._styles
        model = first if second is None else first.blended(second, done)
        return model, replace(self._first, strength=round(strength, 6))


def film_models(
    first: Mapping[str, float], second: Mapping[str, float], steady: bool = True
) -> tuple[dict[str, float], dict[str, float]]:
    """Replace styles by their film models, whose network is `LIVE`.

    Args:
        first: A blend: names or files -> weights.
        second: Another blend; may be empty.
        steady: Prefer models trained for temporal consistency.

    Returns:
        Both blends; unchanged if a style has no film model, since the two networks do not mix.

    Raises:
        UserError: There is no such style, or its file cannot be read.
    """
    live = {name: _film_model(name, steady) for name in (*first, *second)}
    if None in live.values():
        return dict(first), dict(second)

    def replaced(blend: Mapping[str, float]) -> dict[str, float]:
        return {live[name] or name: weight for name, weight in blend.items()}

    return replaced(first), replaced(second)


def _film_model(name: str, steady: bool) -> str | None:
    check_source(name)
    found = live_name(name, steady) if not isinstance(name, bytes) and is_name(name) else None
    return found or (name if is_film_model(name) else None)


def is_film_model(name: str) -> bool:
    """Whether the network of a style or file is that of films, `LIVE`.

    Raises:
        UserError: There is no such style, or its file cannot be read.
    """
    return Model.read(name).parts[0].metadata.get("network") == LIVE


def stylize_video(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    style: Stylizer | str | Mapping[str, float] | None = None,
    *,
    strength: float | tuple[float, float] | None = None,
    to: ModelSource | Mapping[str, float] | None = None,
    detail: float = 0.0,
    keep_colors: bool = PaintOptions.keep_colors,
    steady: bool = True,
    size: int | None = None,
    fps: float | Fraction | None = None,
    start: float | Fraction = 0,
    until: float | Fraction | None = None,
    codec: str | None = None,
    crf: int | None = None,
    max_pixels: int = MAX_PIXELS,
    on_progress: OnFrame | None = None,
) -> PaintedVideo:
    """Paint a video, or an animated GIF or WebP, and keep its sound and subtitles.

    Args:
        source: Anything that FFmpeg's libraries read, or an animation.
        target: The file to write: .mp4, .mov, .mkv, .webm, .ts, .gif or .webp. An existing file is
            replaced once the new one is complete.
        style: A style's name, or a blend of names and weights, which are replaced by their film
            models as in `fast-nst video`; a `Stylizer` is used as it is. Default: the package's
            default style.
        strength: As for `Stylizer`, or the strengths of the first and the last frame; default: 1,
            or that of the stylizer.
        to: Another style to fade into over the length of the video.
        detail: As for `Stylizer.stream`.
        keep_colors: As for `Stylizer`.
        steady: Average the network's statistics over the frames of a scene; see `stylize.stream`.
        size: Longer side of the frames, in px; default: that of the video.
        fps: Constant frame rate, in frames per second; default: the video's timestamps are kept.
        start: Start time, in seconds.
        until: End time, in seconds; default: the end of the video.
        codec: h264, hevc, vp9, av1 or another encoder of FFmpeg; default: that of the container.
        crf: Constant rate factor of the codec; lower gives better quality and larger files.
        max_pixels: Maximum pixels of a frame.
        on_progress: Called with the frames done and their total (0 if unknown); if it returns
            true, the video ends there, and is playable.

    Raises:
        UserError: The video cannot be read, painted or written; no file is written then.
    """
    source, target = path_of("source", source), path_of("target", target)
    for each in (style, to):
        if not isinstance(each, Stylizer | Mapping):
            check_source(each)
    for name, value in {"fps": fps, "start": start, "until": until}.items():
        if value is not None:
            number(name, value)
    for name, value in {"size": size, "crf": crf}.items():
        if value is not None:
            whole(name, value)
    if not isinstance(style, Stylizer):
        blend = style if isinstance(style, Mapping) else {style or DEFAULT_MODEL.stem: 1.0}
        second = dict(to) if isinstance(to, Mapping) else {}
        if isinstance(to, str | os.PathLike):
            second = {os.fspath(to): 1.0}
        blend, second = film_models(blend, second, steady)
        style, to = Stylizer(blend, pictures=math.inf), second or to
    if isinstance(strength, tuple) and len(strength) == 2:
        first, last = strength
    else:
        first = last = style.strength if strength is None else strength
    options = PaintOptions(strength=first, detail=detail, keep_colors=keep_colors)
    start, until, fps = plain(start), plain(until), plain(fps)
    begin, end = _exact(start), None if until is None else _exact(until)
    if begin < 0 or (end is not None and end <= begin):
        raise UserError(
            f"the part from {float(begin):g} s until {float(end or 0):g} s is empty: give a start "
            "of at least 0 and a later end"
        )
    if fps is not None and not 0 < fps <= 1000:
        raise UserError(f"fps is {float(fps):g}: it must be above 0 and at most 1000", "fps")
    check_pyav(target)
    check_target(target, codec, crf)
    _check_apart(source, target)
    reader = open_reader(source, size, begin, end, max_pixels)
    try:
        clip, frames = _at_rate(reader, fps, target.suffix.lower())
        seconds = _length(clip)
        if seconds is None and (first != last or to is not None):
            raise UserError(
                f"{str(source)!r} does not state its duration, over which strength or style would "
                "change: give until",
                "until",
            )
        fade = Fade(options, last, style.model, None if to is None else Model.read(to), seconds)
        with atomic_path(target) as temporary:
            writer = open_writer(temporary, target, clip, codec, crf, source, begin, end)
            try:
                stream = Stream(style, steady=steady, workers=LAG)
                return _painted(frames, stream, fade, reader, writer, clip, on_progress)
            finally:
                writer.close()
    finally:
        reader.close()


def _exact(seconds: float | Fraction) -> Fraction:
    """The decimal time that a float stands for, such as 1/10 for 0.1."""
    return Fraction(seconds).limit_denominator(1_000_000)


def _check_apart(source: Path, target: Path) -> None:
    if target.exists() and source.exists() and target.samefile(source):
        raise UserError(f"{str(target)!r} is the input too: give another output")


def _length(clip: Clip) -> float | None:
    """The time of the last frame, in seconds; None if it is unknown."""
    return None if clip.seconds is None else max(clip.seconds - float(1 / clip.rate), 1e-3)


def _at_rate(
    reader: Reader, fps: float | Fraction | None, suffix: str
) -> tuple[Clip, Iterator[Frame]]:
    """The clip and its frames at the frame rate `fps`, or the maximum rate of the format."""
    clip, max_rate = reader.clip, _MAX_RATE.get(suffix)
    rate = None if fps is None else Fraction(fps).limit_denominator(100_000)
    if max_rate is not None and (rate or clip.rate) > max_rate:
        reader.notes.append(f"frame rate reduced to {max_rate}, the maximum of {suffix} files")
        rate = Fraction(max_rate)
    if rate is None:
        return clip, reader.frames()
    return replace(clip, rate=rate, time_base=1 / rate), at_rate(reader.frames(), rate)


def _painted(
    frames: Iterator[Frame],
    stream: Stream,
    fade: Fade,
    reader: Reader,
    writer: Writer,
    clip: Clip,
    on_progress: OnFrame | None,
) -> PaintedVideo:
    """Write paintings while the next frames are decoded and painted."""
    count, end, is_whole = 0, Fraction(0), True
    with (
        contextlib.closing(prefetch(frames, _AHEAD)) as decoded,
        contextlib.closing(prefetch(stream.paint(map(fade.task, decoded)), _AHEAD)) as paintings,
    ):
        for frame in paintings:
            writer.write(frame)
            count += 1
            end = frame.time + (frame.duration or 1 / clip.rate)
            if on_progress is not None and on_progress(count, clip.frames or 0):
                is_whole = False
                break
    writer.finish(is_whole)
    notes = [*reader.notes, *writer.notes]
    return PaintedVideo(
        count, float(end), (clip.width, clip.height), reader.broken, is_whole, notes
    )
