"""HTTP caching and compression of the page's files."""

from __future__ import annotations

import gzip
import hashlib

import pytest
from starlette.testclient import TestClient

from fast_nst.web.files import PAGE
from fast_nst.web.page_file import PageFile, accepts_gzip, represent

TEXT = PageFile("app.js", b"const text = 1;\n" * 100)


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("br;q=1.0, *;q=0.1", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("gzip;q=much", False),
        ("gzipped", False),
    ],
)
def test_accept_encoding(header: str, accepted: bool):
    assert accepts_gzip(header) == accepted


def test_representations_have_their_own_etag_of_the_content():
    plain = represent(TEXT, {})
    packed = represent(TEXT, {"accept-encoding": "gzip"})
    assert plain.body == gzip.decompress(packed.body) == TEXT.data
    assert len(packed.body) < len(plain.body) / 10
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert plain.headers["ETag"] == f'"{hashlib.sha256(TEXT.data).hexdigest()[:32]}"'
    assert packed.headers["ETag"] != plain.headers["ETag"]
    other = represent(PageFile("app.js", TEXT.data + b"\n"), {})
    assert other.headers["ETag"] != plain.headers["ETag"]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"another", {}', "*"])
def test_matching_etag_is_304_without_content(form: str):
    for accepted in ("gzip", "identity"):
        headers = {"accept-encoding": accepted}
        whole = represent(TEXT, headers)
        again = represent(TEXT, {**headers, "if-none-match": form.format(whole.headers["ETag"])})
        assert (again.status, again.body) == (304, b"")
        for name in ("ETag", "Cache-Control", "Vary"):
            assert again.headers[name] == whole.headers[name]
    assert represent(TEXT, {"if-none-match": '"another"'}) == represent(TEXT, {})


def test_photographs_and_models_are_not_compressed():
    for path in ("samples/a.jpg", "styles/a.0123.onnx", "icon-192.png"):
        found = represent(PageFile(path, b"a" * 1000), {"accept-encoding": "gzip"})
        assert found.body == b"a" * 1000
        assert "Vary" not in found.headers


def test_only_files_whose_path_has_their_hash_are_immutable():
    assert represent(TEXT, {}).headers["Cache-Control"] == "no-cache"
    model = represent(PageFile("styles/a.0123.onnx", b"model", is_immutable=True), {})
    assert model.headers["Cache-Control"] == "max-age=31536000, immutable"


def test_service_sends_compressed_files_once(client: TestClient):
    whole = client.get("/app.js", headers={"accept-encoding": "gzip"})
    assert whole.headers["content-encoding"] == "gzip"
    assert whole.headers["content-type"] == "text/javascript; charset=utf-8"
    assert whole.content == (PAGE / "app.js").read_bytes()
    head = client.head("/app.js", headers={"accept-encoding": "gzip"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == whole.headers
    again = client.get(
        "/app.js", headers={"accept-encoding": "gzip", "if-none-match": whole.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert "content-length" not in again.headers
    assert again.headers["content-security-policy"]
