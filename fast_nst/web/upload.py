"""Reading of request bodies: into memory, never to disk, within limits of size and time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from fast_nst.errors import UserError
from fast_nst.web.work_queue import ClientDisconnected, QueueFull, RequestTimeout, ShuttingDown

MIN_RATE = 10_000  # average bytes per second of an upload
GRACE_PERIOD = 10.0  # seconds that an upload may be behind `MIN_RATE`
_MIN_AGE = 1.0  # seconds after which an upload may be cancelled for a faster one
_POLL_SECONDS = 0.25  # between checks of an upload
MASK = "mask"  # name of the mask's file in a form
_MAX_FIELDS = 100
_CHUNK = 2**16  # bytes of a form that are parsed at a time

# Without a handler, the parser logs a line to standard error for each damaged form.
logging.getLogger("python_multipart").addHandler(logging.NullHandler())


class UploadTooLarge(UserError):
    """A body with more bytes than the service accepts."""


class UploadTooSlow(UserError):
    """A body that arrives below `MIN_RATE`."""


@dataclass(frozen=True)
class Upload:
    """A request's body.

    Attributes:
        image: The image file.
        fields: Name and value of a form's other fields.
        second: The other file of a form, such as the mask; None without one.
    """

    image: bytes | bytearray
    fields: list[tuple[str, str]] = field(default_factory=list)
    second: bytes | None = None


class Transfer:
    """The body of a request on its way.

    Attributes:
        rejection: Raised by `read`, if it is set meanwhile.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._size = 0
        self.rejection: type[Exception] | None = None

    @property
    def age(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self._started

    @property
    def rate(self) -> float:
        """Average bytes per second."""
        return self._size / max(self.age, 1e-3)

    async def read(
        self,
        request: Request,
        max_bytes: int,
        write: Callable[[bytes], Awaitable[object]],
        check: Callable[[], None],
    ) -> None:
        """Read the body, once.

        Args:
            request: A request whose body has not been read.
            max_bytes: Maximum size of the body.
            write: Called with each part of it.
            check: Called several times a second; what it raises ends the reading.

        Raises:
            UploadTooLarge: The body has more than `max_bytes`.
            UploadTooSlow: It arrives below `MIN_RATE`, by more than the grace period.
            ClientDisconnected: The client closed the connection.
            Exception: See `rejection`, `write` and `check`.
        """
        reading = asyncio.ensure_future(self._read(request, max_bytes, write))
        try:
            while not reading.done():
                if self.rejection:
                    raise self.rejection
                check()
                if self._size < MIN_RATE * (self.age - GRACE_PERIOD):
                    raise UploadTooSlow(
                        f"the upload is too slow: the minimum is {MIN_RATE / 1000:g} kB/s"
                    )
                await asyncio.wait((reading,), timeout=_POLL_SECONDS)
            reading.result()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(
        self, request: Request, max_bytes: int, write: Callable[[bytes], Awaitable[object]]
    ) -> None:
        too_large = UploadTooLarge(
            f"the upload has over {max_bytes / 1e6:,g} MB, the maximum of this service"
        )
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > max_bytes:
            raise too_large
        try:
            async for chunk in request.stream():
                self._size += len(chunk)
                if self._size > max_bytes:
                    raise too_large
                await write(chunk)
        except ClientDisconnect as error:
            raise ClientDisconnected from error


class UploadReader:
    """Reads request bodies, a limited number at a time.

    Above the limit, the slowest upload is rejected in favour of a new one, so that stalled
    uploads cannot block others.

    Args:
        max_uploads: Uploads at a time.
        max_bytes: Size of an upload.
    """

    def __init__(self, max_uploads: int, max_bytes: int) -> None:
        self._max_uploads = max_uploads
        self._max_bytes = max_bytes
        self._transfers: set[Transfer] = set()

    async def read(self, request: Request, timeout: float, second: str = MASK) -> Upload:
        """Read the image of a request: its body, or a file of its form; and the form's second file.

        Args:
            request: A request whose body has not been read.
            timeout: In seconds.
            second: Name of the second file in a form.

        Raises:
            UploadTooLarge: The body has more than `max_bytes`.
            UploadTooSlow: The body arrives below `MIN_RATE`.
            RequestTimeout: The body was not read in time.
            QueueFull: There are too many uploads, and the others are faster.
            ClientDisconnected: The client closed the connection.
            ShuttingDown: `stop` was called.
            UserError: The body is empty, or the form is damaged or has not exactly one
                image, and at most one second file.
        """
        deadline = time.monotonic() + timeout
        self._make_room()
        transfer, body = Transfer(), bytearray()

        async def write(chunk: bytes) -> None:
            body.extend(chunk)

        def check() -> None:
            if time.monotonic() > deadline:
                raise RequestTimeout

        self._transfers.add(transfer)
        try:
            await transfer.read(request, self._max_bytes, write, check)
        finally:
            self._transfers.discard(transfer)
        if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            try:
                return await asyncio.wait_for(
                    _parse_form(request.headers, body, second), max(deadline - time.monotonic(), 0)
                )
            except asyncio.TimeoutError as error:
                raise RequestTimeout from error
        if not body:
            raise UserError("the request has no image: send an image file as its body")
        return Upload(body)

    def stop(self) -> None:
        """Reject all uploads."""
        for transfer in self._transfers:
            transfer.rejection = ShuttingDown

    def _make_room(self) -> None:
        active = [transfer for transfer in self._transfers if transfer.rejection is None]
        if len(active) < self._max_uploads:
            return
        candidates = [transfer for transfer in active if transfer.age > _MIN_AGE]
        if not candidates:
            raise QueueFull
        min(candidates, key=lambda transfer: transfer.rate).rejection = QueueFull


class _InMemoryParser(MultiPartParser):
    """Starlette's parser without temporary files, which it uses from 1 MB on."""

    spool_max_size = 2**62


async def _parse_form(headers: Headers, body: bytearray, second: str) -> Upload:
    async def stream() -> AsyncGenerator[bytes]:
        for start in range(0, len(body), _CHUNK):
            yield bytes(body[start : start + _CHUNK])
            await asyncio.sleep(0)  # let the event loop serve other requests

    try:
        form = await _InMemoryParser(headers, stream(), max_files=2, max_fields=_MAX_FIELDS).parse()
    except MultiPartException as error:
        raise UserError(
            f"the form is invalid ({error.message.rstrip('.')}): send one image file, at most one "
            f"file named {second}, and settings as fields or in the URL"
        ) from error
    images: list[bytes] = []
    others: list[bytes] = []
    fields: list[tuple[str, str]] = []
    try:
        for name, item in form.multi_items():
            if not isinstance(item, UploadFile):
                fields.append((name, item))
            elif name != second:
                images.append(await item.read())
            elif item.filename or item.size:  # a browser sends both empty if no file is chosen
                others.append(await item.read())
    finally:
        await form.close()
    if any(name == second for name, _ in fields):
        raise UserError(f"{second} is a text: send it as a file of the form")
    if not images:
        raise UserError("the form has no image: add an image file to it")
    if len(images) > 1 or len(others) > 1:
        raise UserError(
            f"the form has {len(images)} images and {len(others)} {second}s: send one image, "
            f"and at most one file named {second}"
        )
    return Upload(images[0], fields, others[0] if others else None)
