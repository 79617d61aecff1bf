"""Rejection of cross-site requests and DNS rebinding; security headers."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from fast_nst.web.files import PAGE
from fast_nst.web.security import SecurityMiddleware, content_security_policy
from tests.web.conftest import HERE


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "192.168.1.7:8000"]
)
def test_host_of_an_address_or_localhost_is_accepted(client: TestClient, host: str):
    assert client.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil", "[::1"],
)
def test_host_of_another_name_is_rejected(client: TestClient, host: str):
    answer = client.get("/healthz", headers={"host": host})
    assert answer.status_code == 403
    assert host in answer.json()["error"]


@pytest.mark.parametrize(
    "name", ["paint.example", "Paint.Example", "paint.example:8443", "https://paint.example/paint/"]
)
@pytest.mark.parametrize(
    "host", ["paint.example", "paint.example:443", "paint.example:8000", "127.0.0.1:8000"]
)
def test_host_and_origin_of_a_public_name_are_accepted_behind_a_proxy(
    client: TestClient, name: str, host: str
):
    guarded = TestClient(
        SecurityMiddleware(client.app._app, [name]), base_url="http://127.0.0.1:8000"
    )
    for origin in ("http://paint.example", "https://paint.example", "https://paint.example:8443"):
        answer = guarded.get("/healthz", headers={"host": host, "origin": origin})
        assert answer.status_code == 200
    answer = guarded.get("/healthz", headers={"host": host, "origin": "https://evil.example"})
    assert answer.status_code == 403


def test_origin_with_a_default_port_matches_a_host_without(client: TestClient):
    for host, origin, status in (
        ("localhost:443", "https://localhost", 200),
        ("localhost", "https://localhost", 200),
        ("localhost:80", "http://localhost", 200),
        ("localhost:80", "https://localhost", 403),
        ("localhost", "http://localhost:9000", 403),
    ):
        headers = {"host": host, "origin": origin}
        assert client.get("/healthz", headers=headers).status_code == status, headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": HERE}, 200),
        ({"origin": "http://127.0.0.1:9000"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://["}, 403),
        ({"origin": "http://127.0.0.1:x"}, 403),
        ({"origin": "http://127.0.0.1:99999"}, 403),
        ({"origin": "file://127.0.0.1:8000"}, 403),
        ({"origin": ""}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        # A proxy has rewritten Host.
        ({"origin": "https://paint.example", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "https://evil.example", "sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
    ],
)
def test_requests_of_other_origins_are_rejected(client: TestClient, headers: dict, status: int):
    answer = client.get("/api/styles", headers=headers)
    assert answer.status_code == status
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in answer.headers


def test_cross_site_form_is_rejected(client: TestClient):
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.post("/api/stylize", headers=headers).status_code == 403


def test_every_response_has_security_headers(client: TestClient):
    for path in ("/", "/api/styles", "/nowhere", "/healthz"):
        headers = client.get(path).headers
        assert headers["content-security-policy"] == content_security_policy(runs_wasm=False)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-embedder-policy"] == "require-corp"


def test_content_security_policy_forbids_inline_scripts_and_unneeded_wasm():
    for runs_wasm in (False, True):
        rules = dict(
            rule.strip().split(" ", 1) for rule in content_security_policy(runs_wasm).split(";")
        )
        assert rules["default-src"] == "'none'"
        assert rules["manifest-src"] == "'self'"
        expected = "'self' 'wasm-unsafe-eval'" if runs_wasm else "'self'"
        assert rules["script-src"] == expected
        assert "unsafe-inline" not in content_security_policy(runs_wasm)


def test_page_has_the_same_policy_for_static_hosts():
    text = (PAGE / "index.html").read_text()
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    assert found
    expected = set(content_security_policy(runs_wasm=True).split("; "))
    # Browsers ignore frame-ancestors outside of headers.
    assert set(found[1].split("; ")) == expected - {"frame-ancestors 'none'"}
