"""Types shared by readers and writers of videos and animations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from fast_nst.errors import UserError
from fast_nst.pictures.edit import Array, scaled_size


@dataclass(frozen=True)
class Colors:
    """A video's colour properties as FFmpeg's numbers; 2 is unspecified, but for `range`.

    Attributes:
        matrix: Y'CbCr matrix coefficients.
        range: 1 is limited (16 to 235), 2 is full (0 to 255), 0 is unspecified.
        primaries: Colour primaries.
        transfer: Transfer characteristics.
    """

    matrix: int = 2
    range: int = 0
    primaries: int = 2
    transfer: int = 2


@dataclass(frozen=True)
class Clip:
    """Properties of a video or animation, known before its frames are read.

    Attributes:
        width: Width of the upright frames, in px.
        height: Height of the upright frames, in px.
        rate: Average frame rate, in frames per second.
        time_base: Unit of the timestamps, in seconds.
        seconds: Duration; None if the file does not state it.
        pixel_aspect: Sample aspect ratio, width over height of a pixel.
        colors: Colour properties.
        loop: How often an animation plays; 0 is forever, None the format's default.
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
        """The approximate number of frames; None if the duration is unknown."""
        return None if self.seconds is None else max(round(self.seconds * self.rate), 1)


@dataclass(frozen=True)
class Frame:
    """A frame with its timestamp.

    Attributes:
        pixels: (H, W, 3) uint8, sRGB; a repeated frame has the same array.
        time: Presentation time, in seconds from the clip's start.
        duration: In seconds; 0 if the file does not state it.
        alpha: (H, W) uint8; None for opaque frames.
    """

    pixels: Array
    time: Fraction
    duration: Fraction = Fraction(0)
    alpha: Array | None = None


class Reader(Protocol):
    """Reads a clip.

    Attributes:
        clip: Its properties.
        notes: Messages for the user on what is lost.
        broken: Number of undecodable frames so far, each replaced by the last good one.
    """

    clip: Clip
    notes: list[str]
    broken: int

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in presentation order, with increasing timestamps."""

    def close(self) -> None:
        """Close the file."""


class Writer(Protocol):
    """Writes a clip.

    Attributes:
        notes: Messages for the user on what is lost.
    """

    notes: list[str]

    def write(self, frame: Frame) -> None:
        """Write the next frame."""

    def finish(self, is_complete: bool = True) -> None:
        """Complete the file.

        Args:
            is_complete: False if the clip ends early; its sound is then cut after the last frame.
        """

    def close(self) -> None:
        """Close the file, finished or not."""


def scaled_frame_size(
    size: tuple[int, int], longer: int | None, max_pixels: int, name: str
) -> tuple[int, int]:
    """Width and height of frames after resizing, in px.

    Args:
        size: Width and height in the file.
        longer: Longer side to resize to; default: keep the size.
        max_pixels: Largest number of pixels in a resized frame.
        name: The file's name in the error.

    Raises:
        UserError: The resized frames exceed `max_pixels`.
    """
    width, height = size if longer is None else scaled_size(size, longer / max(size))
    if width * height > max_pixels:
        raise UserError(
            f"{name} has frames of {width}x{height}, over {max_pixels:,} pixels: choose a smaller "
            "size or raise max_pixels",
            "size",
            "max_pixels",
        )
    return width, height
