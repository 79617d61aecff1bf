"""The page's controls, layout and accessibility."""

from __future__ import annotations

import http.client
import http.server
import io
import itertools
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_image
from tests.conftest import inverting_model
from tests.web.browser.helpers import (
    SHOWN,
    apply,
    canvas_pixels,
    give,
    opened,
    painted,
    serving,
)

pytestmark = pytest.mark.browser


def test_download_is_named_after_photograph_and_style(page: Page, picture: Path):
    give(page, picture, SHOWN)
    apply(page, {"style": "udnie"})
    with page.expect_download() as download:
        page.get_by_role("button", name="Download", exact=True).click()
    assert download.value.suggested_filename == "my cup-udnie.png"
    expect(page.locator("#result-status")).to_have_text("Downloaded.")


def test_photograph_from_clipboard_sample_and_file_chooser(page: Page, picture: Path):
    expected = to_array(open_image(picture))
    give(page, picture, SHOWN, "paste")
    assert np.array_equal(canvas_pixels(page, "#before"), expected)
    page.get_by_role("button", name="chelsea").click()
    expect(page.locator("#status")).to_contain_text("451 × 300 px")
    page.locator("#file").set_input_files(picture)
    expect(page.locator("#status")).to_contain_text("373 × 251 px")


def test_thumbnails_show_the_photograph(strip_page: Page, picture: Path):
    strip_page.set_viewport_size({"width": 700, "height": 500})
    give(strip_page, picture, SHOWN)
    thumbnails = strip_page.locator("#gallery canvas")
    strip_page.locator("#gallery li").last.scroll_into_view_if_needed()
    expect(strip_page.locator("#gallery li:last-child canvas[data-painted]")).to_have_count(1)
    last = thumbnails.last
    assert last.evaluate("canvas => [canvas.width, canvas.height]") == [320, 215]


def test_thumbnails_are_lazy(browser: Browser, address: str):
    with opened(browser, address, thumbnails=True, viewport={"width": 400, "height": 600}) as page:
        painted(page)
        expect(page.locator("#gallery li:first-child canvas[data-painted]")).to_have_count(1)
        page.wait_for_load_state("networkidle")
        before = page.locator("canvas[data-painted]").count()
        page.locator("#gallery li").last.scroll_into_view_if_needed()
        expect(page.locator("#gallery li:last-child canvas[data-painted]")).to_have_count(1)
        assert 0 < before < 8


def test_divider_uncovers_the_photograph(page: Page, picture: Path):
    give(page, picture, SHOWN)
    slider = page.get_by_role("slider", name="How much of the photograph is shown")
    expect(slider).to_have_value("50")
    slider.focus()
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    expect(slider).to_have_value("30")
    expect(slider).to_have_attribute("aria-valuetext", "30 % photograph, 70 % painting")
    box = page.locator("#picture").bounding_box()
    assert box is not None
    page.locator("#grip").hover()
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 20, steps=4)
    page.mouse.up()
    expect(slider).to_have_value("70")
    # On the screen: the photograph to the left, the painting to the right.
    shot = Image.open(io.BytesIO(page.locator("#stage").screenshot())).convert("RGB")
    stage = page.locator("#stage").bounding_box()
    assert stage is not None
    left, top = box["x"] - stage["x"], box["y"] - stage["y"]
    scale = box["width"] / 373
    assert scale > 1  # small photographs are enlarged to the stage
    for part in (0.2, 0.45, 0.8, 0.9):
        x, y = int(part * 373), 60
        corner = round(left + x * scale), round(top + y * scale)
        seen = np.array(shot.crop((*corner, corner[0] + 30, corner[1] + 30))).mean((0, 1))
        side = round(30 / scale)
        near, far = (
            np.abs(canvas_pixels(page, name)[y : y + side, x : x + side].mean((0, 1)) - seen).max()
            for name in (("#before", "#after") if part < 0.7 else ("#after", "#before"))
        )
        assert 3 * near < far


@pytest.fixture(scope="module")
def many(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page of a service with more than 20 styles, some with accents in their names."""
    folder = tmp_path_factory.mktemp("many")
    for name in ("Été à Nîmes", "Über Brücken", *(f"own {i}" for i in range(8))):
        (folder / f"{name}.onnx").write_bytes(inverting_model())
    with serving("--models", folder) as (address, _), opened(browser, address) as page:
        yield page


def test_search_above_twenty_styles_ignores_accents(many: Page, page: Page):
    expect(page.get_by_role("searchbox")).to_be_hidden()
    cards = many.locator("#gallery li:visible")
    expect(cards).to_have_count(22)
    for words, count, text in (
        ("gogh 1889", 3, "3 styles found."),
        ("ete nimes", 1, "1 style found."),
        ("BRÜCKEN", 1, "1 style found."),
        ("nobody", 0, "No styles found."),
    ):
        many.get_by_role("searchbox", name="Search").fill(words)
        expect(cards).to_have_count(count)
        expect(many.locator("#found")).to_have_text(text)


def test_comparison_side_by_side(page: Page, picture: Path):
    give(page, picture, SHOWN)
    mode = page.get_by_role("button", name="Side by side")
    mode.click()
    for style in ("the_scream", "woman_with_a_hat"):
        page.locator(f'li[data-name="{style}"] .card').click()
    shown = page.locator("#compare canvas[data-painted]")
    expect(shown).to_have_count(3)
    assert page.locator("#compare figcaption").all_text_contents() == [
        "Composition VII",
        "The Scream",
        "Woman with a Hat",
    ]
    expect(page.locator("#stage")).to_be_hidden()
    page.locator('li[data-name="the_scream"] .card').click()
    expect(shown).to_have_count(2)
    mode.click()
    expect(page.locator("#stage")).to_be_visible()
    expect(page.locator("#compare")).to_be_hidden()
    expect(page.get_by_role("radio", checked=True)).to_have_value("composition_vii")


def test_camera_is_stylized_live(page: Page, site_page: Page):
    for where in (page, site_page):
        where.get_by_role("button", name="Camera", exact=True).click()
        expect(where.locator("#status")).to_have_text(re.compile(r"^[\d.]+ frames per second$"))
        before = canvas_pixels(where, "#after")
        assert before.shape[1] == 512
        where.get_by_role("button", name="Take this picture").click()
        expect(where.locator("#status")).to_contain_text(" ms")
        expect(where.get_by_role("button", name="Stop the camera")).to_be_hidden()


SIZES = [(390, 844), (844, 390), (820, 1180), (1280, 720), (1440, 900)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_layout_fits_and_has_contrast(browser: Browser, address: str, scheme: str):
    with opened(browser, address, color_scheme=scheme) as page:
        painted(page)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(200)
            root = page.evaluate("[document.documentElement.scrollWidth, innerHeight]")
            assert root <= [width, height]
            for name in ("#stage", "#gallery li:first-child"):  # together on one screen
                box = page.locator(name).bounding_box()
                assert box is not None
                assert 0 <= box["y"] < box["y"] + box["height"] <= height, (width, name)
                assert box["height"] > 100
            selectors = "h1, h2, p:not(:empty), label, button, small, select, output, a, code"
            for item in page.locator(selectors).all():
                if item.is_visible():
                    assert item.evaluate(CONTRAST) >= 4.5, item.evaluate("x => x.outerHTML")
            for item in page.locator("button:visible, select:visible, .button:visible").all():
                box = item.bounding_box()
                assert box is not None
                assert box["height"] >= 40, item.evaluate("x => x.outerHTML")


CONTRAST = """(item) => {
    const channels = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = (color) => {
        const [r, g, b] = channels(color).slice(0, 3).map((value) => {
            const part = value / 255;
            return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    let below = item;
    const isClear = (color) => (channels(color)[3] ?? 1) === 0;
    while (isClear(getComputedStyle(below).backgroundColor)) below = below.parentElement;
    const [a, b] = [getComputedStyle(item).color, getComputedStyle(below).backgroundColor]
        .map(light).sort();
    return (b + 0.05) / (a + 0.05);
}"""


def test_controls_have_names_and_keyboard_focus(page: Page):
    for item in page.locator("input, select, button").all():
        name = item.evaluate(
            "x => x.getAttribute('aria-label') || x.labels?.[0]?.textContent || x.textContent || "
            "x.querySelector('img')?.alt"
        )
        assert name, item.evaluate("x => x.outerHTML")
        assert name.strip(), item.evaluate("x => x.outerHTML")
    page.get_by_role("radio", name=re.compile("^Composition VII")).focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#status")).to_contain_text("Contrast of Forms")
    reached = set()
    page.locator("#language").focus()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.name || document.activeElement.id"))
    assert {"camera", "crop", "split", "zoom-in", "strength", "second", "strokes"} <= reached
    assert {"colors", "size", "format", "download", "copy", "style", "help"} <= reached


def test_forced_colors_show_the_selected_style(browser: Browser, address: str):
    with opened(browser, address, forced_colors="active") as page:
        painted(page)
        apply(page, {"style": "udnie", "split": 50})
        border = "x => [getComputedStyle(x).borderTopColor, getComputedStyle(x).borderTopWidth]"
        color, width = page.locator('li[data-name="udnie"]').evaluate(border)
        other, thin = page.locator('li[data-name="evening"]').evaluate(border)
        below = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert color not in (other, below)
        assert (other, thin, width) == (below, "2px", "4px")
        divider = page.locator("#divider").evaluate("x => getComputedStyle(x).backgroundColor")
        assert divider == "rgb(255, 255, 255)"


PREFIX = "/tools/paint"


@pytest.fixture
def proxy(address: str) -> Iterator[tuple[str, list[str]]]:
    """Address of a reverse proxy below a path prefix, and the requests outside of that."""
    outside: list[str] = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(f"{PREFIX}/"):
                outside.append(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            service = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
            path = self.path.removeprefix(PREFIX)
            service.request(self.command, path, body, dict(self.headers.items()))
            response = service.getresponse()
            data = response.read()
            self.send_response_only(response.status)
            for name, value in response.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            service.close()

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            """Do not log requests."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}", outside
        server.shutdown()
        thread.join()


def test_page_behind_a_path_prefix(browser: Browser, proxy: tuple[str, list[str]], picture: Path):
    prefix, outside = proxy
    with opened(browser, f"{prefix}/") as page:
        painted(page)
        give(page, picture, SHOWN)
        page.get_by_label("Painted").select_option("browser")
        expect(page.locator("#status")).to_contain_text("Painting")
        painted(page)
        page.get_by_role("link", name="API").click()
        example = page.locator("pre")
        expect(example).to_contain_text(f"'{prefix}/api/stylize?style=udnie&strength=1.1'")
        page.get_by_role("link", name="the page").click()
        painted(page)
        assert outside == []


def test_api_page(browser: Browser, address: str):
    with opened(browser, f"{address}/api.html") as page:
        expect(page.get_by_role("heading", name="POST /api/stylize")).to_be_visible()
        expect(page.locator("dt", has_text="stroke_scale")).to_be_visible()
        boxes = [section.bounding_box() for section in page.locator("section").all()]
        assert len(boxes) > 5
        for above, below in itertools.pairwise(boxes):  # one below the other
            assert above is not None
            assert below is not None
            assert below["y"] >= above["y"] + above["height"]


def test_static_site_has_no_service_controls(site_page: Page, site: str):
    expect(site_page.locator("#where-label")).to_be_hidden()
    expect(site_page.locator("#privacy")).to_have_text("Your photograph never leaves this browser.")
    assert site_page.locator("footer a").count() == 0
