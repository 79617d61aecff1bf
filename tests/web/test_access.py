"""Who may have films painted and train styles: by default, the users of the service's machine."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from fast_nst.models.home import HOME
from fast_nst.web.access import Access, is_loopback
from fast_nst.web.backend import Backend
from fast_nst.web.models import ServedModel
from fast_nst.web.service import make_app
from tests.web.conftest import FILM_LIMITS, HERE, serving

REQUESTS = {  # with the status of each that is let through
    ("GET", "/api/training"): 200,
    ("POST", "/api/training"): 400,
    ("GET", "/api/training/painting"): 404,
    ("POST", "/api/training/stop"): 409,
    ("POST", "/api/training/cancel"): 409,
    ("GET", "/api/videos"): 405,
    ("POST", "/api/videos"): 400,
    ("GET", "/api/videos/a"): 404,
    ("GET", "/api/videos/a/result"): 404,
    ("DELETE", "/api/videos/a"): 404,
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME, str(tmp_path))


def backend_for(models: dict[str, ServedModel], access: Access) -> Backend:
    return Backend(dict(models), FILM_LIMITS, access, access)


@pytest.fixture
def owners(models: dict[str, ServedModel]) -> Iterator[TestClient]:
    """A service for the users of its machine."""
    with TestClient(make_app(backend_for(models, Access.OWNER), {}), base_url=HERE) as client:
        yield client


def statuses(client: TestClient, headers: dict[str, str]) -> dict[tuple[str, str], int]:
    return {
        (method, path): client.request(method, path, headers=headers).status_code
        for method, path in REQUESTS
    }


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "127.8.0.1", "localhost:80", "[::1]:8000"])
def test_requests_from_this_machine_are_accepted(owners: TestClient, host: str):
    assert statuses(owners, {"host": host}) == REQUESTS
    assert statuses(owners, {"host": host, "origin": f"http://{host}"}) == REQUESTS


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "192.168.1.7:8000"},
        {"host": f"{socket.gethostname()}:8000"},
        {"origin": "https://paint.example.org", "sec-fetch-site": "same-origin"},
        {"origin": "null", "sec-fetch-site": "same-origin"},
        {"forwarded": "for=203.0.113.9"},
        {"x-forwarded-for": "203.0.113.9"},
        {"x-forwarded-host": "paint.example.org"},
        {"x-real-ip": "203.0.113.9"},
        {"via": "1.1 paint.example.org"},
    ],
)
def test_requests_through_a_proxy_are_refused(owners: TestClient, headers: dict[str, str]):
    assert set(statuses(owners, headers).values()) == {403}
    for path, flag in (("training", "--allow-training"), ("videos/a", "--allow-videos")):
        assert flag in owners.get(f"/api/{path}", headers=headers).json()["error"]
    assert owners.get("/api/styles", headers=headers).status_code == 200  # all may paint


def test_http_1_0_of_a_proxy_is_refused(models: dict[str, ServedModel]):
    """Nginx as it is set up by default, with a client that sends no Origin."""
    with serving(backend_for(models, Access.OWNER)) as address:
        for version, status in (("1.0", b"403"), ("1.1", b"200")):
            with socket.create_connection(address) as peer:
                head = f"GET /api/training HTTP/{version}\r\nHost: 127.0.0.1:8000\r\n\r\n"
                peer.sendall(head.encode())
                assert peer.recv(65536).split()[1] == status


def test_everyone_or_nobody(models: dict[str, ServedModel]):
    remote = {"x-forwarded-for": "203.0.113.9"}
    with TestClient(make_app(backend_for(models, Access.ALL), {}), base_url=HERE) as client:
        found = statuses(client, remote)
        tokens = {request for request in REQUESTS if "/training/" in request[1]}  # need one
        assert {request for request, status in found.items() if status == 403} == tokens
    with TestClient(make_app(backend_for(models, Access.NOBODY), {}), base_url=HERE) as client:
        assert set(statuses(client, {}).values()) == {403}


def test_is_loopback():
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.8.0.1", "::1", "Localhost"))
    hosts = ("", "0.0.0.0", "::", "192.168.1.5", "localhost.example.org", "127.0.0.1.evil")
    assert not any(is_loopback(host) for host in hosts)
