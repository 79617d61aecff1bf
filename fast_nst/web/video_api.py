"""The HTTP API of films."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from fastapi.responses import FileResponse

from fast_nst.web.backend import Backend
from fast_nst.web.settings import VideoSettings, check_name
from fast_nst.web.videos import VideoStatus

_FILM = {"schema": {"type": "string", "format": "binary"}}
_BODY = {
    "requestBody": {
        "required": True,
        "description": "The file of a film, or of an animated GIF or WebP.",
        "content": {"video/*": _FILM},
    }
}
_UNKNOWN = {"description": "There is no such film, or not any more."}
_Identifier = Annotated[str, Path(description="identifier of the film")]


def video_router(backend: Backend) -> APIRouter:
    """The endpoints below /api/videos."""
    router = APIRouter(prefix="/api/videos")
    videos = backend.videos

    @router.get("", include_in_schema=False)
    @router.head("", include_in_schema=False)
    async def post_only() -> Response:
        raise HTTPException(405, headers={"Allow": "POST"})

    @router.post(
        "",
        summary="Begin to stylize a film, which then goes on in the background",
        status_code=202,
        responses={
            202: {"description": "The identifier of the film, as `id`."},
            400: {"description": "The body or a parameter is invalid."},
            403: {"description": "The service paints no films for this client."},
            404: {"description": "The style is unknown."},
            409: {"description": "Another film is being painted, or has this identifier."},
            413: {"description": "The film has too many bytes."},
            501: {"description": "The video extra is not installed."},
            507: {"description": "There is no room for the film on the disk."},
        },
        openapi_extra=_BODY,
    )
    async def begin(
        request: Request, settings: Annotated[VideoSettings, Query()]
    ) -> dict[str, str]:
        for name in request.query_params:
            check_name(name, VideoSettings)
        videos.check()
        wanted = settings.request()
        backend.stylizers.check(wanted)
        return {"id": await videos.receive(request, wanted, settings.id)}

    @router.get(
        "/{name}",
        summary="State of a film: waiting, painting, done or failed",
        responses={404: _UNKNOWN},
    )
    async def status(name: _Identifier, response: Response) -> VideoStatus:
        response.headers["Cache-Control"] = "no-store"
        return videos.status(name)

    @router.get(
        "/{name}/result",
        summary="The stylized film, kept for an hour",
        response_class=FileResponse,
        responses={
            200: {"description": "An MP4 file.", "content": {"video/mp4": _FILM}},
            404: _UNKNOWN,
            409: {"description": "The film is not done, or failed."},
        },
    )
    async def result(name: _Identifier) -> FileResponse:
        path = videos.result(name)
        headers = {"Cache-Control": "no-store"}
        return FileResponse(path, media_type="video/mp4", filename=path.name, headers=headers)

    @router.delete(
        "/{name}",
        summary="Cancel a film, even while it is uploaded, and delete its files",
        status_code=204,
        responses={204: {"description": "The film is deleted."}, 404: _UNKNOWN},
    )
    async def remove(name: _Identifier) -> None:
        await asyncio.to_thread(videos.remove, name)

    return router
