"""What comes in a request's body: read into memory, within a limit, and never to disk."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from fast_nst.errors import UserError


class TooManyBytes(UserError):
    """A body that is over the limit."""


async def read_upload(request: Request, most: int) -> bytes:
    """The picture's file in a request: the body itself, or the one file of a multipart form.

    Args:
        request: Its body has not been read.
        most: Bytes taken.

    Raises:
        TooManyBytes: There are more.
        UserError: There is none, or the form is damaged or holds something else.
    """
    too_many = TooManyBytes(
        f"the upload has over {most / 1e6:,g} MB, the most that this service takes"
    )
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise too_many
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise too_many
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return await _file_of(request, bytes(body))
    if not body:
        raise UserError("the request has no picture: send an image file as its body")
    return bytes(body)


class _InMemory(MultiPartParser):
    """Starlette's, whose files otherwise go to disk from a megabyte on."""

    spool_max_size = 2**62


async def _file_of(request: Request, body: bytes) -> bytes:
    async def stream() -> AsyncIterator[bytes]:
        yield body

    try:
        form = await _InMemory(request.headers, stream(), max_files=1, max_fields=0).parse()  # type: ignore[arg-type]
    except MultiPartException as error:
        raise UserError(
            f"the form cannot be read ({error.message.rstrip('.')}): send one file, and settings "
            "in the address"
        ) from error
    try:
        for _, item in form.multi_items():
            if isinstance(item, UploadFile):
                return await item.read()
    finally:
        await form.close()
    raise UserError("the form has no file: send one image file in it")
