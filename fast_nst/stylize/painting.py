"""Painting one picture: the network, and strength, detail and colors around it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from fast_nst.errors import FadeWarning, UserError
from fast_nst.models.model import Model
from fast_nst.numeric import number, whole
from fast_nst.pictures.detail import DETAIL, add_detail, check_detail
from fast_nst.pictures.edit import (
    Array,
    Pixels,
    blend,
    enlarge,
    from_array,
    keep_colors,
    resize,
    scaled_size,
    to_array,
)
from fast_nst.pictures.mask import composite, fit_mask
from fast_nst.pictures.read import Picture, read_pixels
from fast_nst.pictures.write import QUALITY
from fast_nst.stylize.session import Session
from fast_nst.stylize.tiles import OnProgress

MAX_STRENGTH = 1.5
MIN_STROKE_SCALE, MAX_STROKE_SCALE = 0.1, 10
FADE_BELOW = 0.25  # in strength; the identity model alone gives a soft photograph, paler in color
LOST_DETAIL = 0.5  # of the luma that a smaller copy has lost, added back


@dataclass(frozen=True, kw_only=True)
class PaintOptions:
    """How a picture is painted.

    Attributes:
        size: Longer side of the result, in px; None keeps that of the photograph.
        strength: From 0, the photograph, over 1, the style as trained, to 1.5.
        detail: How much of the photograph's fine structure is added to the painting, from 0 to 1;
            in proportion less below strength 1.
        keep_colors: Keep the photograph's colors, and paint its lightness only.
        stroke_scale: How many times larger than trained the strokes are, from 0.1 to 10.
        max_pixels: Reject results with more pixels; None has no limit.
        format: Of the file: png, jpg or webp; None is that of the photograph.
        quality: Of JPEG and WebP files, from 1 to 100.

    Raises:
        UserError: A value is not a number, or out of its range.
    """

    size: int | None = None
    strength: float = 1.0
    detail: float = DETAIL
    keep_colors: bool = False
    stroke_scale: float = 1.0
    max_pixels: int | None = None
    format: str | None = None
    quality: int = QUALITY

    def __post_init__(self) -> None:
        for name in ("strength", "detail", "stroke_scale"):
            object.__setattr__(self, name, number(name, getattr(self, name)))
        check_strength(self.strength)
        check_detail(self.detail)
        if not MIN_STROKE_SCALE <= self.stroke_scale <= MAX_STROKE_SCALE:
            raise UserError(
                f"stroke_scale is {self.stroke_scale:g}: it must be from {MIN_STROKE_SCALE:g} "
                f"(finer strokes) over 1 (as trained) to {MAX_STROKE_SCALE:g} (larger)",
                "stroke_scale",
            )
        if self.size is not None:
            object.__setattr__(self, "size", whole("size", self.size))
            if self.size < 1:
                raise UserError(
                    f"size is {self.size}: the longer side must be at least 1 px", "size"
                )


@dataclass(frozen=True)
class Region:
    """Where a picture is painted.

    Attributes:
        mask: (h, w) uint8, from `pictures.mask.read_mask`; it is stretched to the result's size.
        outside: The style outside the mask, and how it is painted; None leaves the photograph.
    """

    mask: Array
    outside: tuple[Model, PaintOptions] | None = None


@dataclass(frozen=True)
class Painting:
    """A painted picture.

    Attributes:
        pixels: The painting, with the photograph's transparency and EXIF data.
        milliseconds: The time that painting took, without reading.
        is_tiled: Whether it was painted in tiles.
    """

    pixels: Pixels
    milliseconds: float
    is_tiled: bool


def paint_image(
    source: Picture | bytes | Pixels,
    model: Model,
    session: Session,
    options: PaintOptions,
    on_progress: OnProgress | None = None,
    region: Region | None = None,
) -> Painting:
    """Read a picture, scale it and paint it.

    Args:
        source: A path, encoded bytes, a PIL image, a uint8 array (H, W), (H, W, 3) or (H, W, 4);
            or decoded pixels at their final size.
        model: The style.
        session: Runs the model.
        options: How the picture is painted.
        on_progress: For a picture in tiles, see `tiles.paint_in_tiles`.
        region: Where it is painted; default: everywhere. A style without a pixel is not run.

    Raises:
        UserError: The picture cannot be read, has too many pixels, or memory does not suffice.
    """
    tiles = runs_done = 0
    runs = 1

    def on_tile(done: int, total: int) -> None:
        nonlocal tiles
        tiles = done
        if on_progress is not None:
            on_progress(runs_done * total + done, runs * total)

    with memory_for(source):
        photo = source
        if not isinstance(photo, Pixels):
            photo = read_pixels(
                photo,
                options.size,
                max_pixels=options.max_pixels,
                stroke_scale=options.stroke_scale,
            )
        started = time.perf_counter()
        if region is None:
            painted = paint_pixels(photo.rgb, model, session, options, on_tile)
        else:
            height, width = photo.rgb.shape[:2]
            mask = fit_mask(region.mask, width, height)
            outside = region.outside if mask.min() < 255 else None
            painted = other = photo.rgb
            runs = bool(mask.any()) + (outside is not None)
            if mask.any():
                painted = paint_pixels(photo.rgb, model, session, options, on_tile)
                runs_done = 1
            if outside is not None:
                other = paint_pixels(photo.rgb, outside[0], session, outside[1], on_tile)
            painted = composite(other, painted, mask)
    milliseconds = 1000 * (time.perf_counter() - started)
    return Painting(dataclasses.replace(photo, rgb=painted), milliseconds, tiles > 0)


@contextlib.contextmanager
def memory_for(source: object) -> Iterator[None]:
    """Turn a MemoryError into a `UserError` that names the picture, if it is a file."""
    try:
        yield
    except MemoryError as error:
        name = repr(os.fspath(source)) if isinstance(source, str | os.PathLike) else "the input"
        raise UserError(f"not enough memory for {name}: choose a smaller size") from error


def paint_pixels(
    pixels: Array,
    model: Model,
    session: Session,
    options: PaintOptions,
    on_progress: OnProgress | None = None,
) -> Array:
    """Paint decoded pixels at their own size.

    Args:
        pixels: (H, W, 3) uint8.
        model: The style.
        session: Runs the model.
        options: How the pixels are painted; `size` is not used.
        on_progress: For a picture in tiles, see `tiles.paint_in_tiles`.

    Returns:
        (H, W, 3) uint8.

    Raises:
        UserError: The styles do not mix, or memory does not suffice.

    Warns:
        FadeWarning: The model does not mix, so that below strength 1 its painting is cross-faded
            with the photograph.
    """
    if options.strength == 0:
        return pixels.copy()
    strength = model.network_strength(options.strength)
    size = pixels.shape[1], pixels.shape[0]
    small_size = scaled_size(size, 1 / options.stroke_scale)
    if small_size == size:
        painted = session.run(model, strength, pixels[None], on_progress)[0]
    else:
        small = to_array(resize(from_array(pixels), small_size))
        painted = session.run(model, strength, small[None], on_progress)[0]
        painted = enlarge(painted, small, pixels, LOST_DETAIL)
    return finish(pixels, painted, model, options)


def finish(pixels: Array, painted: Array, model: Model, options: PaintOptions) -> Array:
    """Add detail, colors and pixels of the photograph to the network's output.

    Args:
        pixels: (H, W, 3) uint8, the photograph.
        painted: (H, W, 3) uint8, the network's output.
        model: The style.
        options: Strength, detail and colors; the strength is above 0.

    Returns:
        (H, W, 3) uint8.
    """
    painted = add_detail(pixels, painted, options.detail * min(options.strength, 1.0))
    if options.keep_colors:
        painted = keep_colors(pixels, painted)
    if model.network_strength(options.strength) == options.strength:
        return blend(pixels, painted, painting_weight(options.strength))
    line = f"strength {options.strength:g} fades pixels: {model.unmixable}"
    warnings.warn(line, FadeWarning, stacklevel=6)
    return blend(pixels, painted, options.strength)


def painting_weight(strength: float) -> float:
    """The weight of the network's output in the result, the rest being the photograph.

    A cubic from 0 at strength 0 to 1 at 0.25, without a step or a corner.
    """
    t = min(strength / FADE_BELOW, 1.0)
    return t * t * (3 - 2 * t)


def check_strength(strength: float) -> None:
    """Refuse a strength that is out of range.

    Raises:
        UserError: It is not from 0 to 1.5.
    """
    if not 0 <= strength <= MAX_STRENGTH:
        raise UserError(
            f"strength is {strength:g}: it must be from 0 (photograph) over 1 (painting) to "
            f"{MAX_STRENGTH:g} (stronger)",
            "strength",
        )
