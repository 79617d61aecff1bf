"""Recordings of 25 frames a second, with sound whose times can be changed before it is written."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

FRAMES_A_SECOND = 25
PICTURES, SOUND = 0xE0, 0xC0  # what their packets in a transport stream begin with
_BLOCK = 1024  # samples


def record(
    path: Path,
    codec: str = "libx264",
    sound: str | None = "aac",
    *,
    container: str | None = None,
    frames: int = 50,
    begin: float = 0,
    keyframes: int = 10,
    sound_rate: int = 48_000,
    change: Callable[[list[Any]], None] | None = None,
) -> Path:
    """Write a recording of frames of one grey each, which is lighter from frame to frame.

    Args:
        path: The file.
        codec: Of the pictures.
        sound: Of a tone, in mono.
        container: FFmpeg's name; default: by the suffix.
        frames: How many.
        begin: Time of the first, in seconds.
        keyframes: From one to the next, in frames.
        sound_rate: Samples a second.
        change: Given the packets of sound, which are written where they were meant to be.
    """
    with av.open(str(path), "w", format=container) as out:
        pictures: Any = out.add_stream(
            codec, FRAMES_A_SECOND, options={"g": str(keyframes), "crf": "8"}
        )
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        tone: Any = out.add_stream(sound, sound_rate) if sound else None
        if tone is not None:
            tone.layout = "mono"
        seen: list[Any] = []
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(grey(number), format="rgb24")
            frame.time_base = Fraction(1, FRAMES_A_SECOND)
            frame.pts = number + round(begin * FRAMES_A_SECOND)
            seen += pictures.encode(frame)
        seen += pictures.encode(None)
        heard = _tone(tone, frames / FRAMES_A_SECOND, begin, sound_rate) if sound else []
        packets = [(packet.dts * Fraction(packet.time_base), packet) for packet in seen + heard]
        if change is not None:
            change(heard)
        for _, packet in sorted(packets, key=lambda timed: timed[0]):
            out.mux(packet)
    return path


def _tone(stream: Any, seconds: float, begin: float, rate: int) -> list[Any]:
    packets: list[Any] = []
    for first in range(0, round(seconds * rate), _BLOCK):
        wave = 8000 * np.sin(np.arange(first, first + _BLOCK) * 2 * np.pi * 440 / rate)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = first + round(begin * rate)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def grey(number: int) -> np.ndarray:
    """The picture of a frame: (48, 64, 3) uint8."""
    return np.full((48, 64, 3), 20 + 4 * (number % 50), np.uint8)


def number_of(pixels: np.ndarray) -> int:
    """Of a frame, from its picture."""
    return round((float(pixels.mean()) - 20) / 4)


def joined(path: Path, *parts: Path) -> Path:
    """Files one behind the other in a file, as `cat` puts them."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def shift_one_time(path: Path, stream: int, number: int, seconds: float) -> None:
    """Make one of the times in a transport stream wrong.

    Args:
        path: The file.
        stream: `PICTURES` or `SOUND`.
        number: Of the packet.
        seconds: That are added.
    """
    data = bytearray(path.read_bytes())
    at = -1
    for _ in range(number + 1):
        at = data.index(bytes((0, 0, 1, stream)), at + 1)
    for place in (at + 9, at + 14) if data[at + 7] & 0x40 else (at + 9,):
        a, b, c, d, e = data[place : place + 5]
        time = (a >> 1 & 7) << 30 | b << 22 | c >> 1 << 15 | d << 7 | e >> 1
        time += round(seconds * 90_000)
        data[place : place + 5] = (
            a & 0xF1 | time >> 29 & 0xE,
            time >> 22 & 0xFF,
            time >> 14 & 0xFE | 1,
            time >> 7 & 0xFF,
            time << 1 & 0xFE | 1,
        )
    path.write_bytes(data)
