"""Makes small clips with all that real ones have, and probes files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

TICKS = 100  # a frame
RATE = 20
SOUND_RATE = 48_000


def moving(number: int, width: int = 96, height: int = 64) -> np.ndarray:
    """A smooth picture that moves by a pixel a frame, its corners of different colours."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    x = x + number
    planes = (128 + 100 * np.sin(x / 9), 128 + 100 * np.cos(y / 7), 255 * y / height)
    return np.stack(planes, axis=-1).round().clip(0, 255).astype(np.uint8)


def noisy(number: int, width: int, height: int) -> np.ndarray:
    """A moving picture with so much noise that its file is large."""
    grain = np.random.default_rng(number).normal(0, 12, (height, width, 3))
    return (moving(number, width, height) + grain).round().clip(0, 255).astype(np.uint8)


def flat(color: tuple[int, int, int]) -> Callable[[int, int, int], np.ndarray]:
    """A picture of one colour."""

    def picture(number: int, width: int, height: int) -> np.ndarray:
        return np.full((height, width, 3), color, np.uint8)

    return picture


def make(
    path: Path,
    codec: str = "libx264",
    *,
    frames: int = 12,
    size: tuple[int, int] = (96, 64),
    pixels: str = "yuv420p",
    picture: Callable[[int, int, int], np.ndarray] = moving,
    times: Sequence[int] | None = None,
    sound: str | None = None,
    subtitles: bool = False,
    rotation: float | None = None,
    aspect: Fraction | None = None,
    colors: tuple[int, int, int, int] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a clip of `RATE` frames a second.

    Args:
        path: Its suffix says the container.
        codec: Of the pictures.
        frames: How many, evenly; see `times`.
        size: Width and height.
        pixels: FFmpeg's pixel format.
        picture: Of a frame's number, width and height.
        times: In `TICKS`, of a frame each.
        sound: Codec of a tone, in stereo.
        subtitles: Two of them, as SubRip.
        rotation: In degrees, against the clock, that players turn it by.
        aspect: Of a pixel.
        colors: Matrix, range, primaries and transfer, in FFmpeg's numbers.
        options: Of the codec.
    """
    time_base = Fraction(1, RATE * TICKS)
    with av.open(str(path), "w") as container:
        # Its macroblock tree is another each time, and damage would lie elsewhere.
        same = {"crf": "8", "x264-params": "no-mbtree=1"}
        fine = same if codec == "libx264" else {}
        stream: Any = container.add_stream(codec, RATE, options={**fine, **(options or {})})
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.time_base = stream.codec_context.time_base = time_base
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if colors is not None:
            context = stream.codec_context
            context.colorspace, context.color_range = colors[:2]
            context.color_primaries, context.color_trc = colors[2:]
        if rotation is not None:
            stream.set_display_rotation(rotation)
        tone: Any = container.add_stream(sound, SOUND_RATE) if sound else None
        titles: Any = container.add_mux_stream("subrip") if subtitles else None
        if tone is not None:
            tone.metadata["language"] = "deu"
        if titles is not None:
            titles.time_base = Fraction(1, 1000)
            titles.metadata["language"] = "fra"
        for number, time in enumerate(times or [i * TICKS for i in range(frames)]):
            given = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")
            if pixels != "rgb24":
                matrix = "itu709" if colors is not None and colors[0] == 1 else "itu601"
                full = colors is not None and colors[1] == 2
                given = given.reformat(
                    format=pixels,
                    dst_colorspace=matrix,
                    dst_color_range="JPEG" if full else "MPEG",
                    threads=1,
                )
            given.pts, given.time_base = time, time_base
            container.mux(stream.encode(given))
        container.mux(stream.encode(None))
        if tone is not None:
            _sing(container, tone, (times[-1] / TICKS if times else frames) / RATE)
        if titles is not None:
            for start, text in ((100, "Bonjour"), (300, "Adieu")):
                packet: Any = av.Packet(text.encode())
                packet.stream, packet.time_base = titles, Fraction(1, 1000)
                packet.pts = packet.dts = start
                packet.duration = 150
                container.mux(packet)
    return path


def _sing(container: Any, stream: Any, seconds: float) -> None:
    for first in range(0, round(seconds * SOUND_RATE), 1024):
        wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(first, first + 1024) / SOUND_RATE)
        frame = av.AudioFrame.from_ndarray(
            np.stack([wave, wave]).astype(np.float32), format="fltp", layout="stereo"
        )
        frame.rate, frame.pts, frame.time_base = SOUND_RATE, first, Fraction(1, SOUND_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@dataclass(frozen=True)
class Found:
    """What is in a file.

    Attributes:
        video: Codec, pixel format, width and height.
        times: Of the frames, in seconds.
        frames: (H, W, 3) uint8.
        colors: Matrix, range, primaries and transfer, in FFmpeg's numbers.
        aspect: Of a pixel.
        rotation: In degrees.
        sound: Codec, language and packets of each track, as (time, bytes).
        subtitles: Language and (time, text) of each track.
        metadata: Of the file.
    """

    video: tuple[str, str, int, int]
    times: list[float]
    frames: list[np.ndarray]
    colors: tuple[int, int, int, int]
    aspect: Fraction | None
    rotation: int
    sound: list[tuple[str, str | None, list[tuple[float, bytes]]]]
    subtitles: list[tuple[str | None, list[tuple[float, str]]]]
    metadata: dict[str, str]


def probe(path: Path) -> Found:
    """Read a whole file."""
    with av.open(str(path)) as container:
        stream: Any = container.streams.video[0]
        decoded = list(container.decode(stream))
        first, context = decoded[0], stream.codec_context
        colors = (first.colorspace, first.color_range, context.color_primaries, context.color_trc)
        found = {
            "video": (context.name, first.format.name, first.width, first.height),
            "times": [round(float(frame.time), 4) for frame in decoded],
            "frames": [_rgb(frame) for frame in decoded],
            "colors": tuple(map(int, colors)),
            "aspect": stream.sample_aspect_ratio,
            "rotation": first.rotation,
            "metadata": dict(container.metadata),
        }
    found["sound"] = _tracks(path, "audio")
    titles = _tracks(path, "subtitle")
    found["subtitles"] = [
        (language, [(time, data.decode()) for time, data in packets])
        for _, language, packets in titles
    ]
    return Found(**found)  # type: ignore[arg-type]


def _rgb(frame: Any) -> np.ndarray:
    matrix = "itu709" if frame.colorspace == 1 else "itu601"
    full = frame.color_range == 2 or frame.format.name.startswith("yuvj")
    return frame.reformat(
        format="rgb24",
        src_colorspace=matrix,
        src_color_range="JPEG" if full else "MPEG",
        dst_color_range="JPEG",
        threads=1,
    ).to_ndarray()


def _tracks(path: Path, kind: str) -> list[tuple[str, str | None, list[tuple[float, bytes]]]]:
    with av.open(str(path)) as container:
        found: Any = [stream for stream in container.streams if stream.type == kind]
        told = [(s.index, s.codec_context.name, s.language) for s in found]
    return [(name, language, _packets(path, index)) for index, name, language in told]


def _packets(path: Path, index: int) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        packets = container.demux(container.streams[index])
        return [
            (round(float(p.pts * p.time_base), 4), bytes(p)) for p in packets if p.pts is not None
        ]
