"""A pool of opened models, shared by the threads of the service within one memory limit."""

from __future__ import annotations

import dataclasses
import functools
import threading
import time
from dataclasses import dataclass

from fast_nst.engines.engine import cores, share_arena
from fast_nst.errors import UserError, choose
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.web.decoder_pool import DecoderPool
from fast_nst.web.decoder_worker import Decode, Encode
from fast_nst.web.limits import Limits
from fast_nst.web.models import Models

KEPT_NETWORKS = 16  # of styles, blends and strengths together
MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}


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


class StylizerPool:
    """Opens models on first use, and decodes, stylizes and encodes with them.

    Args:
        models: Models that requests may name.
        limits: Limits of the service.
        decoders: Processes that decode and encode images.
    """

    def __init__(self, models: Models, limits: Limits, decoders: DecoderPool) -> None:
        self._models = models
        self._limits = limits
        self._decoders = decoders
        share_arena()
        self._threads = max(cores() // limits.workers, 1)
        self._first = Stylizer(threads=self._threads, max_memory=limits.max_memory)
        self._stylizer = functools.lru_cache(maxsize=KEPT_NETWORKS)(self._open)

    def _open(self, styles: tuple[tuple[str, float], ...], strength: float) -> Stylizer:
        parts = [
            dataclasses.replace(self._models[name].part, share=share) for name, share in styles
        ]
        return self._first.clone(self._threads, KEPT_NETWORKS, parts, strength)

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

    def paint(self, upload: bytes | bytearray, look: Look, stopped: threading.Event) -> Painting:
        """Decode, paint and encode.

        Args:
            upload: A picture's file.
            look: How; checked.
            stopped: Set when nobody waits any more; the work then ends, while the network paints
                at the next tile.

        Raises:
            ImageTooLarge: The picture, or its painting, has too many pixels.
            UserError: It cannot be read, painted or encoded.
            MemoryError: There is none for it.
        """
        task = Decode(
            upload=upload,
            most=self._limits.max_pixels,
            size=look.size,
            stroke_scale=look.stroke_scale,
        )
        photo = self._decoders.decode(task, stopped)

        def on_tile(done: int, total: int) -> None:
            if stopped.is_set():
                raise UserError(f"stopped after {done} of {total} tiles: nobody waits for it")

        started = time.perf_counter()
        rgb = self._stylizer(look.styles, look.strength).paint(
            photo.rgb,
            detail=look.detail,
            keep_colors=look.keep_colors,
            stroke_scale=look.stroke_scale,
            on_tile=on_tile,
        )
        milliseconds = 1000 * (time.perf_counter() - started)
        painting = Encode(
            painting=dataclasses.replace(photo, rgb=rgb),
            file_format=look.file_format,
            quality=look.quality,
        )
        del photo, rgb
        data = self._decoders.encode(painting, stopped)
        return Painting(data, MEDIA_TYPES[look.file_format], milliseconds)
