"""Painting in the browser where ONNX Runtime's threads, or its worker, cannot be started."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from fast_nst.web.runtime import MODULE
from tests.web.browser.helpers import SHOWN, give, opened, painted

pytestmark = pytest.mark.browser


def test_without_threads_one_paints_and_without_a_worker_the_service_is_named(
    browser: Browser, address: str, runtime: Path, picture: Path
):
    ours = ':new URL(import.meta.url)})(),{type:"module",workerData'
    text = (runtime / MODULE).read_text()
    assert text.count(ours) == 1  # the script of a thread
    text = text.replace(ours, ours.replace("import.meta.url", '"thread.mjs",import.meta.url'))
    asked: list[str] = []
    with opened(browser, address) as page:
        painted(page)
        give(page, picture, SHOWN)
        page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
        page.route(
            f"**/{MODULE}", lambda route: route.fulfill(body=text, content_type="text/javascript")
        )
        page.locator("#where").select_option("browser")
        painted(page)
        assert asked.count("thread.mjs") == 1  # which is not there
        expect(page.locator("#paint-error")).to_be_empty()
        page.route("**/worker.js", lambda route: route.fulfill(status=404))
        page.reload()
        painted(page)  # by the service
        page.locator("#where").select_option("browser")
        expect(page.locator("#paint-error")).to_contain_text("choose “by this service” above")
