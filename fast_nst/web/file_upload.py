"""Reading of large request bodies into files, within limits of size and speed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from starlette.requests import ClientDisconnect, Request

from fast_nst.errors import UserError
from fast_nst.web.upload import GRACE_PERIOD, MIN_RATE, UploadTooLarge, UploadTooSlow
from fast_nst.web.work_queue import ClientDisconnected, ShuttingDown

_POLL_SECONDS = 0.25  # between checks of an upload


class NotStored(UserError):
    """A body that the disk has no room for."""


async def receive_file(
    request: Request, target: Path, max_bytes: int, is_stopped: Callable[[], bool]
) -> None:
    """Write the body of a request to a file.

    Args:
        request: A request whose body has not been read.
        target: The file to write; a part of it may be left after an error.
        max_bytes: Maximum size of the body.
        is_stopped: Whether the service is shutting down.

    Raises:
        UploadTooLarge: The body has more than `max_bytes`.
        UploadTooSlow: The body arrives below `upload.MIN_RATE`.
        NotStored: The file cannot be written.
        ClientDisconnected: The client closed the connection.
        ShuttingDown: `is_stopped` returned true.
        UserError: The body is empty, or a form.
    """
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise UserError("the request has a form: send the file itself as its body")
    too_large = UploadTooLarge(
        f"the upload has over {max_bytes / 1e6:,g} MB, the maximum of this service"
    )
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise too_large
    size, started = 0, time.monotonic()

    async def write() -> None:
        nonlocal size
        with target.open("wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > max_bytes:
                    raise too_large
                await asyncio.to_thread(file.write, chunk)

    writing = asyncio.ensure_future(write())
    try:
        while not writing.done():
            if is_stopped():
                raise ShuttingDown
            if size < MIN_RATE * (time.monotonic() - started - GRACE_PERIOD):
                raise UploadTooSlow(
                    f"the upload is too slow: the minimum is {MIN_RATE / 1000:g} kB/s"
                )
            await asyncio.wait((writing,), timeout=_POLL_SECONDS)
        writing.result()
    except ClientDisconnect as error:
        raise ClientDisconnected from error
    except OSError as error:
        raise NotStored(f"cannot store the upload: {error.strerror}") from error
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    if not size:
        raise UserError("the request has no file: send one as its body")
