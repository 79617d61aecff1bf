"""Reading and writing GIF and animated WebP files with Pillow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageSequence

from fast_nst.errors import UserError, one_line
from fast_nst.pictures.edit import Array, from_array, resize, to_array
from fast_nst.pictures.exif import DECODING_ERRORS
from fast_nst.pictures.read import INPUT_FORMATS
from fast_nst.videos.clip import Clip, Frame, scaled_frame_size
from fast_nst.videos.codecs import ANIMATIONS
from fast_nst.videos.gif import composite, parse

_MILLISECOND = Fraction(1, 1000)
_MIN_DURATION = 11  # ms; browsers show shorter frames for the default duration
_DEFAULT_DURATION = 100  # ms
_QUALITY = 90  # of WebP
_MAX_PIXELS = 400_000_000  # in all frames together, 1.2 GB


class AnimationReader:
    """Reads an animation, or a part of it.

    Args:
        path: The file.
        size: Longer side of the frames, in px; default: the animation's own.
        start: Start of the part, in seconds.
        until: End of the part, in seconds; default: the end of the animation.
        max_pixels: Largest number of pixels in a frame.

    Raises:
        UserError: The file is missing, damaged or no animation, has no frame in that part, or its
            frames exceed `max_pixels`.
    """

    def __init__(
        self,
        path: Path,
        size: int | None,
        start: Fraction,
        until: Fraction | None,
        max_pixels: int,
    ) -> None:
        self.notes: list[str] = []
        self.broken = 0
        self._name = repr(str(path))
        self._start, self._until = start, until
        try:
            self._image = Image.open(path, formats=INPUT_FORMATS)
            self._gif = parse(path.read_bytes()) if self._image.format == "GIF" else None
        except FileNotFoundError:
            raise UserError(f"no file {self._name}: check the name") from None
        except Image.DecompressionBombError as error:
            limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
            raise UserError(
                f"{self._name} has frames of over {limit:,} pixels, more than an animation "
                "may have: scale it down first"
            ) from error
        except DECODING_ERRORS as error:
            raise UserError(
                f"{self._name} is not an animation that can be read, or a damaged one: give a GIF, "
                "an animated WebP, or a video"
            ) from error
        try:
            self.clip: Clip = self._clip(size, max_pixels)
        except BaseException:
            self.close()
            raise

    def _clip(self, size: int | None, max_pixels: int) -> Clip:
        width, height = scaled_frame_size(self._image.size, size, max_pixels, self._name)
        durations = self._durations()
        total = sum(durations, Fraction(0))
        rate = Fraction(len(durations)) / total if total else Fraction(10)
        end = total if self._until is None else min(total, self._until)
        if end <= self._start:
            raise UserError(
                f"{self._name} has no frame that can be read from {float(self._start):g} s on"
            )
        loop = self._image.info.get("loop")
        return Clip(width, height, rate, _MILLISECOND, float(end - self._start), loop=loop)

    def _durations(self) -> list[Fraction]:
        if self._gif is not None:
            return [_duration(frame.milliseconds) for frame in self._gif.frames]
        durations = []
        with contextlib.suppress(*DECODING_ERRORS):  # `frames` reports damage
            for image in ImageSequence.Iterator(self._image):
                image.load()  # sets the duration of a WebP's frame
                durations.append(_duration(image.info.get("duration", 0)))
        return durations

    def frames(self) -> Iterator[Frame]:
        """Yield the frames with increasing timestamps, first the one on screen at the start."""
        begin = Fraction(0)
        try:
            for image, duration in self._images():
                end = begin + duration
                if self._until is not None and begin >= self._until:
                    return
                if end > self._start:
                    shown_from = max(begin, self._start)
                    shown_until = end if self._until is None else min(end, self._until)
                    time = shown_from - self._start
                    yield self._frame(image, time, shown_until - shown_from)
                begin = end
            if self._gif is not None and not self._gif.is_complete:
                self.notes.append("the file is damaged and ends early: it is truncated")
        except DECODING_ERRORS as error:
            self.notes.append(f"the file is damaged and ends early: {one_line(error)}")

    def _images(self) -> Iterator[tuple[Image.Image, Fraction]]:
        """Yield what is on screen, and for how long in seconds."""
        if self._gif is not None:
            for frame, pixels in zip(self._gif.frames, composite(self._gif), strict=True):
                yield Image.fromarray(pixels), _duration(frame.milliseconds)
            return
        for image in ImageSequence.Iterator(self._image):
            image.load()
            yield image, _duration(image.info.get("duration", 0))

    def _frame(self, image: Image.Image, time: Fraction, duration: Fraction) -> Frame:
        size = (self.clip.width, self.clip.height)
        if not image.has_transparency_data:
            return Frame(to_array(resize(image.convert("RGB"), size)), time, duration)
        rgba = resize(image.convert("RGBA"), size)
        alpha = np.asarray(rgba.getchannel("A"))
        pixels = to_array(rgba)
        pixels[alpha == 0] = 255  # transparent pixels have no colour of their own
        return Frame(pixels, time, duration, None if alpha.min() == 255 else alpha)

    def close(self) -> None:
        """Close the file."""
        self._image.close()


def _duration(milliseconds: float) -> Fraction:
    """How long browsers show a frame, in seconds."""
    is_valid = milliseconds >= _MIN_DURATION
    return Fraction(milliseconds if is_valid else _DEFAULT_DURATION) * _MILLISECOND


def on_white(pixels: Array, alpha: Array) -> Array:
    """Composite (H, W, 3) uint8 with (H, W) uint8 of alpha onto white."""
    opacity = alpha[..., None].astype(np.float32) / 255
    return np.rint(255 + opacity * (pixels.astype(np.float32) - 255)).astype(np.uint8)


class AnimationWriter:
    """Writes a GIF or WebP file; holds all frames in memory, since Pillow writes them at once.

    Args:
        path: Temporary path to write to.
        name: Final path, whose suffix selects the format.
        clip: Properties of the animation.
    """

    def __init__(self, path: Path, name: Path, clip: Clip) -> None:
        self.notes: list[str] = []
        self._name = repr(str(name))
        self._path = path
        self._format = ANIMATIONS[name.suffix.lower()]
        self._clip = clip
        self._images: list[Image.Image] = []
        self._last: Frame | None = None
        self._pixels = 0

    def write(self, frame: Frame) -> None:
        """Add a frame.

        Raises:
            UserError: The frames exceed the memory allowed for them, 400 million pixels.
        """
        self._pixels += frame.pixels.size // 3
        if self._pixels > _MAX_PIXELS:
            raise UserError(
                f"{self._name} would have over {len(self._images)} frames, which are held in "
                "memory: write .mp4 or .webm, or less of it with until, fps or size",
                "until",
                "fps",
                "size",
            )
        if self._last is not None:
            self._images[-1].info["duration"] = self._milliseconds(self._last.time, frame.time)
        image = from_array(frame.pixels)
        if frame.alpha is not None:
            image.putalpha(from_array(frame.alpha))
        self._images.append(image)
        self._last = frame

    def finish(self, is_complete: bool = True) -> None:
        """Write the file.

        Raises:
            UserError: There are no frames, or Pillow cannot write them.
        """
        if self._last is None:
            raise UserError(f"{self._name} would have no frame: nothing was painted")
        end = self._last.time + (self._last.duration or 1 / self._clip.rate)
        self._images[-1].info["duration"] = self._milliseconds(self._last.time, end)
        if any(image.mode == "RGBA" for image in self._images):
            # With disposal 2 each frame replaces the previous one, also where it is transparent.
            self._images = [image.convert("RGBA") for image in self._images]
        first, *others = self._images
        loop = self._clip.loop
        options: dict[str, Any] = {} if loop is None else {"loop": loop}
        if self._format == "WEBP":
            options["quality"] = _QUALITY
            options["duration"] = [image.info["duration"] for image in self._images]
        else:
            options["disposal"] = 2 if first.mode == "RGBA" else 0
        try:
            first.save(self._path, self._format, save_all=True, append_images=others, **options)
        except (*DECODING_ERRORS, OSError) as error:
            raise UserError(f"cannot write {self._name}: {one_line(error)}") from error

    def _milliseconds(self, start: Fraction, stop: Fraction) -> int:
        """A duration rounded so that errors do not add up; a multiple of 10 in a GIF."""
        unit = 10 if self._format == "GIF" else 1
        first, last = (round(time / (unit * _MILLISECOND)) for time in (start, stop))
        return unit * (last - first)

    def close(self) -> None:
        """Free the frames."""
        self._images.clear()
