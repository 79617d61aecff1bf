"""Fixtures of the service's and the static site's tests; browser/ has those of the page."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from fast_nst.web.access import Access
from fast_nst.web.backend import Backend
from fast_nst.web.connections import Server
from fast_nst.web.decoder_pool import DecoderPool
from fast_nst.web.files import page_files
from fast_nst.web.limits import Limits
from fast_nst.web.models import ServedModel, find_models
from fast_nst.web.service import make_app
from tests.conftest import inverting_model

LIMITS = Limits(max_upload="1MB", max_pixels=1_000_000, workers=2, queue=2)
FILM_LIMITS = Limits(max_video="2MB", max_pixels=1_000_000)
HERE = "http://127.0.0.1:8000"


def unexpected(line: str) -> None:
    raise AssertionError(line)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ServedModel]:
    """The gallery, and a model that paints 255 - x."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "negative.onnx").write_bytes(inverting_model())
    return find_models(folder, unexpected)


def client_of(models: dict[str, ServedModel], limits: Limits) -> TestClient:
    files = page_files(models, None, {"max_bytes": limits.upload_bytes})
    return TestClient(make_app(Backend(models, limits), files), base_url=HERE)


def films_client(models: dict[str, ServedModel]) -> TestClient:
    return TestClient(make_app(Backend(models, FILM_LIMITS, Access.OWNER), {}), base_url=HERE)


@contextlib.contextmanager
def serving(backend: Backend) -> Iterator[tuple[str, int]]:
    """Serve on a socket; yields the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(make_app(backend, {}), 20, 0.2, backend.stop)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def client(models: dict[str, ServedModel]) -> Iterator[TestClient]:
    with client_of(models, LIMITS) as client:
        yield client


@pytest.fixture
def decoders() -> Iterator[DecoderPool]:
    decoders = DecoderPool()
    yield decoders
    decoders.close()


@pytest.fixture
def photograph() -> bytes:
    return Path("fast_nst/assets/photos/coffee.jpg").read_bytes()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, which is empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def films(models: dict[str, ServedModel], temporary: Path) -> Iterator[TestClient]:
    """A service that paints films."""
    with films_client(models) as client:
        yield client
