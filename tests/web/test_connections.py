"""Connections that idle, stall or send invalid HTTP do not block others."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from fast_nst.web import connections
from fast_nst.web.connections import Server
from fast_nst.web.security import SecurityMiddleware
from fast_nst.web.service import ChunkedResponse

MOST = 6
LARGE = 30_000_000  # more than socket buffers hold


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    kinds = {"/large": ChunkedResponse(bytes(LARGE)), "/whole": Response(bytes(LARGE))}
    answer = kinds.get(scope["path"], PlainTextResponse("hello"))
    await answer(scope, receive, send)


@contextlib.contextmanager
def serving() -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(SecurityMiddleware(app), MOST, 0.2, lambda: None)
        server.config.lifespan = "off"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.5)
    monkeypatch.setattr(connections, "_READ_TIMEOUT", 0.5)
    with serving() as address:
        yield address


def get(path: str = "/") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def answer(peer: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; the connection stays open."""
    peer.settimeout(10)
    data = b""
    while b"\r\n\r\n" not in data:
        data += peer.recv(65536) or pytest.fail(f"closed after {data!r}")
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    while len(body) < int(headers["content-length"]):
        body += peer.recv(65536)
    return int(first.split()[1]), headers, body


def is_served(address: tuple[str, int]) -> bool:
    with socket.create_connection(address) as peer:
        peer.sendall(get())
        return answer(peer)[0] == 200


def closed_after(peer: socket.socket, trickle: bytes = b"") -> float:
    """Seconds until the server closes; `trickle` is sent every 0.1 s."""
    started = time.monotonic()
    peer.settimeout(0.1)
    while time.monotonic() - started < 10:
        try:
            peer.sendall(trickle)
            if not peer.recv(65536):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - started


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nX"])
@pytest.mark.parametrize("trickle", [b"", b"y"])
def test_connection_with_a_late_head_is_closed(
    address: tuple[str, int], begun: bytes, trickle: bytes
):
    with socket.create_connection(address) as peer:
        peer.sendall(begun)
        assert 0.3 < closed_after(peer, trickle) < 5


def test_connection_with_a_late_second_head_or_body_is_closed(address: tuple[str, int]):
    post = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n"
    for request in (get(), post):
        with socket.create_connection(address) as peer:
            peer.sendall(request)
            assert answer(peer)[0] == 200
            assert 0.3 < closed_after(peer, b"G") < 5


def test_connection_limit_closes_the_longest_idle_connection(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 60)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(socket.create_connection(address)) for _ in range(20)]
        for peer in peers[::2]:
            peer.sendall(b"GET / HT")
        assert is_served(address)
        assert closed_after(peers[0]) < 5
        peers[-1].sendall(get())
        assert answer(peers[-1])[0] == 200


@contextlib.contextmanager
def readers(address: tuple[str, int], path: str) -> Iterator[list[socket.socket]]:
    """The maximum number of connections, whose clients do not read."""
    with contextlib.ExitStack() as stack:
        peers = []
        for _ in range(MOST):  # one by one: an open connection has `HEAD_TIMEOUT` for its request
            peers.append(stack.enter_context(socket.create_connection(address)))
            peers[-1].sendall(get(path))
            peers[-1].recv(1)
        time.sleep(0.1)
        yield peers


@pytest.mark.parametrize("path", ["/large", "/whole"])
def test_connection_limit_responds_503_when_none_is_idle(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch, path: str
):
    monkeypatch.setattr(connections, "_READ_TIMEOUT", 60)
    monkeypatch.setattr(connections, "_SLOW_AFTER", 60)
    with readers(address, path), socket.create_connection(address) as peer:
        peer.sendall(get())
        status, headers, body = answer(peer)
    assert status == 503
    assert headers["retry-after"] == "2"
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"
    assert "too many connections" in json.loads(body)["error"]


@pytest.mark.parametrize("path", ["/large", "/whole"])
def test_connection_limit_closes_a_client_that_does_not_read(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch, path: str
):
    monkeypatch.setattr(connections, "_READ_TIMEOUT", 60)
    monkeypatch.setattr(connections, "_SLOW_AFTER", 0.05)
    with readers(address, path) as peers:
        assert all(is_served(address) for _ in range(3))
        assert read_whole(peers[0]) < LARGE  # closed for a new connection
        assert read_whole(peers[-1]) > LARGE


def read_whole(peer: socket.socket) -> int:
    """The number of bytes until the connection closes."""
    peer.settimeout(5)
    taken = 0
    with contextlib.suppress(ConnectionResetError, TimeoutError):
        while data := peer.recv(2**20):
            taken += len(data)
    return taken


@pytest.mark.parametrize("path", ["/large", "/whole"])
def test_connection_of_a_client_that_does_not_read_is_closed(address: tuple[str, int], path: str):
    with socket.create_connection(address) as peer:
        peer.sendall(get(path))
        time.sleep(1.5)
        assert read_whole(peer) < LARGE


def test_connection_of_a_client_that_reads_slowly_stays_open(address: tuple[str, int]):
    with socket.create_connection(address) as peer:
        peer.sendall(get("/large"))
        peer.settimeout(10)
        taken = 0
        while taken < LARGE:
            taken += len(peer.recv(2**20))
            time.sleep(0.05)
        assert taken > LARGE


@pytest.mark.parametrize("nonsense", [b"\x16\x03\x01 hello\r\n\r\n", b"GET / HTTP/9\r\n\r\n"])
def test_invalid_http_gets_json_and_security_headers(address: tuple[str, int], nonsense: bytes):
    with socket.create_connection(address) as peer:
        peer.sendall(nonsense)
        status, headers, body = answer(peer)
    assert status == 400
    assert headers["x-content-type-options"] == "nosniff"
    assert list(json.loads(body)) == ["error"]


def test_server_shuts_down_during_a_response():
    with contextlib.ExitStack() as stack:
        with serving() as address:
            peer = stack.enter_context(socket.create_connection(address))
            peer.sendall(get("/large"))
            peer.recv(1)
            started = time.monotonic()
        assert time.monotonic() - started < 5
