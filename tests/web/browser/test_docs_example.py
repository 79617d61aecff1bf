"""The documentation's page that paints in the browser."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

import fast_nst
from fast_nst.assets import STYLES
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_image
from tests.web.browser.helpers import canvas_pixels

pytestmark = pytest.mark.browser

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "browser" / "index.html"


def test_example_for_browsers_paints_what_python_paints(
    browser: Browser, runtime: Path, tmp_path: Path, picture: Path
):
    for path in (EXAMPLE, STYLES / "udnie.onnx", *runtime.glob("ort*wasm*")):
        shutil.copy(path, tmp_path)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.wait_for_function("document.getElementById('file').onchange !== null")
        page.set_input_files("#file", picture)
        page.wait_for_function("document.title === 'painted'")
        painting = canvas_pixels(page, "canvas")
        page.close()
        server.shutdown()
    photo = to_array(open_image(picture))
    expected = fast_nst.Stylizer("udnie").run(photo[None])[0]
    assert np.abs(painting.astype(int) - expected).max() <= 1
