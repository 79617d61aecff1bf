"""The service: the page's files, and paintings for pictures that are sent to it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
import warnings
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from fast_nst import __version__
from fast_nst.assets import DEFAULT_MODEL
from fast_nst.errors import UserError, choose, one_line
from fast_nst.pictures.detail import DETAIL
from fast_nst.pictures.read import most_pixels
from fast_nst.stylize.strength import MOST_STRENGTH, FadeWarning
from fast_nst.stylize.strokes import LEAST_STROKE_SCALE, MOST_STROKE_SCALE
from fast_nst.web.desk import Busy, Desk, Gone, TooSlow
from fast_nst.web.files import File
from fast_nst.web.guard import Guard
from fast_nst.web.limits import Limits
from fast_nst.web.models import Models
from fast_nst.web.painters import MEDIA_TYPES, Look, Painters, TooLarge, UnknownStyle
from fast_nst.web.upload import TooManyBytes, read_upload

RETRY_AFTER = 2  # seconds
_STATUS: Mapping[type[UserError], int] = {TooManyBytes: 413, TooLarge: 413, UnknownStyle: 404}
_SENTENCES = {404: "nothing is here: the page is at /", 405: "no such request: see /api.html"}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ERROR = {
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"error": {"type": "string"}}}
        }
    }
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The painting.",
        "content": dict.fromkeys(MEDIA_TYPES.values(), _BINARY),
    },
    400: {"description": "The picture or a parameter cannot be used.", **_ERROR},
    404: {"description": "No style has that name.", **_ERROR},
    413: {"description": "Too many bytes or pixels.", **_ERROR},
    "4XX": {"description": "Anything else that is refused.", **_ERROR},
    503: {"description": "Busy, or too slow: come again after `Retry-After` seconds.", **_ERROR},
}
_BODY = {
    "requestBody": {
        "required": True,
        "description": "An image file, or a form with one.",
        "content": {
            "image/*": _BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"image": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}


def make_app(
    models: Models,
    limits: Limits,
    files: Mapping[str, File],
    names: tuple[str, ...] = (),
    runs_wasm: bool = False,
) -> Guard:
    """The service as an ASGI application.

    Args:
        models: What it paints with.
        limits: What it takes.
        files: Of the page, by their paths; all that is ever sent of any file.
        names: See `Guard`.
        runs_wasm: See `guard.policy`.
    """
    desk = Desk(limits.workers, limits.queue)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with most_pixels(limits.max_pixels), warnings.catch_warnings():
            warnings.simplefilter("ignore", FadeWarning)  # the page says which styles fade
            yield
        desk.close()

    app = FastAPI(
        title="fast_nst",
        version=__version__,
        description="Photographs to paintings, in milliseconds.",
        docs_url=None,  # its page takes scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    _add_errors(app)
    _add_painting(app, models, limits, desk)

    @app.get("/healthz", summary="Whether the service is up, and how busy")
    async def healthz() -> dict[str, Any]:
        places = limits.workers + limits.queue
        return {"status": "ok", "version": __version__, "places": places, "taken": desk.taken}

    @app.api_route("/{path:path}", methods=["GET", "HEAD"], include_in_schema=False)
    async def page(path: str) -> Response:
        file = files.get(path or "index.html")
        if file is None:
            raise HTTPException(404)
        return Response(
            file.data, media_type=file.media_type, headers={"Cache-Control": "no-cache"}
        )

    return Guard(app, names, runs_wasm)


def _add_painting(app: FastAPI, models: Models, limits: Limits, desk: Desk) -> None:
    painters = Painters(models, limits)
    known = {"style", "strength", "detail", "size", "stroke_scale", "keep_colors"}
    known |= {"format", "quality"}

    @app.get("/api/styles", summary="Every style, one's own first")
    async def styles() -> list[dict[str, Any]]:
        return [model.described() for model in models.values() if model.is_listed]

    @app.post(
        "/api/stylize",
        summary="Paint a picture",
        response_class=Response,
        responses=_ANSWERS,
        openapi_extra=_BODY,
    )
    async def stylize(
        request: Request,
        style: Annotated[
            list[str], Query(description="NAME, or several, each as NAME:SHARE, for a blend")
        ] = [DEFAULT_MODEL.stem],  # noqa: B006, FastAPI copies it
        strength: Annotated[
            float, Query(ge=0, le=MOST_STRENGTH, description="1 is as trained")
        ] = 1.0,
        detail: Annotated[
            float, Query(ge=0, le=1, description="of the picture's fine structure, put back")
        ] = DETAIL,
        size: Annotated[
            int | None, Query(ge=1, description="longer side of the painting, in px")
        ] = None,
        stroke_scale: Annotated[
            float,
            Query(ge=LEAST_STROKE_SCALE, le=MOST_STROKE_SCALE, description="2: twice as large"),
        ] = 1.0,
        keep_colors: Annotated[bool, Query(description="keep the picture's colours")] = False,
        format: Annotated[str, Query(description=" or ".join(MEDIA_TYPES))] = "png",
        quality: Annotated[int, Query(ge=1, le=100, description="of JPEG and WebP")] = 95,
    ) -> Response:
        for name in request.query_params:
            choose("parameter", name, sorted(known))
        look = Look(
            styles=_shares(style),
            strength=strength,
            detail=detail,
            size=size,
            stroke_scale=stroke_scale,
            keep_colors=keep_colors,
            file_format=choose("format", format, MEDIA_TYPES),
            quality=quality,
        )
        painters.check(look)
        until = time.monotonic() + limits.seconds
        with desk.place() as place:
            try:
                upload = await asyncio.wait_for(
                    read_upload(request, limits.upload_bytes), limits.seconds
                )
            except asyncio.TimeoutError as error:
                raise TooSlow from error
            painting = await desk.work(
                place,
                lambda stopped: painters.paint(upload, look, stopped),
                max(until - time.monotonic(), 0),
                lambda: _left(request),
            )
        timing = {"Server-Timing": f"paint;dur={painting.milliseconds:.1f}"}
        return Response(painting.data, media_type=painting.media_type, headers=timing)


async def _left(request: Request) -> None:
    """Ends when the one who asked has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _shares(styles: list[str]) -> tuple[tuple[str, float], ...]:
    """`NAME` and `NAME:SHARE` as pairs; what is named twice has both its shares.

    Raises:
        UserError: A share is no number above 0.
    """
    found: dict[str, float] = {}
    for given in styles:
        name, colon, share = given.rpartition(":")
        try:
            name, value = (name, float(share)) if colon else (given, 1.0)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise UserError(f"style {given!r}: give NAME or NAME:SHARE with a share above 0")
        found[name] = found.get(name, 0.0) + value
    return tuple(sorted(found.items()))


def _add_errors(app: FastAPI) -> None:
    """Every refusal is one sentence, under `error`."""

    def said(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
        return JSONResponse({"error": sentence}, status, headers)

    def later(sentence: str) -> Response:
        return said(503, sentence, {"Retry-After": str(RETRY_AFTER)})

    @app.exception_handler(UserError)
    async def refused(_: Request, error: UserError) -> Response:
        return said(_STATUS.get(type(error), 400), one_line(error))

    @app.exception_handler(RequestValidationError)
    async def out_of_range(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        reason = first["msg"].replace("Input should be", "it must be")
        return said(400, f"{first['loc'][-1]} is {first.get('input')!r}: {reason}")

    @app.exception_handler(HTTPException)
    async def elsewhere(request: Request, error: HTTPException) -> Response:
        sentence = _SENTENCES.get(error.status_code, "this cannot be done")
        line = f"{request.method} {request.url.path}: {sentence}"
        return said(error.status_code, line, error.headers)

    @app.exception_handler(Busy)
    async def busy(_: Request, error: Busy) -> Response:
        return later("the service is busy: try again in a moment")

    @app.exception_handler(TooSlow)
    async def slow(_: Request, error: TooSlow) -> Response:
        return later("this took too long: try a smaller picture, or later")

    @app.exception_handler(Gone)
    async def gone(_: Request, error: Gone) -> Response:
        return said(499, "the connection was closed")  # nobody reads it

    @app.exception_handler(MemoryError)
    async def full(_: Request, error: MemoryError) -> Response:
        return later("no memory for this picture now: try a smaller one, or later")
