"""What is known of a clip, what a frame is, and what reads and writes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from fast_nst.pictures.edit import Array


@dataclass(frozen=True)
class Colors:
    """How a video says its numbers are to be read; each by FFmpeg's number, 2 for unspecified.

    Attributes:
        matrix: Of Y'CbCr.
        range: 1 is 16 to 235, 2 is 0 to 255, 0 unspecified.
        primaries: Of the colours.
        transfer: From numbers to light.
    """

    matrix: int = 2
    range: int = 0
    primaries: int = 2
    transfer: int = 2


@dataclass(frozen=True)
class Clip:
    """What is known of a clip before its frames are read.

    Attributes:
        width: Of its upright frames, in px.
        height: In px.
        rate: Frames a second, on average.
        time_base: In seconds, of which all its times are multiples.
        seconds: How long it is; None if the file does not tell.
        pixel_aspect: Width of a pixel, in heights.
        colors: What its pixels are made of.
        loop: How often an animation plays; 0 is for ever, None as the format has it.
    """

    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    seconds: float | None = None
    pixel_aspect: Fraction = Fraction(1)
    colors: Colors = field(default_factory=Colors)
    loop: int | None = None

    @property
    def frames(self) -> int | None:
        """How many there are, about."""
        return None if self.seconds is None else max(round(self.seconds * self.rate), 1)


@dataclass(frozen=True)
class Frame:
    """A picture and when it comes.

    Attributes:
        pixels: (H, W, 3) uint8, sRGB. What is shown again is the same array.
        time: In seconds from the clip's start.
        duration: In seconds; 0 if the file does not tell.
        alpha: (H, W) uint8, of animations with transparency.
    """

    pixels: Array
    time: Fraction
    duration: Fraction = Fraction(0)
    alpha: Array | None = None


class Reader(Protocol):
    """A clip that is read.

    Attributes:
        clip: What is known of it.
        notes: Lines that people should read, on what is not kept.
        broken: Frames that could not be decoded so far, in whose place the last good one came.
    """

    clip: Clip
    notes: list[str]
    broken: int

    def frames(self) -> Iterator[Frame]:
        """All frames, in the order of their times, which rise."""

    def close(self) -> None:
        """Let the file go."""


class Writer(Protocol):
    """A clip that is written.

    Attributes:
        notes: Lines that people should read, on what is not kept.
    """

    notes: list[str]

    def write(self, frame: Frame) -> None:
        """The next frame."""

    def finish(self, is_whole: bool = True) -> None:
        """Make the file playable.

        Args:
            is_whole: False of a clip that ends early, whose sound ends with its pictures.
        """

    def close(self) -> None:
        """Let the file go, finished or not."""
