"""The service's endpoint that removes a style of the user's own."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from fast_nst.web.backend import Backend


def styles_router(backend: Backend) -> APIRouter:
    """The endpoints below /api/styles that change the styles."""
    router = APIRouter(prefix="/api/styles")

    @router.delete(
        "/{name}",
        summary="Remove a style from the user's folder",
        status_code=204,
        responses={
            204: {"description": "The style is removed."},
            403: {"description": "Only the users of the service's machine may remove styles."},
            404: {"description": "The style is unknown."},
            409: {"description": "The style is not in the user's folder."},
        },
    )
    async def remove(name: Annotated[str, Path(description="name of the style")]) -> None:
        backend.remove_style(name)

    return router
