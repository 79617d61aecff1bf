"""uvicorn with limits on the number of connections and on the time that they take."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import socket
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from fast_nst.web.security import SecurityMiddleware

HEAD_TIMEOUT = 10.0  # seconds for the whole head of a request
_READ_TIMEOUT = 60.0  # seconds in which a client has to read `_MIN_READ` bytes of a response
_MIN_READ = 60_000
_SLOW_AFTER = 1.0  # seconds of a full write buffer after which a client counts as slow


class Connection(H11Protocol):
    """A connection that is closed if it sends its request's head or reads its response too slowly.

    Above the limit, a new connection replaces the one that has waited longest for a head, or else
    the one whose client has been slow to read for longest. Clients that hold connections open
    therefore cannot block others.

    Args:
        app: The application.
        max_connections: Connections at a time.
        uvicorn_options: Arguments of uvicorn's own protocol class.
    """

    def __init__(
        self, app: SecurityMiddleware, max_connections: int, **uvicorn_options: Any
    ) -> None:
        super().__init__(**uvicorn_options)
        self._middleware = app
        self._max_connections = max_connections
        self._head_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None
        self._paused_at: float | None = None

    @property
    def _awaits_head(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def _is_open(self) -> bool:
        """Whether it uses resources; a closing connection does until its client has read all."""
        return not self.transport.is_closing() or self.transport.get_write_buffer_size() > 0

    @property
    def _idle_since(self) -> float | None:
        """Since when it has waited for its client; None if the client waits for it."""
        if self._head_timer is not None and not self.transport.get_write_buffer_size():
            return self._head_timer.when() - HEAD_TIMEOUT
        if self._paused_at is not None and self.loop.time() - self._paused_at > _SLOW_AFTER:
            return self._paused_at
        return None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection; above the limit, close another one or respond with status 503."""
        super().connection_made(transport)
        others = [c for c in self.connections if isinstance(c, Connection) and c is not self]
        others = [c for c in others if c._is_open]
        if len(others) >= self._max_connections:
            idle = [
                (c._paused_at is not None, since, c) for c in others if (since := c._idle_since)
            ]
            if idle:
                min(idle, key=lambda entry: entry[:2])[2].abort()
            else:
                self.app: ASGIApp = self._middleware.too_many_connections
        self._update_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers."""
        for timer in (self._head_timer, self._read_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Update the timer once a head is complete."""
        super().data_received(data)
        self._update_head_timer()

    def on_response_complete(self) -> None:
        """Start the timer for the next request."""
        super().on_response_complete()
        self._update_head_timer()

    def _update_head_timer(self) -> None:
        """Time a head from the previous response; partial data does not restart the timer."""
        if self._awaits_head and self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT, self.transport.close)
        elif not self._awaits_head and self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def pause_writing(self) -> None:
        """Start timing the client: the write buffer is full."""
        super().pause_writing()
        self._paused_at = self.loop.time()
        self._start_read_timer()

    def _start_read_timer(self) -> None:
        before = self.transport.get_write_buffer_size()

        def on_timeout() -> None:
            if before - self.transport.get_write_buffer_size() < _MIN_READ:
                self.abort()
            else:
                self._start_read_timer()

        self._read_timer = self.loop.call_later(_READ_TIMEOUT, on_timeout)

    def resume_writing(self) -> None:
        """Stop timing the client: the write buffer has room again."""
        super().resume_writing()
        self._paused_at = None
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def abort(self) -> None:
        """Close it at once, without sending what is buffered."""
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Reject invalid HTTP with JSON and the security headers, like any other error."""
        body = json.dumps({"error": msg}).encode()
        headers = {
            **self._middleware.headers,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
        with contextlib.suppress(h11.LocalProtocolError):  # a response has already begun
            for event in (
                h11.Response(status_code=400, headers=list(headers.items()), reason="Bad Request"),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class Server(uvicorn.Server):
    """A uvicorn server that shuts down within a grace period, at once on a second Ctrl-C.

    Args:
        app: The application.
        max_connections: Connections at a time.
        grace: Seconds that running requests get on shutdown.
        stop: Rejects the requests that still run after them.
    """

    def __init__(
        self,
        app: SecurityMiddleware,
        max_connections: int,
        grace: float,
        stop: Callable[[], None],
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=functools.partial(Connection, app, max_connections),  # type: ignore[arg-type]
                ws="none",
                log_level="error",  # no line for each invalid request
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=round(grace) + 3,
            )
        )
        self._grace = grace
        self._stop = stop
        self._loop: asyncio.AbstractEventLoop | None = None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait for running requests; reject them after the grace period."""
        self._loop = asyncio.get_running_loop()
        self._loop.call_later(self._grace, self._reject_all)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Shut down on the first signal; on the second one, without the grace period."""
        if self.should_exit and self._loop is not None:
            self._loop.call_soon_threadsafe(self._reject_all)
        else:
            super().handle_exit(sig, frame)

    def _reject_all(self) -> None:
        self._stop()
        asyncio.get_running_loop().call_later(1, self._abort_all)  # time to send the responses

    def _abort_all(self) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, Connection):
                connection.abort()
