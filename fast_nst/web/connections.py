"""uvicorn's connections with bounds: in number, and in the time that they may take."""

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

from fast_nst.web.guard import Guard

HEAD_SECONDS = 10.0  # for the whole head of a request
_TAKING_SECONDS = 60.0  # in which an answer's reader has to take so many bytes
_LEAST_TAKEN = 60_000
_SETTLED = 1.0  # seconds after which a reader can be said to be slow


class Connection(H11Protocol):
    """A connection that brings whole heads in time, takes its answers, or is closed.

    Among too many, the one that has been waiting longest for a head makes room, or else for its
    reader, so that those who hold connections keep nobody out.

    Args:
        guard: The application; its headers and its word on too many connections are used here.
        most: Connections at a time.
        given: What uvicorn gives its own.
    """

    def __init__(self, guard: Guard, most: int, **given: Any) -> None:
        super().__init__(**given)
        self._guard = guard
        self._most = most
        self._head_due: asyncio.TimerHandle | None = None
        self._taking_due: asyncio.TimerHandle | None = None
        self._paused: float | None = None

    @property
    def _awaits_head(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def _is_there(self) -> bool:
        """Whether it still takes something: what is closed may have to be read first."""
        return not self.transport.is_closing() or self.transport.get_write_buffer_size() > 0

    @property
    def _idle_since(self) -> float | None:
        """When it began to wait for a head, or else for its reader; None if others wait for it."""
        if self._head_due is not None and not self.transport.get_write_buffer_size():
            return self._head_due.when() - HEAD_SECONDS
        if self._paused is not None and self.loop.time() - self._paused > _SETTLED:
            return self._paused
        return None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let it in, in place of another if there are too many."""
        super().connection_made(transport)
        others = [c for c in self.connections if isinstance(c, Connection) and c is not self]
        others = [c for c in others if c._is_there]
        if len(others) >= self._most:
            idle = [(c._paused is not None, since, c) for c in others if (since := c._idle_since)]
            if idle:
                min(idle, key=lambda found: found[:2])[2].drop()
            else:
                self.app: ASGIApp = self._guard.too_many
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget its times."""
        for timer in (self._head_due, self._taking_due):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what comes."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._look()

    def _look(self) -> None:
        """A head is due from the end of the request before it, however much of it comes."""
        if self._awaits_head and self._head_due is None:
            self._head_due = self.loop.call_later(HEAD_SECONDS, self.transport.close)
        elif not self._awaits_head and self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def pause_writing(self) -> None:
        """An answer waits for its reader."""
        super().pause_writing()
        self._paused = self.loop.time()
        self._watch_taking()

    def _watch_taking(self) -> None:
        before = self.transport.get_write_buffer_size()

        def look() -> None:
            if before - self.transport.get_write_buffer_size() < _LEAST_TAKEN:
                self.drop()
            else:
                self._watch_taking()

        self._taking_due = self.loop.call_later(_TAKING_SECONDS, look)

    def resume_writing(self) -> None:
        """The reader has come up."""
        super().resume_writing()
        self._paused = None
        if self._taking_due is not None:
            self._taking_due.cancel()
            self._taking_due = None

    def drop(self) -> None:
        """Close it, whatever is under way."""
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, as everything is refused."""
        body = json.dumps({"error": msg}).encode()
        headers = {
            **self._guard.headers,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
        with contextlib.suppress(h11.LocalProtocolError):  # an answer is under way already
            for event in (
                h11.Response(status_code=400, headers=list(headers.items()), reason="Bad Request"),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class Server(uvicorn.Server):
    """A server that ends soon after Ctrl-C, and at once after the second.

    Args:
        guard: The application.
        most: Connections at a time.
        grace: Seconds that running requests get in the end.
        stop: Sends away those who still wait then.
    """

    def __init__(self, guard: Guard, most: int, grace: float, stop: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                guard,
                http=functools.partial(Connection, guard, most),  # type: ignore[arg-type]
                ws="none",
                log_level="error",  # what others send is no news
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=round(grace) + 3,
            )
        )
        self._grace = grace
        self._stop = stop
        self._loop: asyncio.AbstractEventLoop | None = None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let running requests end; send them away when the grace is over."""
        self._loop = asyncio.get_running_loop()
        self._loop.call_later(self._grace, self._send_away)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Ctrl-C: the first begins the end, the second hurries it."""
        if self.should_exit and self._loop is not None:
            self._loop.call_soon_threadsafe(self._send_away)
        else:
            super().handle_exit(sig, frame)

    def _send_away(self) -> None:
        self._stop()
        asyncio.get_running_loop().call_later(1, self._drop_all)  # they get an answer first

    def _drop_all(self) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, Connection):
                connection.drop()
