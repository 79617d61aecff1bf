"""From a photograph's file to its painting's, by the same steps wherever it is done."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from fast_nst.errors import UserError
from fast_nst.pictures.edit import Pixels, resize, scaled_size, to_image, to_pixels
from fast_nst.pictures.read import open_image
from fast_nst.pictures.write import save_image
from fast_nst.stylize.folder import Job, Painted
from fast_nst.stylize.stylizer import Stylizer


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How pictures are painted, beside what paints them.

    Attributes:
        size: Longer side of the result, in px; None is that of the photograph.
        keep_colors: See `Stylizer`.
        stroke_scale: See `Stylizer`.
        quality: Of JPEG and WebP files.
        max_pixels: That a picture may have.
    """

    size: int | None
    keep_colors: bool
    stroke_scale: float
    quality: int
    max_pixels: int


def paint_file(job: Job, stylize: Stylizer, manner: Manner) -> Painted:
    """Read, stylize and write one picture, within `most_pixels`.

    Raises:
        UserError: It cannot be read, painted or written.
    """
    source, target = job.source, job.target
    if source is None or target is None:
        raise UserError("a pipe is no file")
    return paint_picture(
        source, lambda image: save_image(image, target, manner.quality), stylize, manner
    )


def paint_picture(
    source: Path | bytes,
    write: Callable[[Image.Image], None],
    stylize: Stylizer,
    manner: Manner,
    show: Callable[[int, int], Any] = max,
) -> Painted:
    """Read, stylize and write one picture.

    Args:
        source: Its file, or what is in it.
        write: Gets the painting, "RGB" or "RGBA".
        stylize: With what.
        manner: How.
        show: Told of a picture in tiles how far it is; see `Stylizer.paint`.

    Raises:
        UserError: It cannot be read, painted or written.
    """
    try:
        return _paint(source, write, stylize, manner, show)
    except MemoryError as error:
        raise UserError(f"no memory for {_name(source)}: give a smaller --size") from error


def _paint(
    source: Path | bytes,
    write: Callable[[Image.Image], None],
    stylize: Stylizer,
    manner: Manner,
    show: Callable[[int, int], Any],
) -> Painted:
    photo = _read(source, manner)
    passes = 0

    def on_tile(done: int, total: int) -> None:
        nonlocal passes
        passes = done
        show(done, total)

    started = time.perf_counter()
    painting = stylize.paint(
        photo.rgb,
        keep_colors=manner.keep_colors,
        stroke_scale=manner.stroke_scale,
        on_tile=on_tile,
    )
    milliseconds = 1000 * (time.perf_counter() - started)
    result = dataclasses.replace(photo, rgb=painting)
    del photo, painting  # before Pillow has its copy
    image = to_image(result)
    write(image)
    return Painted(image.size, milliseconds, passes > 0)


def _name(source: Path | bytes) -> str:
    return "the input" if isinstance(source, bytes) else repr(str(source))


def _read(source: Path | bytes, manner: Manner) -> Pixels:
    photo = open_image(source)
    if manner.size is None:
        return to_pixels(photo)
    width, height = scaled_size(photo.size, manner.size / max(photo.size))
    if width * height > manner.max_pixels:
        raise UserError(
            f"--size {manner.size} makes {width}x{height} px of {_name(source)}, over "
            f"{manner.max_pixels:,} pixels: raise --max-pixels or choose a smaller size"
        )
    return to_pixels(resize(photo, (width, height)))
