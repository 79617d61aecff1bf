"""The page's results, compared with those of `infer`."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from fast_nst.pictures.detail import add_detail
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_image
from tests.conftest import noise
from tests.web.browser.helpers import (
    SHOWN,
    apply,
    by_command,
    canvas_pixels,
    downloaded,
    give,
    opened,
    painted,
    set_range,
)

pytestmark = pytest.mark.browser


LOOKS: list[dict[str, float | str | bool]] = [
    {},
    {"style": "udnie", "strength": 0.15},
    {"style": "the_scream", "strength": 1.35, "colors": True},
    {"style": "starry_night", "second": "wheat_field", "share": 35},
    {"style": "evening", "strokes": 1, "size": 300},
    {"strokes": -0.5, "strength": 0},
    {"style": "udnie", "detail": 0.9, "strength": 0.7, "colors": True},
    {"detail": 0},
]


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_download_from_service_equals_infer(page: Page, picture: Path, tmp_path: Path, look):
    give(page, picture, SHOWN)
    apply(page, look)
    found = downloaded(page, tmp_path / "found.png")
    assert np.array_equal(found, by_command(page, picture, tmp_path / "expected.png"))


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_download_from_browser_is_within_two_levels_of_infer(
    site_page: Page, picture: Path, tmp_path: Path, look
):
    give(site_page, picture, SHOWN)
    apply(site_page, look)
    found = downloaded(site_page, tmp_path / "found.png").astype(int)
    expected = by_command(site_page, picture, tmp_path / "expected.png")
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 2


@pytest.mark.parametrize(("height", "width"), [(31, 43), (1, 9), (900, 620)])
def test_add_detail_equals_python(page: Page, height: int, width: int):
    photo, painting = noise(height, width), noise(height, width, seed=1)
    found = page.evaluate(
        """async ([width, height, detail, ...pictures]) => {
            const { addDetail } = await import("./pixels.js");
            const [photo, painting] = pictures.map((text) => {
                const data = Uint8ClampedArray.from(atob(text), (c) => c.charCodeAt(0));
                return { width, height, data };
            });
            const { data } = addDetail(photo, painting, detail);
            let text = "";
            for (let i = 0; i < data.length; i += 32768) {
                text += String.fromCharCode(...data.subarray(i, i + 32768));
            }
            return btoa(text);
        }""",
        [width, height, 0.8, *(base64.b64encode(p).decode() for p in (photo, painting))],
    )
    pixels = np.frombuffer(base64.b64decode(found), np.uint8).reshape(photo.shape)
    expected = add_detail(photo, painting, 0.8)
    assert np.abs(pixels.astype(int) - expected).max() <= 1
    assert np.abs(pixels.astype(int) - painting).max() > 10


def test_download_keeps_the_stroke_size_of_the_preview(page: Page, large: Path, tmp_path: Path):
    give(page, large, "683 × 1024 px")
    difference = []
    for same in (True, False):
        apply(page, {"same": same, "style": "wheat_field"})
        expect(page.locator("#status")).to_contain_text("683 × 1024 px")
        found = downloaded(page, tmp_path / "found.png")
        assert found.shape == (1500, 1000, 3)
        assert np.array_equal(found, by_command(page, large, tmp_path / "expected.png"))
        assert ("--stroke-scale 1.46" in (page.locator("#line").text_content() or "")) == same
        small = to_array(Image.fromarray(found).resize((683, 1024))).astype(int)
        difference.append(np.abs(small - canvas_pixels(page, "#after")).mean())
    assert difference[0] < 0.85 * difference[1]


def test_download_as_jpeg(page: Page, picture: Path, tmp_path: Path):
    give(page, picture, SHOWN)
    page.locator("#format").select_option("jpg")
    found = downloaded(page, tmp_path / "found.jpg")
    with Image.open(tmp_path / "found.jpg") as image:
        assert image.format == "JPEG"
    assert np.array_equal(found, by_command(page, picture, tmp_path / "expected.jpg"))


def test_own_unmixable_model(page: Page, site_page: Page, picture: Path, tmp_path: Path):
    for where in (page, site_page):
        give(where, picture, SHOWN)
        apply(where, {"style": "negative", "detail": 0})
        assert where.locator("#strength").get_attribute("max") == "1"
        expect(where.locator("#second")).to_be_disabled()
        expect(where.locator("#mix-hint")).to_be_visible()
        found = downloaded(where, tmp_path / "found.png")
        assert np.array_equal(found, 255 - to_array(open_image(picture)))
        set_range(where, "strength", 0.5)
        found = downloaded(where, tmp_path / "found.png")
        assert np.abs(found.astype(float) - 127.5).max() < 1


def test_copy_to_clipboard(browser: Browser, address: str, picture: Path, tmp_path: Path):
    permissions = ["clipboard-read", "clipboard-write"]
    with opened(browser, address, permissions=permissions) as page:
        painted(page)
        give(page, picture, SHOWN)
        page.get_by_role("button", name="Copy", exact=True).click()
        expect(page.locator("#result-status")).to_have_text("Copied.")
        page.evaluate(
            """async () => {
                const [item] = await navigator.clipboard.read();
                const bitmap = await createImageBitmap(await item.getType("image/png"));
                const canvas = document.createElement("canvas");
                canvas.id = "pasted";
                [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
                canvas.getContext("2d").drawImage(bitmap, 0, 0);
                document.body.append(canvas);
            }"""
        )
        expected = by_command(page, picture, tmp_path / "expected.png")
        assert np.array_equal(canvas_pixels(page, "#pasted"), expected)


def test_heic_photograph(page: Page, site_page: Page, phone: Path, tmp_path: Path):
    give(page, phone, "96 × 64 px")
    found = downloaded(page, tmp_path / "found.png")
    assert np.array_equal(found, by_command(page, phone, tmp_path / "expected.png"))
    give(site_page, phone)
    expect(site_page.locator("#photo-error")).to_contain_text("choose a JPEG, PNG or WebP")


def test_switch_from_service_to_browser(page: Page, picture: Path):
    give(page, picture, SHOWN)
    by_service = canvas_pixels(page, "#after").astype(int)
    page.get_by_label("Painted").select_option("browser")
    expect(page.locator("#privacy")).to_have_text("Your photograph never leaves this browser.")
    painted(page)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    apply(page, {"style": "udnie"})
    apply(page, {"style": "composition_vii"})
    expect(page.locator("#status")).to_contain_text("Composition VII, 373")
    difference = np.abs(canvas_pixels(page, "#after").astype(int) - by_service)
    assert difference.mean() < 3  # the service's preview is a JPEG
    assert "POST" not in sent
