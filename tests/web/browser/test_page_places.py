"""Where the page paints, and the camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.browser.helpers import SHOWN, canvas_pixels, give, opened, painted, serving

pytestmark = pytest.mark.browser


def test_camera_is_mirrored_and_rates_are_told_by_place(page: Page):
    page.get_by_role("button", name="Camera", exact=True).click()
    expect(page.locator("#status")).to_contain_text("frames per second")
    places = page.get_by_label("Painted")
    expect(places.locator("[value=service]")).to_contain_text(" frames/s)")
    # Chromium's test picture has a clock; the frame is its mirror image.
    frame = canvas_pixels(page, "#before").astype(int)
    page.evaluate(
        """() => {
            const video = document.getElementById("video");
            video.pause();
            const canvas = Object.assign(document.createElement("canvas"), { id: "now" });
            const { videoWidth, videoHeight } = video;
            [canvas.width, canvas.height] = [512, Math.round(512 * videoHeight / videoWidth)];
            canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
            document.body.append(canvas);
        }"""
    )
    seen = canvas_pixels(page, "#now").astype(int)
    assert seen.shape == frame.shape
    assert np.abs(seen[:, ::-1] - frame).mean() < np.abs(seen - frame).mean()
    page.locator("#where").select_option("browser")
    expect(places.locator("[value=browser]")).to_contain_text(" frames/s)")


def test_camera_can_be_turned(browser: Browser, address: str):
    with opened(browser, f"{address}/healthz") as page:
        page.add_init_script(
            """navigator.mediaDevices.enumerateDevices = async () => [
                { kind: "videoinput" }, { kind: "audioinput" }, { kind: "videoinput" }];
            const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
            window.asked = [];
            navigator.mediaDevices.getUserMedia = (wanted) => {
                asked.push(wanted.video.facingMode);
                return ask(wanted);
            };"""
        )
        page.goto(address)
        painted(page)
        page.get_by_role("button", name="Camera", exact=True).click()
        page.get_by_role("button", name="Switch camera").click()
        expect(page.locator("#status")).to_contain_text("frames per second")
        assert page.evaluate("asked") == ["user", "environment"]
        page.get_by_role("button", name="Stop the camera").click()
        expect(page.get_by_role("button", name="Switch camera")).to_be_hidden()


def test_graphics_card_is_offered_where_there_is_one(
    browser: Browser, runtime: Path, picture: Path
):
    with serving("--runtime", runtime, "--webgpu") as (address, _):
        context = browser.new_context()  # Chromium warns that there is no adapter
        page = context.new_page()
        page.goto(address)
        painted(page)
        expect(page.locator("#where option")).to_have_count(2)
        # One that fails the comparison is taken back, and the browser paints.
        page.add_init_script("GPU.prototype.requestAdapter = async () => ({})")
        page.goto(address)
        painted(page)
        page.locator("#where").select_option("gpu")
        expect(page.locator("#paint-error")).to_contain_text(
            "is not used (this browser has no WebGPU)"
        )
        expect(page.locator("#where option")).to_have_count(2)
        expect(page.locator("#where")).to_have_value("browser")
        give(page, picture, SHOWN)
        expect(page.locator("#paint-error")).to_be_empty()
        context.close()
