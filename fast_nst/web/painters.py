"""Uploads to paintings: shared networks, within one budget of memory, for many threads."""

from __future__ import annotations

import dataclasses
import functools
import threading
import time
from dataclasses import dataclass

from PIL import Image

from fast_nst.errors import UserError, choose
from fast_nst.pictures.edit import Pixels, resize, scaled_size, to_image, to_pixels
from fast_nst.pictures.read import open_image
from fast_nst.pictures.write import WRITERS, encode_image
from fast_nst.stylize.engines import cores, share_arena
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.web.limits import Limits
from fast_nst.web.models import Models

KEPT_NETWORKS = 16  # of styles, blends and strengths together
MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}


class TooLarge(UserError):
    """More pixels than the service takes."""


class UnknownStyle(UserError):
    """A style that the service does not have."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a picture is to be painted; what is not said is as for `Stylizer`.

    Attributes:
        styles: Names with their shares.
        strength: From 0 to 1.5.
        detail: From 0 to 1.
        size: Longer side of the result, in px.
        stroke_scale: From 0.1 to 10.
        keep_colors: Whether the photograph's colours stay.
        file_format: A key of `MEDIA_TYPES`.
        quality: Of JPEG and WebP.
    """

    styles: tuple[tuple[str, float], ...]
    strength: float
    detail: float
    size: int | None
    stroke_scale: float
    keep_colors: bool
    file_format: str
    quality: int


@dataclass(frozen=True)
class Painting:
    """What became of an upload.

    Attributes:
        data: The file.
        media_type: As HTTP calls its format.
        milliseconds: That the painting took, without decoding and encoding.
    """

    data: bytes
    media_type: str
    milliseconds: float


class Painters:
    """The networks of a service, opened when they are first asked for and shared by its threads.

    Args:
        models: What it offers.
        limits: What it takes.
    """

    def __init__(self, models: Models, limits: Limits) -> None:
        self._models = models
        self._limits = limits
        share_arena()
        self._threads = max(cores() // limits.workers, 1)
        self._first = Stylizer(threads=self._threads, max_memory=limits.max_memory)
        self._stylizer = functools.lru_cache(maxsize=KEPT_NETWORKS)(self._open)

    def _open(self, styles: tuple[tuple[str, float], ...], strength: float) -> Stylizer:
        parts = [
            dataclasses.replace(self._models[name].part, share=share) for name, share in styles
        ]
        return self._first.twin(self._threads, KEPT_NETWORKS, parts, strength)

    def check(self, look: Look) -> None:
        """Refuse a look that no picture can have here.

        Raises:
            UnknownStyle: A style is not among the models.
            UserError: The styles do not mix, or not at this strength.
        """
        for name, _ in look.styles:
            try:
                choose("style", name, self._models)
            except UserError as error:
                raise UnknownStyle(str(error)) from error
        for name, _ in look.styles:
            reason = self._models[name].unmixable
            if reason and (look.strength > 1 or len(look.styles) > 1):
                raise UserError(f"style {name!r} takes no strength above 1 and no blend: {reason}")
        if len({self._models[name].network for name, _ in look.styles}) > 1:
            names = ", ".join(name for name, _ in look.styles)
            raise UserError(f"{names} are of two networks, and styles of two networks do not mix")

    def paint(self, upload: bytes, look: Look, stopped: threading.Event) -> Painting:
        """Decode, paint and encode.

        Args:
            upload: A picture's file.
            look: How; checked.
            stopped: Set when nobody waits any more; a picture in tiles then ends early.

        Raises:
            TooLarge: The picture, or its painting, has too many pixels.
            UserError: It cannot be read, painted or encoded.
        """
        photo = self._read(upload, look)

        def on_tile(done: int, total: int) -> None:
            if stopped.is_set():
                raise UserError(f"stopped after {done} of {total} tiles: nobody waits for it")

        started = time.perf_counter()
        painting = self._stylizer(look.styles, look.strength).paint(
            photo.rgb,
            detail=look.detail,
            keep_colors=look.keep_colors,
            stroke_scale=look.stroke_scale,
            on_tile=on_tile,
        )
        milliseconds = 1000 * (time.perf_counter() - started)
        image = to_image(dataclasses.replace(photo, rgb=painting))
        del photo, painting  # Pillow has its copy
        return Painting(_encoded(image, look), MEDIA_TYPES[look.file_format], milliseconds)

    def _read(self, upload: bytes, look: Look) -> Pixels:
        most = self._limits.max_pixels
        try:
            photo = open_image(upload)
        except UserError as error:
            if isinstance(error.__cause__, Image.DecompressionBombError):
                raise TooLarge(
                    f"the picture has over {most:,} pixels: give a smaller one"
                ) from error
            raise
        size = photo.size
        if look.size is not None:
            size = scaled_size(size, look.size / max(size))
        # Finer strokes are painted on a larger copy.
        width, height = scaled_size(size, max(1 / look.stroke_scale, 1))
        if width * height > most:
            raise TooLarge(
                f"this size and stroke scale make {width}x{height} px of the picture, over "
                f"{most:,} pixels: choose a smaller size or larger strokes"
            )
        return to_pixels(resize(photo, size))


def _encoded(image: Image.Image, look: Look) -> bytes:
    try:
        return encode_image(image, WRITERS[f".{look.file_format}"], look.quality)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{look.file_format} cannot hold {image.width}x{image.height} px: choose png or a "
            "smaller size"
        ) from error
