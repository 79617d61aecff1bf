"""What comes in a request's body: read into memory, within limits, and never to disk."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from fast_nst.errors import UserError
from fast_nst.web.desk import Busy, Gone, Stopping, TooSlow

LEAST_RATE = 10_000  # bytes a second that an upload has to bring, on average
PATIENCE = 10.0  # seconds that it may lag behind
_SETTLED = 1.0  # seconds after which an upload's rate can be judged
_LOOK = 0.25  # seconds between looks at it
_MOST_FIELDS = 100
_PIECE = 2**16  # bytes of a form that are parsed at a time

# The parser's own log would go to standard error, a line for each damaged form.
logging.getLogger("python_multipart").addHandler(logging.NullHandler())


class TooManyBytes(UserError):
    """A body that is over the limit."""


class Dawdling(UserError):
    """A body that comes too slowly."""


@dataclass(frozen=True)
class Upload:
    """A request's body.

    Attributes:
        picture: The file in it.
        fields: What a form holds beside the file, name and value.
    """

    picture: bytes | bytearray
    fields: list[tuple[str, str]] = field(default_factory=list)


class _Coming:
    """A body on its way."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.body = bytearray()
        self.sent_away: type[Exception] | None = None

    @property
    def age(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.begun

    @property
    def rate(self) -> float:
        """Bytes a second so far."""
        return len(self.body) / max(self.age, 1e-3)

    @property
    def lags(self) -> bool:
        """Whether it is further behind than it may."""
        return len(self.body) < LEAST_RATE * (self.age - PATIENCE)


class Uploads:
    """The bodies on their way, of which there are never more than so many.

    Beyond that the slowest makes room, so that those who stall keep nobody out.

    Args:
        most: At a time.
        most_bytes: Taken of one.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._coming: set[_Coming] = set()

    async def read(self, request: Request, seconds: float) -> Upload:
        """The picture in a request: the body itself, or the one file of a multipart form.

        Args:
            request: Its body has not been read.
            seconds: That it may take.

        Raises:
            TooManyBytes: There are more than are taken.
            Dawdling: It comes too slowly.
            TooSlow: It took longer.
            Busy: Others come faster.
            Gone: It was broken off.
            Stopping: The service does not wait for it.
            UserError: There is none, or the form is damaged or holds something else.
        """
        until = time.monotonic() + seconds
        self._make_room()
        coming = _Coming()
        self._coming.add(coming)
        reading = asyncio.ensure_future(self._body(request, coming))
        try:
            while True:
                await asyncio.wait((reading,), timeout=_LOOK)
                if reading.done():
                    body = reading.result()
                    break
                if coming.sent_away:
                    raise coming.sent_away
                if time.monotonic() > until:
                    raise TooSlow
                if coming.lags:
                    raise Dawdling(
                        f"the upload comes too slowly: it has to bring {LEAST_RATE / 1000:g} kB a "
                        "second"
                    )
        finally:
            self._coming.discard(coming)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            try:
                return await asyncio.wait_for(
                    _form(request.headers, body), max(until - time.monotonic(), 0)
                )
            except asyncio.TimeoutError as error:
                raise TooSlow from error
        if not body:
            raise UserError("the request has no picture: send an image file as its body")
        return Upload(body)

    def stop(self) -> None:
        """Send all away."""
        for coming in self._coming:
            coming.sent_away = Stopping

    def _make_room(self) -> None:
        staying = [coming for coming in self._coming if coming.sent_away is None]
        if len(staying) < self._most:
            return
        settled = [coming for coming in staying if coming.age > _SETTLED]
        if not settled:
            raise Busy
        min(settled, key=lambda coming: coming.rate).sent_away = Busy

    async def _body(self, request: Request, coming: _Coming) -> bytearray:
        too_many = TooManyBytes(
            f"the upload has over {self._most_bytes / 1e6:,g} MB, the most that this service takes"
        )
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._most_bytes:
            raise too_many
        try:
            async for chunk in request.stream():
                coming.body += chunk
                if len(coming.body) > self._most_bytes:
                    raise too_many
        except ClientDisconnect as error:
            raise Gone from error
        return coming.body


class _InMemory(MultiPartParser):
    """Starlette's, whose files otherwise go to disk from a megabyte on."""

    spool_max_size = 2**62


async def _form(headers: Headers, body: bytearray) -> Upload:
    async def stream() -> AsyncGenerator[bytes]:
        for start in range(0, len(body), _PIECE):
            yield bytes(body[start : start + _PIECE])
            await asyncio.sleep(0)  # others are served meanwhile

    try:
        form = await _InMemory(headers, stream(), max_files=1, max_fields=_MOST_FIELDS).parse()
    except MultiPartException as error:
        raise UserError(
            f"the form cannot be read ({error.message.rstrip('.')}): send one file, and settings "
            "as fields or in the address"
        ) from error
    picture: bytes | None = None
    fields: list[tuple[str, str]] = []
    try:
        for name, item in form.multi_items():
            if isinstance(item, UploadFile):
                picture = await item.read()
            else:
                fields.append((name, item))
    finally:
        await form.close()
    if picture is None:
        raise UserError("the form has no file: send one image file in it")
    return Upload(picture, fields)
