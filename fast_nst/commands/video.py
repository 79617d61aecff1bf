"""`fast-nst video`: a video through an exported model, with its sound."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import MISSING, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from fast_nst.assets import DEFAULT_MODEL
from fast_nst.commands.outputs import output_file
from fast_nst.commands.progress import Progress
from fast_nst.commands.shared import (
    blend_of,
    detail_option,
    refuse_existing,
)
from fast_nst.engines.engine import EngineOptions, providers
from fast_nst.errors import FadeWarning, UserError
from fast_nst.options import option, parse_flags, positional
from fast_nst.pictures.read import MAX_PIXELS
from fast_nst.stylize.painting import MAX_STRENGTH, check_strength
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.stylize.video import LIVE, PaintedVideo, film_models, stylize_video
from fast_nst.videos.codecs import ANIMATIONS, CONTAINERS, ENCODERS


@dataclass(kw_only=True)
class VideoOptions(EngineOptions):
    """Options of `fast-nst video`."""

    input: str = positional("video file, GIF or animated WebP", metavar="VIDEO")
    output: str = option(
        "output file: .mp4, .mov, .mkv, .webm, .ts, .gif or .webp; or a folder, ending in / if new",
        MISSING,
        "-o",
        metavar="OUT",
    )
    style: list[str] = option(
        "name of a style or an .onnx file; repeat it to blend styles by their weights, as for "
        "infer; default: " + DEFAULT_MODEL.stem,
        [],
        "-s",
        metavar="NAME[:WEIGHT]",
        repeat=True,
    )
    model: list[str] = option(
        "exported .onnx file to use as a style",
        [],
        "-m",
        metavar="FILE[:WEIGHT]",
        repeat=True,
    )
    to: list[str] = option(
        "style or .onnx file to fade into over the length of the video",
        [],
        metavar="NAME[:WEIGHT]",
        repeat=True,
    )
    strength: str = option(
        "1 is the style as trained, more is stronger, less is weaker, 0 the video itself; 0:1.2 "
        f"changes linearly over the length of the video; at most {MAX_STRENGTH:g}",
        "1",
        metavar="S[:S]",
    )
    detail: float = detail_option(0.0)
    keep_colors: bool = option("keep the video's colors, and paint its lightness", False)
    network: str = option(
        "network of the gallery's styles: fast has the higher frame rate, fine is that of "
        "pictures, which is used too if one of the styles has no fast network",
        LIVE,
        choices=(LIVE, "fine"),
    )
    no_steady: bool = option(
        "paint each frame independently, as infer does, which flickers",
        False,
    )
    size: int | None = option(
        "longer side of the frames, in px; default: the video's own", None, metavar="PX", least=1
    )
    fps: str | None = option(
        "constant frame rate, as 25 or 30000/1001; default: the video's own timestamps",
        None,
        metavar="RATE",
    )
    from_: str | None = option("start time, in seconds or as 1:02:03.5", None, metavar="TIME")
    until: str | None = option("end time", None, metavar="TIME")
    codec: str | None = option(
        f"{', '.join(ENCODERS)} or the name of another encoder of FFmpeg; default: h264, vp9 "
        "for .webm",
        None,
        metavar="NAME",
    )
    crf: int | None = option(
        "constant rate factor of the codec, lower is better and larger; default: "
        + ", ".join(f"{encoder.crf} for {name}" for name, encoder in ENCODERS.items()),
        None,
        metavar="N",
        least=0,
        most=63,
    )
    max_pixels: int = option(
        "reject videos whose frames have more pixels", MAX_PIXELS, metavar="N", least=1
    )
    overwrite: bool = option("replace an existing output file", False)
    json: bool = option("print one JSON object on standard output", False)
    quiet: bool = option("print nothing but errors", False, "-q")

    def __post_init__(self) -> None:
        """Validate the options without reading a file.

        Raises:
            UserError: A value is out of its range.
        """
        super().__post_init__()
        blend_of([*self.style, *self.model, *self.to], "NAME")
        self.strengths, self.part, self.rate  # noqa: B018, they check their values

    @property
    def strengths(self) -> tuple[float, float]:
        """The strengths of the first and the last frame."""
        words = self.strength.split(":")
        try:
            first, last = (float(word) for word in (words * 2 if len(words) == 1 else words))
        except ValueError:
            raise UserError(
                f"--strength is {self.strength}: give one number, or two as 0:1.2"
            ) from None
        for strength in (first, last):
            check_strength(strength)
        return first, last

    @property
    def part(self) -> tuple[Fraction, Fraction | None]:
        """Start and end time, in seconds; None is the end of the video."""
        begin = Fraction(0) if self.from_ is None else seconds_of(self.from_, "--from")
        end = None if self.until is None else seconds_of(self.until, "--until")
        if end is not None and end <= begin:
            raise UserError(f"--until {self.until} is not after --from {self.from_ or 0}")
        return begin, end

    @property
    def rate(self) -> Fraction | None:
        """The constant frame rate, in frames per second; None keeps the video's timestamps."""
        if self.fps is None:
            return None
        try:
            rate = Fraction(self.fps)
        except (ValueError, ZeroDivisionError):
            rate = Fraction(0)
        if not 0 < rate <= 1000:
            raise UserError(
                f"--fps is {self.fps}: it must be a number or a fraction above 0, at most 1000"
            )
        return rate

    @property
    def blends(self) -> tuple[dict[str, float], dict[str, float]]:
        """The styles and their weights, and those of --to."""
        default = [] if self.style or self.model else [DEFAULT_MODEL.stem]
        first = blend_of([*default, *self.style, *self.model], "NAME")
        second = blend_of(self.to, "NAME")
        if self.network != LIVE:
            return first, second
        return film_models(first, second, not self.no_steady)


def seconds_of(text: str, flag: str) -> Fraction:
    """Parse a time to seconds.

    Args:
        text: A time, such as 90, 1:30 or 0:01:30.5.
        flag: Its flag, for the error.

    Raises:
        UserError: The text is not a time.
    """
    total = Fraction(0)
    words = text.split(":")
    try:
        for word in words:
            if not word.strip().replace(".", "", 1).isdecimal():
                raise ValueError(word)
            total = total * 60 + Fraction(word)
    except ValueError:
        words = []
    if not 1 <= len(words) <= 3:
        raise UserError(f"{flag} is {text}: give seconds, or a time as 1:02:03.5")
    return total


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Run `fast-nst video`.

    Returns:
        The exit code: 0, or 130 if Ctrl-C ended the video early.

    Raises:
        UserError: An option is wrong, or the video cannot be read, painted or written.
    """
    available = f"; available: {', '.join(providers())}"
    options = parse_flags(VideoOptions, argv, prog, description, provider=available)
    suffixes = (*CONTAINERS, *ANIMATIONS)
    options.output = output_file(options.output, options.input, suffixes, ".mp4")
    target = Path(options.output)
    if not options.overwrite:
        refuse_existing(target)
    blend, to = options.blends
    stylizer = Stylizer(blend, pictures=math.inf, **options.arguments())
    warnings.simplefilter("ignore", FadeWarning)  # printed below, once
    if any(0 < strength < 1 for strength in options.strengths) and stylizer.unmixable:
        _print_line(f"note: strength below 1 fades pixels: {stylizer.unmixable}", options)
    started = time.perf_counter()
    begin, end = options.part
    with Progress(options.quiet, unit="frame") as progress:
        painted = stylize_video(
            options.input,
            target,
            stylizer,
            strength=options.strengths,
            to=to or None,
            detail=options.detail,
            keep_colors=options.keep_colors,
            steady=not options.no_steady,
            size=options.size,
            fps=options.rate,
            start=begin,
            until=end,
            codec=options.codec,
            crf=options.crf,
            max_pixels=options.max_pixels,
            on_progress=progress.update,
        )
    _report(painted, time.perf_counter() - started, stylizer.engine, options)
    return 0 if painted.is_whole else 130


def _print_line(line: str, options: VideoOptions) -> None:
    if not options.quiet:
        print(line, file=sys.stderr)


def _report(painted: PaintedVideo, seconds: float, engine: str, options: VideoOptions) -> None:
    for note in painted.notes:
        _print_line(f"note: {note}", options)
    if painted.broken:
        _print_line(
            f"note: {painted.broken} frames could not be decoded, and repeat the frame before them",
            options,
        )
    rate = painted.frames / seconds
    if not painted.is_whole:
        _print_line(f"interrupted: wrote the first {painted.seconds:.1f} s", options)
    width, height = painted.size
    _print_line(
        f"{options.input} -> {options.output}  {width}x{height}  {painted.frames} frames, "
        f"{painted.seconds:.1f} s, in {seconds:.1f} s: {rate:.1f} frames per second",
        options,
    )
    if options.json:
        record: dict[str, Any] = {"input": options.input, "output": options.output}
        record |= dataclasses.asdict(painted)
        record |= {"engine": engine, "frames_a_second": round(rate, 2)}
        print(json.dumps(record), flush=True)
