"""The page as people use it: a real browser, real files, and what `infer` makes of them."""

from __future__ import annotations

import functools
import http.server
import io
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from fast_nst.commands.main import main
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_image
from fast_nst.web.runtime import SHA256, runtime_from_npm
from tests.conftest import inverting_model, noise
from tests.web.browser import (
    ARGUMENTS,
    CHROMIUM,
    by_command,
    canvas_pixels,
    downloaded,
    give,
    opened,
    painted,
    serving,
    set_range,
)

pytestmark = pytest.mark.browser
SHOWN = "373 × 251 px"  # of `picture`


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runtime")
    for path, data in runtime_from_npm().files.items():
        (folder / Path(path).name).write_bytes(data)
    assert sorted(path.name for path in folder.iterdir()) == sorted(SHA256)
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    (folder / "negative.onnx").write_bytes(inverting_model())
    return folder


@pytest.fixture(scope="module")
def address(runtime: Path, own: Path) -> Iterator[str]:
    with serving("--runtime", runtime, "--models", own, "--max-upload", "9MB") as (address, _):
        yield address


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site(runtime: Path, own: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A static host with the site in a folder."""
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
    """A photograph as JPEG with EXIF, larger than the preview and on its side."""
    path = tmp_path / "large.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    image = open_image("fast_nst/assets/photos/coffee.jpg").resize((1500, 1000))
    image.save(path, exif=exif.tobytes(), quality=95)
    return path


@pytest.fixture
def phone(tmp_path: Path) -> Path:
    """A photograph that the browser cannot read."""
    pillow_heif.register_heif_opener()
    path = tmp_path / "phone.heic"
    Image.fromarray(noise(8, 12)).resize((96, 64)).save(path, "HEIF")
    return path


def apply(page: Page, look: dict[str, float | str | bool]) -> None:
    for name, value in look.items():
        if name == "style":
            page.locator(f'li[data-name="{value}"] .card').click()
        elif isinstance(value, bool):
            page.locator(f"#{name}").set_checked(value)
        elif name == "second":
            page.locator("#second").select_option(str(value))
        else:
            set_range(page, name, float(value))


LOOKS: list[dict[str, float | str | bool]] = [
    {},
    {"style": "udnie", "strength": 0.15},
    {"style": "the_scream", "strength": 1.35, "colors": True},
    {"style": "starry_night", "second": "wheat_field", "share": 35},
    {"style": "evening", "strokes": 1, "size": 300},
    {"strokes": -0.5, "strength": 0},
]


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_what_is_downloaded_is_what_infer_writes(page: Page, picture: Path, tmp_path: Path, look):
    give(page, picture, SHOWN)
    apply(page, look)
    found = downloaded(page, tmp_path / "found.png")
    assert np.array_equal(found, by_command(page, picture, tmp_path / "expected.png"))


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_painted_in_the_browser_it_is_within_two_levels(
    site_page: Page, picture: Path, tmp_path: Path, look
):
    give(site_page, picture, SHOWN)
    apply(site_page, look)
    found = downloaded(site_page, tmp_path / "found.png").astype(int)
    expected = by_command(site_page, picture, tmp_path / "expected.png")
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 2


def test_a_large_photograph_keeps_the_strokes_of_its_preview(
    page: Page, large: Path, tmp_path: Path
):
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


def test_as_jpeg(page: Page, picture: Path, tmp_path: Path):
    give(page, picture, SHOWN)
    page.locator("#format").select_option("jpg")
    found = downloaded(page, tmp_path / "found.jpg")
    with Image.open(tmp_path / "found.jpg") as image:
        assert image.format == "JPEG"
    assert np.array_equal(found, by_command(page, picture, tmp_path / "expected.jpg"))


def test_the_file_is_called_after_photograph_and_style(page: Page, picture: Path):
    give(page, picture, SHOWN)
    apply(page, {"style": "udnie"})
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "my cup-udnie.png"
    expect(page.locator("#result-status")).to_have_text("Downloaded.")


def test_a_model_of_ones_own(page: Page, site_page: Page, picture: Path, tmp_path: Path):
    for where in (page, site_page):
        give(where, picture, SHOWN)
        apply(where, {"style": "negative"})
        assert where.locator("#strength").get_attribute("max") == "1"
        expect(where.locator("#second")).to_be_disabled()
        expect(where.locator("#mix-hint")).to_be_visible()
        found = downloaded(where, tmp_path / "found.png")
        assert np.array_equal(found, 255 - to_array(open_image(picture)))
        set_range(where, "strength", 0.5)
        found = downloaded(where, tmp_path / "found.png")
        assert np.abs(found.astype(float) - 127.5).max() < 1


def test_paste_choose_and_samples(page: Page, picture: Path):
    expected = to_array(open_image(picture))
    give(page, picture, SHOWN, "paste")
    assert np.array_equal(canvas_pixels(page, "#before"), expected)
    page.get_by_role("button", name="chelsea").click()
    expect(page.locator("#status")).to_contain_text("451 × 300 px")
    page.locator("#file").set_input_files(picture)
    expect(page.locator("#status")).to_contain_text("373 × 251 px")


def test_thumbnails_are_of_the_photograph_and_lazy(page: Page, picture: Path):
    page.set_viewport_size({"width": 700, "height": 500})
    give(page, picture, SHOWN)
    thumbnails = page.locator("#gallery canvas")
    page.locator("#gallery li").last.scroll_into_view_if_needed()
    expect(page.locator("#gallery li:last-child canvas[data-painted]")).to_have_count(1)
    last = thumbnails.last
    assert last.evaluate("canvas => [canvas.width, canvas.height]") == [192, 129]


def test_thumbnails_out_of_sight_wait(browser: Browser, address: str):
    with opened(browser, address, viewport={"width": 400, "height": 600}) as page:
        painted(page)
        page.wait_for_load_state("networkidle")
        before = page.locator("canvas[data-painted]").count()
        page.locator("#gallery li").last.scroll_into_view_if_needed()
        expect(page.locator("#gallery li:last-child canvas[data-painted]")).to_have_count(1)
        assert 0 < before < 8


def test_the_slider_uncovers_the_photograph(page: Page, picture: Path):
    give(page, picture, SHOWN)
    slider = page.get_by_role("slider", name="How much of the photograph is shown")
    slider.focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    expect(slider).to_have_value("30")
    after = page.locator("#after")
    assert after.evaluate("x => getComputedStyle(x).clipPath") == "inset(0px 0px 0px 30%)"
    box = after.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.7 * box["width"], box["y"] + 20)
    expect(slider).to_have_value("70")
    # On the screen: the photograph to the left, the painting to the right.
    shot = Image.open(io.BytesIO(page.locator("#stage").screenshot())).convert("RGB")
    stage = page.locator("#stage").bounding_box()
    assert stage is not None
    left = box["x"] - stage["x"]
    scale = box["width"] / 373
    for part in (0.2, 0.45, 0.8, 0.9):
        x, y = int(part * 373), 125
        corner = round(left + x * scale), round(y * scale)
        seen = np.array(shot.crop((*corner, corner[0] + 30, corner[1] + 30))).mean((0, 1))
        side = round(30 / scale)
        near, far = (
            np.abs(canvas_pixels(page, name)[y : y + side, x : x + side].mean((0, 1)) - seen).max()
            for name in (("#before", "#after") if part < 0.7 else ("#after", "#before"))
        )
        assert 3 * near < far


def test_search(page: Page):
    cards = page.locator("#gallery li:visible")
    expect(cards).to_have_count(11)
    page.get_by_role("searchbox", name="Search").fill("gogh 1889")
    expect(cards).to_have_count(2)
    expect(page.locator("#found")).to_have_text("2 styles found.")
    page.get_by_role("searchbox", name="Search").fill("nobody")
    expect(page.locator("#found")).to_have_text("No styles found.")


def test_side_by_side(page: Page, picture: Path):
    give(page, picture, SHOWN)
    for title in ("The Scream", "Woman with a Hat"):
        page.get_by_role("checkbox", name=f"{title} side by side with others").check()
    shown = page.locator("#compare canvas[data-painted]")
    expect(shown).to_have_count(2)
    assert page.locator("#compare figcaption").all_text_contents() == [
        "The Scream",
        "Woman with a Hat",
    ]
    page.get_by_role("checkbox", name="The Scream side by side with others").uncheck()
    expect(shown).to_have_count(1)


def test_copy(browser: Browser, address: str, picture: Path, tmp_path: Path):
    permissions = ["clipboard-read", "clipboard-write"]
    with opened(browser, address, permissions=permissions) as page:
        painted(page)
        give(page, picture, SHOWN)
        page.get_by_role("button", name="Copy").click()
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


def test_the_camera_is_painted_live(page: Page, site_page: Page):
    for where in (page, site_page):
        where.get_by_role("button", name="Camera", exact=True).click()
        expect(where.locator("#status")).to_have_text(re.compile(r"^[\d.]+ frames a second$"))
        before = canvas_pixels(where, "#after")
        assert before.shape[1] == 512
        where.get_by_role("button", name="Take this picture").click()
        expect(where.locator("#status")).to_contain_text(" ms")
        expect(where.get_by_role("button", name="Stop the camera")).to_be_hidden()


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


def test_a_heic_photograph(page: Page, site_page: Page, phone: Path, tmp_path: Path):
    give(page, phone, "96 × 64 px")
    found = downloaded(page, tmp_path / "found.png")
    assert np.array_equal(found, by_command(page, phone, tmp_path / "expected.png"))
    give(site_page, phone)
    expect(site_page.locator("#photo-error")).to_contain_text("choose a JPEG, PNG or WebP")


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


def test_the_other_place_to_paint(page: Page, picture: Path):
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(390, 844), (1280, 900)], ids=["phone", "desk"])
def test_it_fits_and_can_be_read(browser: Browser, address: str, tmp_path: Path, scheme, size):
    width, height = size
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": height}}
    with opened(browser, address, **options) as page:
        painted(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.screenshot(path=tmp_path / f"{scheme}-{width}.png", full_page=True)
        selectors = "h1, h2, p:not(:empty), label, button, small, select, output, footer, a, code"
        for item in page.locator(selectors).all():
            if item.is_visible():
                assert item.evaluate(CONTRAST) >= 4.5, item.evaluate("x => x.outerHTML")
        for item in page.locator("button:visible, select:visible, .button:visible").all():
            box = item.bounding_box()
            assert box is not None
            assert box["height"] >= 40


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


def test_everything_has_a_name_and_takes_the_keyboard(page: Page):
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
    page.locator("#file").focus()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.name"))
    assert {"camera", "split", "strength", "second", "strokes", "colors", "size"} <= reached
    assert {"format", "download", "copy", "search", "style"} <= reached


def test_the_description_for_programs(browser: Browser, address: str):
    with opened(browser, f"{address}/api.html") as page:
        expect(page.get_by_role("heading", name="POST /api/stylize")).to_be_visible()
        expect(page.locator("dt", has_text="stroke_scale")).to_be_visible()


def test_the_site_needs_nothing_else(site_page: Page, site: str):
    expect(site_page.locator("#where-label")).to_be_hidden()
    expect(site_page.locator("#privacy")).to_have_text("Your photograph never leaves this browser.")
    assert site_page.locator("footer a").count() == 0
