"""The service's endpoints for a style of the user's own: start, follow, stop and cancel."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from PIL import Image
from pydantic import BaseModel, Field, ValidationError

from fast_nst.errors import UserError, choose
from fast_nst.pictures.edit import flatten, resize_longest, to_image
from fast_nst.pictures.read import MIN_STYLE_SIDE
from fast_nst.web.access import Access
from fast_nst.web.backend import Backend
from fast_nst.web.decoder_worker import Decode
from fast_nst.web.security import AccessRefused
from fast_nst.web.settings import first_error
from fast_nst.web.training import DEFAULT_MINUTES, MAX_MINUTES, Order, missing
from fast_nst.web.training_state import StartedTraining, TrainingState
from fast_nst.web.work_queue import RequestTimeout

_PHOTO = "photo"  # name of the photograph's file in the form
_PAINTING_SIZE, _PHOTO_SIZE = 2048, 1024  # px, longer side
_MAX_ASPECT = 4  # of a painting; a longer one would need gigabytes
_FILE = {"type": "string", "format": "binary"}


class TrainingSettings(BaseModel):
    """Fields of the form that starts a training."""

    name: Annotated[str, Field(description="title of the style; its name is made of it")] = ""
    minutes: Annotated[
        float, Field(ge=1, le=MAX_MINUTES, description="of training; start and export are extra")
    ] = DEFAULT_MINUTES


_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image", "name"],
                    "properties": {
                        "image": {**_FILE, "description": "the painting"},
                        _PHOTO: {**_FILE, "description": "photograph for the live paintings"},
                        **TrainingSettings.model_json_schema()["properties"],
                    },
                }
            }
        },
    }
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "The painting or a field is invalid."},
    403: {"description": "This service does not train for this client."},
    409: {"description": "A training runs already."},
    501: {"description": "What training needs is not installed."},
}


def training_router(
    backend: Backend, disconnected: Callable[[Request], Awaitable[None]]
) -> APIRouter:
    """The endpoints below /api/training.

    Args:
        backend: Its resources.
        disconnected: Returns when a request's client has closed the connection.
    """
    router = APIRouter(prefix="/api/training")
    training, timeout = backend.training, backend.limits.seconds

    async def check_token(
        token: Annotated[str, Query(description="as in the answer to the start")] = "",
    ) -> None:
        if backend.training_access is Access.ALL and not training.is_token(token):
            raise AccessRefused("this is for whoever started the training: give its token")

    has_token = [Depends(check_token)]

    @router.get("", summary="The state of the last training")
    async def state() -> TrainingState:
        return training.state()

    @router.post(
        "",
        summary="Train a style on a painting",
        status_code=202,
        response_model=StartedTraining,
        responses=_RESPONSES,
        openapi_extra=_FORM,
    )
    async def start(request: Request) -> StartedTraining | Response:
        if missing():
            return JSONResponse({"error": f"training needs more packages: {missing()}"}, 501)
        deadline = time.monotonic() + timeout
        training.check_idle()
        backend.queue.check()
        upload = await backend.uploads.read(request, timeout, _PHOTO)
        settings = _settings(upload.fields)
        training.check(settings.name)

        def begin(cancelled: threading.Event) -> str:
            most = backend.limits.max_pixels

            def decoded(data: bytes | bytearray) -> Image.Image:
                task = Decode(upload=data, most=most, size=None, stroke_scale=1)
                image = flatten(to_image(backend.decoders.decode(task, cancelled)))
                image.info.clear()  # EXIF data say where and when
                return image

            painting = checked_painting(decoded(upload.image))
            photo = None if upload.second is None else _reduced(decoded(upload.second), _PHOTO_SIZE)
            order = Order(
                title=settings.name, painting=painting, photo=photo, minutes=settings.minutes
            )
            if cancelled.is_set():  # its client was told so
                raise RequestTimeout
            return training.start(order)

        remaining = max(deadline - time.monotonic(), 0)
        token = await backend.queue.run(begin, remaining, lambda: disconnected(request))
        return StartedTraining(**asdict(training.state()), token=token)

    @router.get(
        "/painting",
        summary="The latest live painting",
        response_class=Response,
        dependencies=has_token,
    )
    async def painting() -> Response:
        data = await asyncio.to_thread(training.painting)
        if not data:
            return JSONResponse({"error": "there is no live painting yet"}, 404)
        return Response(data, media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    @router.post(
        "/stop", summary="End the training, and keep the style as it is", dependencies=has_token
    )
    async def stop() -> TrainingState:
        await asyncio.to_thread(training.stop)
        return training.state()

    @router.post(
        "/cancel", summary="End the training, and remove what it wrote", dependencies=has_token
    )
    async def cancel() -> TrainingState:
        await asyncio.to_thread(training.cancel)
        return training.state()

    return router


def checked_painting(image: Image.Image) -> Image.Image:
    """A painting as training takes it: a copy with sides of at most 2,048 px.

    Args:
        image: "RGB".

    Raises:
        UserError: It is too small or too long, or has a single colour.
    """
    width, height = image.size
    if max(width, height) > _MAX_ASPECT * min(width, height):
        raise UserError(
            f"the painting is {width}x{height} px: its longer side may be {_MAX_ASPECT} times the "
            "shorter one, crop it"
        )
    reduced = _reduced(image, _PAINTING_SIZE)
    if min(reduced.size) < MIN_STYLE_SIDE:
        raise UserError(
            f"the painting is {width}x{height} px: both sides must have at least "
            f"{MIN_STYLE_SIDE} px"
        )
    if not np.ptp(np.asarray(reduced), axis=(0, 1)).any():
        raise UserError("the painting has a single color: give one with brush strokes")
    return reduced


def _reduced(image: Image.Image, size: int) -> Image.Image:
    return resize_longest(image, size) if max(image.size) > size else image


def _settings(fields: list[tuple[str, str]]) -> TrainingSettings:
    given: dict[str, str] = {}
    for name, value in fields:
        choose("field", name, sorted(TrainingSettings.model_fields))
        if value:
            given[name] = value
    try:
        return TrainingSettings.model_validate(given)
    except ValidationError as error:
        raise UserError(first_error(error.errors())) from error
