"""Error messages of the page, and recovery from errors."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.browser.helpers import (
    SHOWN,
    apply,
    downloaded,
    give,
    held_back,
    opened,
    painted,
    serving,
    set_range,
    until_held,
)

pytestmark = pytest.mark.browser


def test_camera_and_copy_explain_insecure_contexts(browser: Browser):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        outside = probe.getsockname()[0]
    with (
        serving("--host", outside, "--allow-remote") as (address, _),
        opened(browser, address) as page,
    ):
        painted(page)
        expect(page.locator("#privacy")).to_contain_text(f"sent to {outside}")
        page.get_by_role("button", name="Camera", exact=True).click()
        expect(page.locator("#photo-error")).to_contain_text("https and localhost only")
        page.get_by_role("button", name="Copy", exact=True).click()
        expect(page.locator("#result-error")).to_contain_text("Please download it instead")


def test_errors_appear_next_to_their_cause(page: Page, tmp_path: Path):
    text = tmp_path / "notes.txt"
    text.write_text("not a picture")
    give(page, text)
    expect(page.locator("#photo-error")).to_contain_text("not an image that can be read")
    text.write_bytes(b"")
    give(page, text)
    expect(page.locator("#photo-error")).to_contain_text("empty")
    text.write_bytes(bytes(9_500_000))  # the browser cannot decode it, and it is above --max-upload
    give(page, text)
    expect(page.locator("#photo-error")).to_contain_text("at most 9.0 MB, not 9.5")
    set_range(page, "size", 100000)
    page.get_by_role("button", name="chelsea").click()
    page.get_by_role("button", name="Download", exact=True).click()
    expect(page.locator("#result-error")).to_contain_text("choose a smaller size")


def test_download_survives_a_new_photograph(page: Page, large: Path, picture: Path):
    give(page, large, "683 × 1024 px")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download", exact=True).click()
        give(page, picture)
    assert download.value.suggested_filename == "large-composition_vii.png"
    expect(page.locator("#result-status")).to_have_text("Downloaded.")
    expect(page.locator("#status")).to_contain_text(SHOWN)
    expect(page.get_by_role("button", name="Download", exact=True)).to_be_enabled()


def test_latest_photograph_wins(page: Page, phone: Path, picture: Path, tmp_path: Path):
    with held_back(page, "**/api/stylize?strength=0&**") as held:  # decoded by the service
        give(page, phone)
        until_held(page, held)
        give(page, picture, SHOWN)
    found = downloaded(page, tmp_path / "found.png")
    assert found.shape == (251, 373, 3)


def test_site_without_runtime_shows_an_error(browser: Browser, site: str):
    context = browser.new_context(service_workers="block")  # whose requests no route sees
    page = context.new_page()
    page.route("**/*.mjs", lambda route: route.fulfill(status=404))
    page.goto(site)
    expect(page.locator("#paint-error")).to_contain_text("dynamically imported module")
    expect(page.locator("#paint-error")).to_contain_text("load the page again")
    context.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"status": 404}, "cannot be loaded (404)"),
        ({"body": "<!doctype html>The page of a host that has one for everything"}, "is damaged"),
        ({"body": b"\xff" * 3_000_000}, "is damaged"),
        (None, "cannot be loaded ("),
    ],
    ids=["missing", "page", "noise", "no answer"],
)
def test_missing_style_file_does_not_affect_other_styles(
    browser: Browser, site: str, answer: dict[str, Any] | None, reason: str
):
    with opened(browser, f"{site}style.css", thumbnails=True) as page:
        runtimes: list[str] = []
        page.on(
            "request",
            lambda request: runtimes.append(request.url) if request.url.endswith(".wasm") else None,
        )
        page.route(
            "**/styles/udnie.*.onnx",
            lambda route: route.fulfill(**answer) if answer else route.abort(),
        )
        page.goto(site)
        painted(page)
        apply(page, {"style": "udnie"})
        error = page.locator("#paint-error")
        expect(error).to_contain_text(
            re.compile(rf"The file styles/udnie\.\w+\.onnx {re.escape(reason)}")
        )
        expect(error).to_contain_text("choose another style")
        apply(page, {"style": "evening"})
        expect(page.locator("#status")).to_contain_text("Evening Landscape, ")
        expect(error).to_be_empty()
        assert len(runtimes) == 1
        # It is loaded once the host has it again.
        page.unroute("**/styles/udnie.*.onnx")
        apply(page, {"style": "udnie"})
        expect(page.locator("#status")).to_contain_text("Udnie")
        expect(page.locator("#gallery-error")).to_be_empty()
        assert len(runtimes) == 1


def test_page_that_cannot_start_shows_an_error(browser: Browser, site: str):
    context = browser.new_context()
    page = context.new_page()
    page.route("**/config.json", lambda route: route.abort())
    page.goto(site)
    expect(page.locator("#loading")).to_contain_text("The page did not start")
    context.close()


@pytest.mark.parametrize("size", ["-3", "0", "1.5"])
def test_invalid_size_disables_download(page: Page, size: str):
    page.locator("#size").fill(size)
    expect(page.locator("#size-error")).to_have_text("Enter a whole number of pixels, 1 or more.")
    expect(page.get_by_role("button", name="Download", exact=True)).to_be_disabled()
    page.locator("#size").fill("")
    expect(page.locator("#size-error")).to_be_empty()
    expect(page.get_by_role("button", name="Download", exact=True)).to_be_enabled()


def test_size_above_the_browsers_limit(site_page: Page, picture: Path, tmp_path: Path):
    give(site_page, picture, SHOWN)
    set_range(site_page, "size", 60000)
    site_page.get_by_role("button", name="Download", exact=True).click()
    error = site_page.locator("#result-error")
    expect(error).to_contain_text("60000 × 40375 px, and a browser can process 40 megapixels")
    set_range(site_page, "size", 200)  # the page still works
    assert downloaded(site_page, tmp_path / "found.png").shape == (135, 200, 3)
    expect(error).to_be_empty()


def test_stopped_service_shows_an_error(browser: Browser):
    with serving() as (address, process), opened(browser, address) as page:
        painted(page)
        expect(page.locator("#where-label")).to_be_hidden()
        process.terminate()
        process.wait(timeout=30)
        set_range(page, "strength", 0.5)
        expect(page.locator("#paint-error")).to_contain_text("Is fast-nst serve still running?")
        page.get_by_role("button", name="chelsea").click()
        expect(page.locator("#photo-error")).to_contain_text("load the page again")
