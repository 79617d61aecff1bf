"""Late responses, and the page's state after a failure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_image
from tests.web.browser.helpers import (
    SHOWN,
    apply,
    canvas_pixels,
    downloaded,
    give,
    held_back,
    opened,
    painted,
    set_range,
)

pytestmark = pytest.mark.browser

PAINT = "**/api/stylize?**"


def is_shown(page: Page, path: Path) -> bool:
    return np.array_equal(canvas_pixels(page, "#before"), to_array(open_image(path)))


@pytest.fixture
def quiet(strip_page: Page) -> Page:
    """The page, once all thumbnails are painted."""
    strip_page.wait_for_load_state("networkidle")
    return strip_page


def test_late_first_sample_does_not_replace_a_photograph(
    browser: Browser, address: str, picture: Path
):
    with opened(browser, f"{address}/healthz") as page:
        with held_back(page, "**/samples/astronaut.jpg") as held:
            page.goto(address, wait_until="domcontentloaded")
            expect(page.locator("#loading")).to_have_count(0)
            give(page, picture, SHOWN)
            assert held
        assert is_shown(page, picture)
        expect(page.locator("#photo-error")).to_be_empty()


def test_late_sample_does_not_replace_a_newer_one(page: Page):
    with held_back(page, "**/samples/chelsea.jpg"):
        page.get_by_role("button", name="chelsea").click()
        page.get_by_role("button", name="coffee").click()
        expect(page.locator("#status")).to_contain_text("600 × 400 px")
    expect(page.locator("#status")).to_contain_text("600 × 400 px")


def test_photograph_during_camera_permission_stops_the_camera(
    browser: Browser, address: str, picture: Path
):
    with opened(browser, address) as page:
        painted(page)
        page.evaluate(
            """() => {
                const devices = navigator.mediaDevices;
                const ask = devices.getUserMedia.bind(devices);
                devices.getUserMedia = async (wanted) => {
                    await new Promise((allow) => { window.allow = allow; });
                    return window.given = await ask(wanted);
                };
            }"""
        )
        page.get_by_role("button", name="Camera", exact=True).click()
        give(page, picture, SHOWN)
        page.evaluate("window.allow()")
        page.evaluate(
            """async () => {
                const isOff = (track) => track.readyState === "ended";
                while (!window.given?.getTracks().every(isOff)) {
                    await new Promise((wake) => setTimeout(wake, 20));
                }
            }"""
        )
        expect(page.get_by_role("button", name="Stop the camera")).to_be_hidden()
        assert is_shown(page, picture)


def test_slow_preview_is_superseded(page: Page, picture: Path):
    with held_back(page, "**/api/stylize?style=udnie%3A1&**") as held:
        apply(page, {"style": "udnie"})
        expect(page.locator("#status")).to_have_text(
            "Painting Udnie (Young American Girl, The Dance) …"
        )
        apply(page, {"style": "evening"})
        expect(page.locator("#status")).to_contain_text("Evening Landscape, ")
        assert held
    expect(page.locator("#status")).to_contain_text("Evening Landscape, ")
    expect(page.locator("#after")).to_have_attribute(
        "aria-label", "The painting, in the style of Evening Landscape"
    )
    # A new photograph does not wait for the preview of the previous one either.
    with held_back(page, "**/api/stylize?style=udnie%3A1&**"):
        apply(page, {"style": "udnie"})
        expect(page.locator("#status")).to_have_text(
            "Painting Udnie (Young American Girl, The Dance) …"
        )
        give(page, picture)
        apply(page, {"style": "evening"})
        expect(page.locator("#status")).to_contain_text(SHOWN)
    assert is_shown(page, picture)


def test_late_thumbnail_of_an_old_photograph_is_dropped(quiet: Page, picture: Path):
    canvas = "li[data-name='great_wave'] canvas"
    with held_back(quiet, "**/api/stylize?style=great_wave%3A1&**") as held:
        quiet.get_by_role("button", name="coffee").click()
        for _ in range(100):
            if held:
                break
            quiet.wait_for_timeout(50)
        give(quiet, picture, SHOWN)
        quiet.unroute_all()
        expect(quiet.locator(f"{canvas}[data-painted]")).to_have_count(1)
        before = canvas_pixels(quiet, canvas)
        assert before.shape == (215, 320, 3)
    assert np.array_equal(canvas_pixels(quiet, canvas), before)


def test_failure_clears_old_results_and_recovers(quiet: Page, picture: Path):
    quiet.route(PAINT, lambda route: route.abort())
    give(quiet, picture)
    for name in ("#paint-error", "#gallery-error"):
        expect(quiet.locator(name)).to_contain_text("Is fast-nst serve still running?")
    assert is_shown(quiet, picture)
    assert quiet.locator("canvas[data-painted]").count() == 0
    for canvas in ("#after", "#gallery li:first-child canvas"):
        assert is_clear(quiet, canvas)
    expect(quiet.locator("#after")).to_have_attribute("aria-label", "No painting yet")
    # Once the service is back, one change repaints everything.
    quiet.unroute_all()
    apply(quiet, {"strength": 0.9})
    expect(quiet.locator("#status")).to_contain_text(SHOWN)
    expect(quiet.locator("#gallery li:first-child canvas[data-painted]")).to_have_count(1)
    for name in ("#paint-error", "#gallery-error", "#photo-error", "#result-error"):
        expect(quiet.locator(name)).to_be_empty()


def test_comparison_recovers_from_a_failure(page: Page, picture: Path):
    give(page, picture, SHOWN)
    page.get_by_role("button", name="Side by side").click()
    expect(page.locator("#compare canvas[data-painted]")).to_have_count(1)
    page.route(PAINT, lambda route: route.abort())
    set_range(page, "strength", 0.9)
    expect(page.locator("#compare .error")).to_contain_text("Is fast-nst serve still running?")
    page.unroute_all()
    set_range(page, "strength", 0.8)
    expect(page.locator("#compare canvas[data-painted]")).to_have_count(1)
    expect(page.locator("#compare .error")).to_have_count(0)


def is_clear(page: Page, selector: str) -> bool:
    """Whether a canvas is fully transparent."""
    return page.locator(selector).evaluate(
        "x => x.getContext('2d').getImageData(0, 0, x.width, x.height).data.every((v) => !v)"
    )


def test_new_photograph_clears_old_errors(page: Page, picture: Path, tmp_path: Path):
    apply(page, {"size": 100000})
    page.get_by_role("button", name="Download", exact=True).click()
    expect(page.locator("#result-error")).to_contain_text("choose a smaller size")
    page.locator("#size").fill("")
    expect(page.locator("#result-error")).to_be_empty()
    (tmp_path / "notes.png").write_bytes(b"not a picture")
    give(page, tmp_path / "notes.png")
    expect(page.locator("#photo-error")).to_contain_text("not an image")
    give(page, picture, SHOWN)
    expect(page.locator("#photo-error")).to_be_empty()


def test_download_with_the_camera_on(page: Page, picture: Path, tmp_path: Path):
    give(page, picture, SHOWN)
    page.get_by_role("button", name="Camera", exact=True).click()
    expect(page.locator("#status")).to_contain_text("frames per second")
    found = downloaded(page, tmp_path / "found.png")
    photograph = canvas_pixels(page, "#before")
    assert photograph.shape != (251, 373, 3)
    assert found.shape[0] * photograph.shape[1] == found.shape[1] * photograph.shape[0]
    expect(page.get_by_role("button", name="Stop the camera")).to_be_hidden()


def test_bad_file_leaves_the_camera_on_and_stopping_restores_the_photograph(
    page: Page, picture: Path, tmp_path: Path
):
    give(page, picture, SHOWN)
    page.get_by_role("button", name="Camera", exact=True).click()
    expect(page.locator("#status")).to_contain_text("frames per second")
    (tmp_path / "empty.png").write_bytes(b"")
    give(page, tmp_path / "empty.png")
    expect(page.locator("#photo-error")).to_contain_text("empty")
    expect(page.get_by_role("button", name="Stop the camera")).to_be_visible()
    page.get_by_role("button", name="Stop the camera").click()
    expect(page.locator("#status")).to_contain_text(SHOWN)
    assert is_shown(page, picture)


def test_camera_stops_when_its_frames_fail(page: Page, picture: Path):
    give(page, picture, SHOWN)
    page.get_by_role("button", name="Camera", exact=True).click()
    expect(page.locator("#status")).to_contain_text("frames per second")
    page.route("**/api/stylize?**_fast**", lambda route: route.abort())
    expect(page.locator("#photo-error")).to_contain_text("The camera was stopped.")
    expect(page.locator("#status")).to_contain_text(SHOWN)
    assert is_shown(page, picture)
