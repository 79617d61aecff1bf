"""What the tests of the page and its service share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from fast_nst.web.files import page_files
from fast_nst.web.limits import Limits
from fast_nst.web.models import Model, find_models
from fast_nst.web.service import make_app
from tests.conftest import inverting_model

LIMITS = Limits(max_upload="1MB", max_pixels=1_000_000, workers=2, queue=2)
HERE = "http://127.0.0.1:8000"


def unexpected(line: str) -> None:
    raise AssertionError(line)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    """The gallery, and a model that paints 255 - x."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "negative.onnx").write_bytes(inverting_model())
    return find_models(folder, unexpected)


def client_of(models: dict[str, Model], limits: Limits) -> TestClient:
    told = {"max_bytes": limits.upload_bytes, "max_pixels": limits.max_pixels}
    return TestClient(make_app(models, limits, page_files(models, None, told)), base_url=HERE)


@pytest.fixture
def client(models: dict[str, Model]) -> Iterator[TestClient]:
    with client_of(models, LIMITS) as client:
        yield client


@pytest.fixture
def photograph() -> bytes:
    return Path("fast_nst/assets/photos/coffee.jpg").read_bytes()
