"""A pool of opened models, shared by the threads of the service within one memory limit."""

from __future__ import annotations

import dataclasses
import threading
from dataclasses import dataclass

from fast_nst.engines.engine import EngineOptions, choose_engine, cores, share_arena
from fast_nst.errors import UserError, choose
from fast_nst.models.model import Model, WeightedModel
from fast_nst.pictures.edit import Pixels
from fast_nst.stylize.painting import PaintOptions, Region, paint_image
from fast_nst.stylize.session import Session
from fast_nst.web.decoder_pool import DecoderPool
from fast_nst.web.decoder_worker import Decode, DecodeMask, Encode
from fast_nst.web.limits import Limits
from fast_nst.web.models import Models, UnknownStyle, model_named
from fast_nst.web.progress import Job, Progress

CACHED_NETWORKS = 16  # of styles, blends and strengths together
MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}


@dataclass(frozen=True, kw_only=True)
class PaintRequest:
    """What a request asks for.

    Attributes:
        styles: Names and weights.
        options: How the picture is painted and encoded; the format is a key of `MEDIA_TYPES`.
        outside: Name of the style outside the mask; None leaves the photograph.
    """

    styles: tuple[tuple[str, float], ...]
    options: PaintOptions
    outside: str | None = None


@dataclass(frozen=True)
class Response:
    """An encoded painting.

    Attributes:
        data: The file.
        media_type: Its media type.
        milliseconds: Time of painting, without decoding and encoding.
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
        options = EngineOptions(
            threads=max(cores() // limits.workers, 1), max_memory=limits.max_memory
        )
        options.engine = choose_engine(options, pictures=1)
        share = options.working_bytes // CACHED_NETWORKS
        self._session = Session(options, CACHED_NETWORKS, share)

    def check(self, request: PaintRequest) -> None:
        """Refuse a request that cannot be met for any picture.

        Raises:
            UnknownStyle: A style is not among the models.
            UserError: The styles do not mix, or not at this strength.
        """
        blend = [name for name, _ in request.styles]
        outside = [] if request.outside is None else [request.outside]
        for name in [*blend, *outside]:
            try:
                choose("style", name, self._models)
            except UserError as error:
                raise UnknownStyle(str(error)) from error
        for styles in (blend, outside):
            for name in styles:
                reason = self._models[name].unmixable
                if reason and (request.options.strength > 1 or len(styles) > 1):
                    line = f"style {name!r} takes no strength above 1 and no blend: {reason}"
                    raise UserError(line)
        if len({self._models[name].network for name, _ in request.styles}) > 1:
            names = ", ".join(name for name, _ in request.styles)
            raise UserError(f"{names} are of two networks, and styles of two networks do not mix")

    def paint(
        self,
        upload: bytes | bytearray,
        request: PaintRequest,
        stopped: threading.Event,
        mask: bytes | None = None,
        job: Job | None = None,
    ) -> Response:
        """Decode, paint and encode.

        Args:
            upload: A picture's file.
            request: What it asks for; checked.
            stopped: Set when nobody waits any more; the work then ends, while the network paints
                at the next tile.
            mask: A mask's file; default: the whole picture is painted.
            job: Gets the progress.

        Raises:
            TooManyPixels: The picture, its painting or the mask has too many pixels.
            UserError: It cannot be read, painted or encoded.
            MemoryError: There is none for it.
        """
        options = request.options
        job = job or Job()
        job.progress = Progress("reading")
        task = Decode(
            upload=upload,
            most=self._limits.max_pixels,
            size=options.size,
            stroke_scale=options.stroke_scale,
        )
        photo = self._decoders.decode(task, stopped)
        region = None if mask is None else self._region(mask, photo, request, stopped)
        model = Model(
            tuple(
                dataclasses.replace(self._part(name), weight=weight)
                for name, weight in request.styles
            )
        )

        def on_tile(done: int, total: int) -> None:
            job.progress = Progress("painting", done, total)
            if stopped.is_set():
                raise UserError(f"stopped after {done} of {total} tiles: the client disconnected")

        job.progress = Progress("painting")
        try:
            painting = paint_image(photo, model, self._session, options, on_tile, region)
        except UserError as error:
            if isinstance(error.__cause__, MemoryError):  # of the service, not of the client
                raise error.__cause__ from error
            raise
        assert options.format is not None
        result = Encode(
            painting=painting.pixels, file_format=options.format, quality=options.quality
        )
        milliseconds = painting.milliseconds
        del photo, painting, region
        job.progress = Progress("writing", job.progress.done, job.progress.total)
        data = self._decoders.encode(result, stopped)
        return Response(data, MEDIA_TYPES[options.format], milliseconds)

    def _region(
        self, mask: bytes, photo: Pixels, request: PaintRequest, stopped: threading.Event
    ) -> Region:
        height, width = photo.rgb.shape[:2]
        task = DecodeMask(upload=mask, most=self._limits.max_pixels, size=(width, height))
        outside = None
        if request.outside is not None:
            outside = Model((self._part(request.outside),)), request.options
        return Region(self._decoders.decode_mask(task, stopped), outside)

    def _part(self, name: str) -> WeightedModel:
        return model_named(self._models, name).part
