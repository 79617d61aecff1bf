"""Reading of large request bodies into files, within limits of size and speed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request

from fast_nst.errors import UserError
from fast_nst.web.upload import Transfer


class NotStored(UserError):
    """A body that the disk has no room for."""


async def receive_file(
    request: Request, target: Path, max_bytes: int, check: Callable[[], None]
) -> None:
    """Write the body of a request to a file.

    Args:
        request: A request whose body has not been read.
        target: The file to write; a part of it may be left after an error.
        max_bytes: Maximum size of the body.
        check: See `Transfer.read`.

    Raises:
        NotStored: The file cannot be written.
        UserError: The body is empty, or a form.
        Exception: See `Transfer.read`.
    """
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise UserError("the request has a form: send the file itself as its body")
    try:
        with target.open("wb") as file:

            async def write(chunk: bytes) -> None:
                await asyncio.to_thread(file.write, chunk)

            await Transfer().read(request, max_bytes, write, check)
            size = file.tell()
    except OSError as error:
        raise NotStored(f"cannot store the upload: {error.strerror}") from error
    if not size:
        raise UserError("the request has no file: send one as its body")
