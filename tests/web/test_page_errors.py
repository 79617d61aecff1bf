"""The page when things go wrong: words, and nothing lost."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from tests.conftest import noise
from tests.web.browser import (
    SHOWN,
    downloaded,
    give,
    opened,
    painted,
    serving,
    set_range,
)

pytestmark = pytest.mark.browser


def test_where_no_camera_is_given_the_button_says_so(browser: Browser):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        outside = probe.getsockname()[0]
    with (
        serving("--host", outside, "--allow-remote") as (address, _),
        opened(browser, address) as page,
    ):
        painted(page)
        expect(page.locator("#privacy")).to_contain_text(f"goes to {outside}")
        page.get_by_role("button", name="Camera", exact=True).click()
        expect(page.locator("#photo-error")).to_contain_text("https and localhost only")
        page.get_by_role("button", name="Copy").click()
        expect(page.locator("#result-error")).to_contain_text("download it instead")


def test_errors_stand_where_they_arose(page: Page, tmp_path: Path):
    text = tmp_path / "notes.txt"
    text.write_text("not a picture")
    give(page, text)
    expect(page.locator("#photo-error")).to_contain_text("not an image that can be read")
    text.write_bytes(b"")
    give(page, text)
    expect(page.locator("#photo-error")).to_contain_text("empty")
    big = tmp_path / "big.png"
    Image.fromarray(noise(2000, 2000)).save(big)
    give(page, big, "1024 × 1024 px")
    page.get_by_role("button", name="Download").click()
    expect(page.locator("#result-error")).to_contain_text("The file has 12.")
    set_range(page, "size", 100000)
    page.get_by_role("button", name="chelsea").click()
    page.get_by_role("button", name="Download").click()
    expect(page.locator("#result-error")).to_contain_text("choose a smaller size")


def test_another_photograph_does_not_lose_a_download(page: Page, large: Path, picture: Path):
    give(page, large, "683 × 1024 px")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
        give(page, picture)
    assert download.value.suggested_filename == "large-composition_vii.png"
    expect(page.locator("#result-status")).to_have_text("Downloaded.")
    expect(page.locator("#status")).to_contain_text(SHOWN)
    expect(page.get_by_role("button", name="Download")).to_be_enabled()


def test_the_photograph_that_was_given_last_is_painted(
    page: Page, phone: Path, picture: Path, tmp_path: Path
):
    held: list[Route] = []
    # The service reads it, and takes its time.
    page.route(lambda url: "strength=0&" in url, lambda route: held.append(route))
    with page.expect_request(lambda request: "strength=0&" in request.url):
        give(page, phone)
    give(page, picture, SHOWN)
    with page.expect_response(lambda response: "strength=0&" in response.url) as answer:
        held[0].continue_()
    answer.value.finished()
    page.wait_for_timeout(300)
    found = downloaded(page, tmp_path / "found.png")
    assert found.shape == (251, 373, 3)


def test_a_site_without_its_runtime_says_so(browser: Browser, site: str):
    context = browser.new_context()
    page = context.new_page()
    page.route("**/*.mjs", lambda route: route.fulfill(status=404))
    page.goto(site)
    expect(page.locator("#paint-error")).to_contain_text("dynamically imported module")
    expect(page.locator("#paint-error")).to_contain_text("load the page again")
    context.close()


def test_a_page_that_cannot_start_says_so(browser: Browser, site: str):
    context = browser.new_context()
    page = context.new_page()
    page.route("**/config.json", lambda route: route.abort())
    page.goto(site)
    expect(page.locator("#loading")).to_contain_text("The page did not start")
    context.close()


@pytest.mark.parametrize("size", ["-3", "0", "1.5"])
def test_a_size_that_is_none(page: Page, size: str):
    page.locator("#size").fill(size)
    expect(page.locator("#size-error")).to_have_text("Give a whole number of pixels, 1 or more.")
    expect(page.get_by_role("button", name="Download")).to_be_disabled()
    page.locator("#size").fill("")
    expect(page.locator("#size-error")).to_be_empty()
    expect(page.get_by_role("button", name="Download")).to_be_enabled()


def test_a_size_that_no_browser_can_paint(site_page: Page, picture: Path, tmp_path: Path):
    give(site_page, picture, SHOWN)
    set_range(site_page, "size", 60000)
    site_page.get_by_role("button", name="Download").click()
    error = site_page.locator("#result-error")
    expect(error).to_contain_text("60000 × 40375 px, and a browser paints 40 million at most")
    set_range(site_page, "size", 200)  # and it goes on
    assert downloaded(site_page, tmp_path / "found.png").shape == (135, 200, 3)
    expect(error).to_be_empty()


def test_a_service_that_has_stopped(browser: Browser):
    with serving() as (address, process), opened(browser, address) as page:
        painted(page)
        expect(page.locator("#where-label")).to_be_hidden()
        process.terminate()
        process.wait(timeout=30)
        set_range(page, "strength", 0.5)
        expect(page.locator("#paint-error")).to_contain_text("is fast-nst serve still running?")
        page.get_by_role("button", name="chelsea").click()
        expect(page.locator("#photo-error")).to_contain_text("load the page again")
