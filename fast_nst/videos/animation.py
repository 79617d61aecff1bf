"""GIF and animated WebP files to frames and back, with Pillow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageSequence

from fast_nst.errors import UserError, one_line
from fast_nst.pictures.edit import from_array, resize, scaled_size, to_array
from fast_nst.pictures.exif import DECODING_ERRORS
from fast_nst.videos.clip import Clip, Frame
from fast_nst.videos.codecs import ANIMATIONS

_MILLISECOND = Fraction(1, 1000)
_UNSAID = 100  # ms: what browsers take for a frame that says less than 11
_LEAST = 11
_QUALITY = 90  # of WebP
_MOST_PIXELS = 400_000_000  # of all frames together: 1.2 GB


class AnimationReader:
    """An animation, from a time to another.

    Args:
        path: The file.
        size: Longer side of the frames, in px; default: the animation's own.
        start: Where to begin, in seconds.
        until: Where to end; default: at the end.
        max_pixels: That a frame may have.

    Raises:
        UserError: It cannot be read, or its frames are too large.
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
            self._image = Image.open(path)
        except FileNotFoundError:
            raise UserError(f"no file {self._name}: check the name") from None
        except Image.DecompressionBombError as error:
            most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
            raise UserError(
                f"{self._name} has frames of over {most:,} pixels, more than an animation "
                "may have: scale it down first"
            ) from error
        except DECODING_ERRORS as error:
            raise UserError(
                f"{self._name} is not an animation that can be read, or a damaged one: give a GIF, "
                "an animated WebP, or a video"
            ) from error
        try:
            self.clip = self._clip(size, max_pixels)
        except BaseException:
            self.close()
            raise

    def _clip(self, size: int | None, max_pixels: int) -> Clip:
        width, height = self._image.size
        if size is not None:
            width, height = scaled_size((width, height), size / max(width, height))
        if width * height > max_pixels:
            raise UserError(
                f"{self._name} has frames of {width}x{height}, over {max_pixels:,} pixels: choose "
                "a smaller --size or raise --max-pixels"
            )
        times = []
        with contextlib.suppress(*DECODING_ERRORS):  # what is damaged is told of later
            for image in ImageSequence.Iterator(self._image):
                if self._image.format == "WEBP":  # which knows only then how long it stays
                    image.load()
                times.append(self._duration(image))
        total = sum(times, Fraction(0))
        rate = Fraction(len(times)) / total if total else Fraction(10)
        end = total if self._until is None else min(total, self._until)
        if end <= self._start:
            raise UserError(
                f"{self._name} has no frame that can be read from {float(self._start):g} s on"
            )
        loop = self._image.info.get("loop")
        return Clip(width, height, rate, _MILLISECOND, float(end - self._start), loop=loop)

    def _duration(self, image: Image.Image) -> Fraction:
        milliseconds = image.info.get("duration", 0)
        return (milliseconds if milliseconds >= _LEAST else _UNSAID) * _MILLISECOND

    def frames(self) -> Iterator[Frame]:
        """All frames, in the order of their times, which rise."""
        time = Fraction(0)
        try:
            for image in ImageSequence.Iterator(self._image):
                if self._until is not None and time >= self._until:
                    return
                image.load()
                duration = self._duration(image)
                if time >= self._start:
                    yield self._frame(image, time - self._start, duration)
                time += duration
        except DECODING_ERRORS as error:
            self.notes.append(f"the file is damaged and ends early: {one_line(error)}")

    def _frame(self, image: Image.Image, time: Fraction, duration: Fraction) -> Frame:
        size = (self.clip.width, self.clip.height)
        if not image.has_transparency_data:
            return Frame(to_array(resize(image.convert("RGB"), size)), time, duration)
        whole = resize(image.convert("RGBA"), size)
        alpha = np.asarray(whole.getchannel("A"))
        pixels = to_array(whole)
        return Frame(pixels, time, duration, None if alpha.min() == 255 else alpha)

    def close(self) -> None:
        """Let the file go."""
        self._image.close()


class AnimationWriter:
    """A GIF or WebP file. Pillow wants all its frames at once, so they are held till the end.

    Args:
        path: Where it is written, under whatever name.
        name: What it will be called, by which the format is chosen.
        clip: What it is like.
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
        """The next frame.

        Raises:
            UserError: They are too many.
        """
        self._pixels += frame.pixels.size // 3
        if self._pixels > _MOST_PIXELS:
            raise UserError(
                f"{self._name} would have over {len(self._images)} frames, which are held in "
                "memory: write .mp4 or .webm, or less of it with --until, --fps or --size"
            )
        if self._last is not None:
            self._images[-1].info["duration"] = self._milliseconds(self._last.time, frame.time)
        image = from_array(frame.pixels)
        if frame.alpha is not None:
            image.putalpha(from_array(frame.alpha))
        self._images.append(image)
        self._last = frame

    def finish(self, is_whole: bool = True) -> None:
        """Make the file playable.

        Raises:
            UserError: It cannot be written.
        """
        if self._last is None:
            raise UserError(f"{self._name} would have no frame: nothing was painted")
        end = self._last.time + (self._last.duration or 1 / self._clip.rate)
        self._images[-1].info["duration"] = self._milliseconds(self._last.time, end)
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
        """A duration such that their sum stays in time: in a GIF, a multiple of 10."""
        unit = 10 if self._format == "GIF" else 1
        first, last = (round(time / (unit * _MILLISECOND)) for time in (start, stop))
        return unit * (last - first)

    def close(self) -> None:
        """Let the frames go."""
        self._images.clear()
