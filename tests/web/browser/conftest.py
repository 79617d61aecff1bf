"""Fixtures of the browser's tests: Chromium, the service, the static site, photographs."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from fast_nst.commands.main import main
from fast_nst.pictures.read import open_image
from fast_nst.web.runtime import LICENCE, NOTICES, SHA256, runtime_from_npm
from tests.conftest import inverting_model, noise
from tests.web.browser.helpers import ARGUMENTS, CHROMIUM, opened, painted, serving


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runtime")
    for path, data in runtime_from_npm(webgpu=True).files.items():
        (folder / Path(path).name).write_bytes(data)
    assert {path.name for path in folder.iterdir()} == {*SHA256, LICENCE, NOTICES}
    return folder


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    (folder / "negative.onnx").write_bytes(inverting_model())
    return folder


@pytest.fixture(scope="session")
def address(runtime: Path, own: Path) -> Iterator[str]:
    with serving("--runtime", runtime, "--models", own, "--max-upload", "9MB") as (address, _):
        yield address


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Do not log requests."""


@pytest.fixture(scope="session")
def site(runtime: Path, own: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the static site, served below a path prefix."""
    root = tmp_path_factory.mktemp("host")
    arguments = ["site", "-o", str(root / "paint"), "--runtime", str(runtime), "-q"]
    assert main([*arguments, "--models", str(own)]) == 0
    handler = functools.partial(_Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}/paint/"
        server.shutdown()
        thread.join()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with opened(browser, address) as page:
        painted(page)
        yield page


@pytest.fixture
def strip_page(browser: Browser, address: str) -> Iterator[Page]:
    """The page with the thumbnails of its strip."""
    with opened(browser, address, thumbnails=True) as page:
        painted(page)
        yield page


@pytest.fixture
def site_page(browser: Browser, site: str) -> Iterator[Page]:
    with opened(browser, site) as page:
        painted(page)
        yield page


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A photograph as PNG, smaller than the preview."""
    path = tmp_path / "my cup.png"
    open_image("fast_nst/assets/photos/coffee.jpg").resize((373, 251)).save(path)
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A photograph as JPEG, larger than the preview, with an EXIF orientation of 6."""
    path = tmp_path / "large.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    image = open_image("fast_nst/assets/photos/coffee.jpg").resize((1500, 1000))
    image.save(path, exif=exif.tobytes(), quality=95)
    return path


@pytest.fixture
def phone(tmp_path: Path) -> Path:
    """A photograph as HEIC, which the browser cannot decode."""
    pillow_heif.register_heif_opener()
    path = tmp_path / "phone.heic"
    Image.fromarray(noise(8, 12)).resize((96, 64)).save(path, "HEIF")
    return path
