"""The service: the page's files, and paintings for pictures that are sent to it."""

from __future__ import annotations

import asyncio
import contextlib
import time
import warnings
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from fast_nst.errors import FadeWarning, UserError, one_line
from fast_nst.version import __version__
from fast_nst.web.decoding import TooLarge
from fast_nst.web.desk import Busy, Gone, Stopping, TooSlow
from fast_nst.web.files import File
from fast_nst.web.guard import RETRY_AFTER, Guard
from fast_nst.web.painters import MEDIA_TYPES, UnknownStyle
from fast_nst.web.settings import Settings, check_name, out_of_range
from fast_nst.web.upload import Dawdling, TooManyBytes
from fast_nst.web.workshop import Workshop

_PIECE = 2**18  # bytes of an answer that are handed over at a time
_STATUS: Mapping[type[UserError], int] = {
    Dawdling: 408,
    TooManyBytes: 413,
    TooLarge: 413,
    UnknownStyle: 404,
}
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
        "description": "An image file; or a form with one, whose other fields are settings.",
        "content": {
            "image/*": _BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "image": {"type": "string", "format": "binary"},
                        **Settings.model_json_schema()["properties"],
                    },
                }
            },
        },
    }
}


class _Pieces(Response):
    """An answer that is handed over as it is taken, not copied whole for a slow reader."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        body = memoryview(self.body)
        for first in range(0, len(body), _PIECE):
            piece = bytes(body[first : first + _PIECE])
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def make_app(
    workshop: Workshop,
    files: Mapping[str, File],
    names: tuple[str, ...] = (),
    runs_wasm: bool = False,
) -> Guard:
    """The service as an ASGI application.

    Args:
        workshop: What it paints with; it ends with the application.
        files: Of the page, by their paths; all that is ever sent of any file.
        names: See `Guard`.
        runs_wasm: See `guard.policy`.
    """
    places, desk = workshop.limits.places, workshop.desk

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FadeWarning)  # the page says which styles fade
            await asyncio.to_thread(workshop.decoders.start)
            yield
        workshop.stop()

    app = FastAPI(
        title="fast_nst",
        version=__version__,
        description="Photographs to paintings, in milliseconds.",
        docs_url=None,  # its page takes scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # a proxy's prefix would be lost
        lifespan=lifespan,
    )
    _add_errors(app)
    _add_painting(app, workshop)

    @app.head("/healthz", include_in_schema=False)
    @app.get("/healthz", summary="Whether the service is up, and how busy")
    async def healthz() -> dict[str, Any]:
        return {"status": "ok", "version": __version__, "places": places, "taken": desk.taken}

    @app.api_route("/{path:path}", methods=["GET", "HEAD"], include_in_schema=False)
    async def page(path: str) -> Response:
        file = files.get(path or "index.html")
        if file is None:
            raise HTTPException(404)
        return _Pieces(file.data, media_type=file.media_type, headers={"Cache-Control": "no-cache"})

    return Guard(app, names, runs_wasm)


def _add_painting(app: FastAPI, workshop: Workshop) -> None:
    painters, desk, uploads = workshop.painters, workshop.desk, workshop.uploads
    seconds = workshop.limits.seconds

    @app.head("/api/styles", include_in_schema=False)
    @app.get("/api/styles", summary="Every style, one's own first")
    async def styles() -> list[dict[str, Any]]:
        return [model.described() for model in workshop.models.values() if model.is_listed]

    @app.get("/api/stylize", include_in_schema=False)
    @app.head("/api/stylize", include_in_schema=False)
    async def not_so() -> Response:
        raise HTTPException(405, headers={"Allow": "POST"})

    @app.post(
        "/api/stylize",
        summary="Paint a picture",
        response_class=Response,
        responses=_ANSWERS,
        openapi_extra=_BODY,
    )
    async def stylize(request: Request, settings: Annotated[Settings, Query()]) -> Response:
        for name in request.query_params:
            check_name(name)
        painters.check(settings.look())
        until = time.monotonic() + seconds
        desk.check()  # who would be sent away need not upload anything
        upload = await uploads.read(request, seconds)
        look = settings.with_fields(upload.fields).look()
        painters.check(look)
        with desk.place() as place:
            painting = await desk.work(
                place,
                lambda stopped: painters.paint(upload.picture, look, stopped),
                max(until - time.monotonic(), 0),
                lambda: _left(request),
            )
        timing = {"Server-Timing": f"paint;dur={painting.milliseconds:.1f}"}
        return _Pieces(painting.data, media_type=painting.media_type, headers=timing)


async def _left(request: Request) -> None:
    """Ends when the one who asked has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


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
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return said(400, out_of_range(error.errors()))

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

    @app.exception_handler(Stopping)
    async def stopping(_: Request, error: Stopping) -> Response:
        return later("the service is being stopped: try again later")

    @app.exception_handler(Gone)
    async def gone(_: Request, error: Gone) -> Response:
        return said(499, "the connection was closed")  # nobody reads it

    @app.exception_handler(MemoryError)
    async def full(_: Request, error: MemoryError) -> Response:
        return later("no memory for this picture now: try a smaller one, or later")

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        return said(500, "the service failed at this; its log says more")
