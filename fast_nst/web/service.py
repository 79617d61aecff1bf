"""The HTTP service: the page's files, and an API that stylizes images."""

from __future__ import annotations

import asyncio
import contextlib
import time
import warnings
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from fast_nst.errors import FadeWarning, UserError, one_line
from fast_nst.pictures.read import TooManyPixels
from fast_nst.version import __version__
from fast_nst.web.backend import Backend, StyleKept
from fast_nst.web.file_upload import NotStored
from fast_nst.web.models import UnknownStyle
from fast_nst.web.page_file import PageFile, represent
from fast_nst.web.progress import JobExists, Progress, UnknownJob
from fast_nst.web.security import (
    RETRY_AFTER,
    AccessRefused,
    SecurityMiddleware,
    guard,
    has_access,
)
from fast_nst.web.settings import QuerySettings, Settings, check_name, first_error
from fast_nst.web.styles_api import styles_router
from fast_nst.web.stylizer_pool import MEDIA_TYPES
from fast_nst.web.training import NoTraining
from fast_nst.web.training_api import training_router
from fast_nst.web.upload import MASK, UploadTooLarge, UploadTooSlow
from fast_nst.web.video_api import video_router
from fast_nst.web.videos import UnknownVideo, VideoBusy, VideoExtraMissing, VideoUnfinished
from fast_nst.web.work_queue import ClientDisconnected, QueueFull, RequestTimeout, ShuttingDown

_FLAG = "start it with {} to allow it to everyone"
_CHUNK = 2**18  # bytes of a response that are sent at a time
_STATUS: Mapping[type[UserError], int] = {
    UploadTooSlow: 408,
    UploadTooLarge: 413,
    TooManyPixels: 413,
    UnknownStyle: 404,
    StyleKept: 409,
    UnknownJob: 404,
    JobExists: 409,
    NoTraining: 409,
    AccessRefused: 403,
    UnknownVideo: 404,
    VideoBusy: 409,
    VideoUnfinished: 409,
    VideoExtraMissing: 501,
    NotStored: 507,
}
_HTTP_ERRORS = {404: "not found, the page is at /", 405: "method not allowed, see /api.html"}
_RETRY_LATER: Mapping[type[Exception], str] = {
    QueueFull: "the service is busy: try again in a moment",
    RequestTimeout: "the request timed out: try a smaller image, or try again later",
    ShuttingDown: "the service is shutting down: try again later",
    MemoryError: "not enough memory for this image: try a smaller one, or try again later",
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_MASK = (
    "Image file of where to paint: white is painted, black left, grey a soft edge. It is stretched "
    "to the result's size. If it has transparent pixels, the mask is its alpha channel."
)
_ERROR = {
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"error": {"type": "string"}}}
        }
    }
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The stylized image.",
        "content": dict.fromkeys(MEDIA_TYPES.values(), _BINARY),
    },
    400: {"description": "The image or a parameter is invalid.", **_ERROR},
    404: {"description": "The style is unknown.", **_ERROR},
    409: {"description": "A running request has this job.", **_ERROR},
    413: {"description": "The image has too many bytes or pixels.", **_ERROR},
    "4XX": {"description": "The request is rejected for another reason.", **_ERROR},
    503: {"description": "Busy or timed out; retry after `Retry-After` seconds.", **_ERROR},
}
_BODY = {
    "requestBody": {
        "required": True,
        "description": "An image file; or a form with one, perhaps a mask, and parameters.",
        "content": {
            "image/*": _BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "image": _BINARY["schema"],
                        MASK: {**_BINARY["schema"], "description": _MASK},
                        **Settings.model_json_schema()["properties"],
                    },
                }
            },
        },
    }
}


class ChunkedResponse(Response):
    """A response sent in chunks as its client reads, rather than buffered whole."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        body = memoryview(self.body)
        for first in range(0, len(body), _CHUNK):
            chunk = bytes(body[first : first + _CHUNK])
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def make_app(
    backend: Backend,
    files: Mapping[str, PageFile],
    names: tuple[str, ...] = (),
    runs_wasm: bool = False,
) -> SecurityMiddleware:
    """Create the ASGI application.

    Args:
        backend: Its resources, which it starts and stops.
        files: The page's files by path; no other file is ever sent.
        names: See `SecurityMiddleware`.
        runs_wasm: See `security.content_security_policy`.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FadeWarning)  # the page marks styles that fade
            await asyncio.to_thread(backend.decoders.start)
            yield
        backend.stop()

    app = FastAPI(
        title="fast_nst",
        version=__version__,
        description="Neural style transfer in milliseconds.",
        docs_url=None,  # FastAPI's page loads scripts from a CDN
        redoc_url=None,
        redirect_slashes=False,  # a redirect would lose a proxy's prefix
        lifespan=lifespan,
    )
    _add_error_handlers(app)
    _add_api(app, backend)
    trains = Depends(guard(backend.training_access, _FLAG.format("--allow-training")))
    app.include_router(training_router(backend, _disconnected), dependencies=[trains])
    removes = Depends(guard(backend.removal_access, "run fast-nst styles remove there"))
    app.include_router(styles_router(backend), dependencies=[removes])
    films = Depends(guard(backend.video_access, _FLAG.format("--allow-videos")))
    app.include_router(video_router(backend), dependencies=[films])

    @app.head("/healthz", include_in_schema=False)
    @app.get("/healthz", summary="Status of the service, and how many of its slots are taken")
    async def healthz() -> dict[str, Any]:
        slots = {"places": backend.limits.slots, "taken": backend.queue.taken}
        return {"status": "ok", "version": __version__, **slots}

    @app.api_route("/{path:path}", methods=["GET", "HEAD"], include_in_schema=False)
    async def page(path: str, request: Request) -> Response:
        file = files.get(path or "index.html")
        if file is None:
            raise HTTPException(404)
        status, body, headers = await asyncio.to_thread(represent, file, request.headers)
        return ChunkedResponse(body, status, headers)

    return SecurityMiddleware(app, names, runs_wasm)


def _add_api(app: FastAPI, backend: Backend) -> None:
    stylizers, queue, timeout = backend.stylizers, backend.queue, backend.limits.seconds

    @app.head("/api/styles", include_in_schema=False)
    @app.get("/api/styles", summary="List the styles, the user's own first")
    async def styles(request: Request) -> list[dict[str, Any]]:
        models = sorted(backend.models.values(), key=lambda model: not model.is_own)
        removes = has_access(backend.removal_access, request)
        return [model.described(removes) for model in models if model.is_listed]

    @app.get("/api/stylize", include_in_schema=False)
    @app.head("/api/stylize", include_in_schema=False)
    async def post_only() -> Response:
        raise HTTPException(405, headers={"Allow": "POST"})

    @app.post(
        "/api/stylize",
        summary="Stylize an image",
        response_class=Response,
        responses=_RESPONSES,
        openapi_extra=_BODY,
    )
    async def stylize(request: Request, settings: Annotated[QuerySettings, Query()]) -> Response:
        for name in request.query_params:
            check_name(name, QuerySettings)
        stylizers.check(settings.request())
        deadline = time.monotonic() + timeout
        queue.check()  # before the upload, which would be in vain
        with backend.jobs.run(settings.job) as job:
            upload = await backend.uploads.read(request, timeout)
            wanted = settings.with_fields(upload.fields).request()
            stylizers.check(wanted)
            if wanted.outside is not None and upload.second is None:
                raise UserError(
                    f"outside is given without a mask: add a file named {MASK} to the form"
                )
            painting = await queue.run(
                lambda cancelled: stylizers.paint(
                    upload.image, wanted, cancelled, upload.second, job
                ),
                max(deadline - time.monotonic(), 0),
                lambda: _disconnected(request),
            )
        timing = {"Server-Timing": f"paint;dur={painting.milliseconds:.1f}"}
        return ChunkedResponse(painting.data, media_type=painting.media_type, headers=timing)

    @app.get(
        "/api/progress/{job}",
        summary="Progress of a running request that has this job",
        responses={404: {"description": "No running request has it.", **_ERROR}},
    )
    async def progress(
        job: Annotated[str, PathParameter(description="identifier given to /api/stylize")],
        response: Response,
    ) -> Progress:
        response.headers["Cache-Control"] = "no-store"
        return backend.jobs.progress(job)


async def _disconnected(request: Request) -> None:
    """Return when the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _add_error_handlers(app: FastAPI) -> None:
    """Respond to every exception with JSON that has one line under `error`."""

    def respond(status: int, line: str, headers: Mapping[str, str] | None = None) -> Response:
        return JSONResponse({"error": line}, status, headers)

    @app.exception_handler(UserError)
    async def user_error(_: Request, error: UserError) -> Response:
        return respond(_STATUS.get(type(error), 400), one_line(error))

    @app.exception_handler(RequestValidationError)
    async def validation_error(_: Request, error: RequestValidationError) -> Response:
        return respond(400, first_error(error.errors()))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        reason = _HTTP_ERRORS.get(error.status_code, "request rejected")
        line = f"{request.method} {request.url.path}: {reason}"
        return respond(error.status_code, line, error.headers)

    for kind, line in _RETRY_LATER.items():

        async def unavailable(_: Request, error: Exception, line: str = line) -> Response:
            return respond(503, line, {"Retry-After": str(RETRY_AFTER)})

        app.add_exception_handler(kind, unavailable)

    @app.exception_handler(ClientDisconnected)
    async def disconnected(_: Request, error: ClientDisconnected) -> Response:
        return respond(499, "the client closed the connection")  # not delivered

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        return respond(500, "internal error: see the service's log")
