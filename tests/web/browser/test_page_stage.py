"""The stage: zoom, pan, full resolution, progress and cancelling."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_image
from tests.web.browser.helpers import (
    SECOND,
    SHOWN,
    apply,
    by_command,
    downloaded,
    give,
    held_back,
    opened,
    painted,
    serving,
    until_held,
)

pytestmark = pytest.mark.browser


def scale_of(page: Page) -> float:
    """Width of the picture on the screen, in px."""
    box = page.locator("#picture").bounding_box()
    assert box is not None
    return box["width"]


def test_zoom_by_wheel_keys_and_double_click(page: Page, picture: Path):
    give(page, picture, SHOWN)
    fitted = scale_of(page)
    stage = page.locator("#stage").bounding_box()
    assert stage is not None
    page.mouse.move(stage["x"] + 60, stage["y"] + 60)
    page.mouse.wheel(0, -600)
    assert scale_of(page) > 1.5 * fitted
    page.keyboard.press("0")
    assert scale_of(page) == pytest.approx(fitted)
    page.keyboard.press("+")
    assert scale_of(page) == pytest.approx(1.5 * fitted)
    page.keyboard.press("-")
    assert scale_of(page) == pytest.approx(fitted)
    page.keyboard.press("1")
    assert scale_of(page) == 373
    expect(page.locator("#zoom-value")).to_have_text("100 %")
    page.keyboard.press("0")
    page.locator("#stage").dblclick(position={"x": 80, "y": 80})
    assert scale_of(page) == pytest.approx(2 * fitted)
    page.locator("#stage").dblclick(position={"x": 80, "y": 80})
    assert scale_of(page) == pytest.approx(fitted)


def test_point_under_the_pointer_stays_and_dragging_pans(page: Page, picture: Path):
    give(page, picture, SHOWN)
    stage = page.locator("#stage").bounding_box()
    before = page.locator("#picture").bounding_box()
    assert stage is not None
    assert before is not None
    at = (stage["x"] + 0.3 * stage["width"], stage["y"] + 0.6 * stage["height"])
    page.mouse.move(*at)
    page.mouse.wheel(0, -900)
    after = page.locator("#picture").bounding_box()
    assert after is not None
    for axis, side in ((0, "width"), (1, "height")):
        key = "xy"[axis]
        assert (at[axis] - before[key]) / before[side] == pytest.approx(
            (at[axis] - after[key]) / after[side], abs=0.01
        )
    page.mouse.down()
    page.mouse.move(at[0] + 40, at[1] + 30, steps=3)
    page.mouse.up()
    panned = page.locator("#picture").bounding_box()
    assert panned is not None
    assert panned["x"] - after["x"] == pytest.approx(40)
    assert panned["y"] - after["y"] == pytest.approx(30)


def test_pinch_zooms_on_a_touch_screen(browser: Browser, address: str):
    size = {"width": 390, "height": 844}
    with opened(browser, address, viewport=size, has_touch=True, is_mobile=True) as page:
        painted(page)
        fitted = scale_of(page)
        page.evaluate(
            """() => {
                const stage = document.getElementById("stage");
                const { left, top } = stage.getBoundingClientRect();
                const send = (type, pointerId, x, y) => stage.dispatchEvent(new PointerEvent(type, {
                    pointerId, clientX: left + x, clientY: top + y, bubbles: true,
                    pointerType: "touch",
                }));
                stage.setPointerCapture = () => {}; // it knows no pointers of scripts
                send("pointerdown", 1, 150, 150);
                send("pointerdown", 2, 200, 200);
                send("pointermove", 1, 100, 100);
                send("pointermove", 2, 250, 250);
                send("pointerup", 1, 100, 100);
                send("pointerup", 2, 250, 250);
            }"""
        )
        assert scale_of(page) == pytest.approx(3 * fitted, rel=0.02)
        style = "x => getComputedStyle(x).touchAction"
        assert page.locator("#stage").evaluate(style) == "none"
        page.get_by_role("button", name="Fit").tap()
        assert page.locator("#stage").evaluate(style) == "pan-y"  # scrolling is left alone


def test_full_size_shows_the_pixels_of_infer(page: Page, large: Path, tmp_path: Path):
    give(page, large, "683 × 1024 px")
    page.get_by_role("button", name="Full size").click()
    expect(page.locator("#status")).to_have_text("Shown at full resolution.")
    page.locator("#split").fill("0")
    page.wait_for_timeout(SECOND / 2)  # for the row of the progress to go
    found = to_array(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    view = page.evaluate(
        """() => {
            const [stage, picture] = ["stage", "picture"].map(
                (id) => document.getElementById(id).getBoundingClientRect());
            const [left, top] = [Math.ceil(stage.left), Math.ceil(stage.top)];
            const [right, bottom] = [Math.floor(stage.right), Math.floor(stage.bottom)];
            return [left, top, right - left, bottom - top, left - picture.left, top - picture.top];
        }"""
    )
    assert np.abs(np.array(view) - np.round(view)).max() < 1e-3  # on whole pixels
    x, y, width, height, left, top = (round(value) for value in view)
    found = found[y : y + height, x : x + width]
    expected = by_command(page, large, tmp_path / "expected.png")
    part = expected[top : top + height, left : left + width]
    middle = np.s_[20:-20, 60:-60]  # without the stage's round corners and the divider
    assert np.abs(found[: part.shape[0], : part.shape[1]].astype(int) - part)[middle].max() <= 1
    # The file is there already: the download paints nothing.
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    assert np.array_equal(downloaded(page, tmp_path / "found.png"), expected)
    assert "POST" not in sent
    # Another look shows its own painting.
    apply(page, {"style": "udnie"})
    expect(page.locator("#sharp")).to_be_hidden()
    expect(page.locator("#status")).to_have_text("Shown at full resolution.")


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wide") / "wide.jpg"
    open_image("fast_nst/assets/photos/coffee.jpg").resize((2100, 1400)).save(path)
    return path


def test_progress_by_tiles_and_cancel(browser: Browser, wide: Path, tmp_path: Path):
    with serving("--max-memory", "300MB") as (address, _), opened(browser, address) as page:
        painted(page)
        give(page, wide, "1024 × 683 px")
        apply(page, {"same": False})
        page.get_by_role("button", name="Download", exact=True).click()
        text = page.locator("#progress-text")
        expect(text).to_contain_text("Painting 2100 px: ")
        expect(text).to_contain_text(" steps")
        assert page.locator("#progress").evaluate("x => x.position") >= 0
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#result-status")).to_have_text("Cancelled.")
        expect(page.locator("#progress-row")).to_be_hidden()
        expect(page.locator("#result-error")).to_be_empty()
        apply(page, {"size": 300})
        assert downloaded(page, tmp_path / "found.png").shape == (200, 300, 3)


def test_cancelled_view_stays_cancelled(page: Page, large: Path):
    give(page, large, "683 × 1024 px")
    with held_back(page, "**/api/stylize?**job=**") as held:
        page.get_by_role("button", name="Full size").click()
        until_held(page, held)
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#progress-row")).to_be_hidden()
        page.wait_for_timeout(1.5 * SECOND)
        assert len(held) == 1


def test_cancel_in_the_browser(site_page: Page, wide: Path, picture: Path, tmp_path: Path):
    give(site_page, wide, "1024 × 683 px")
    site_page.get_by_role("button", name="Download", exact=True).click()
    expect(site_page.locator("#progress-text")).to_have_text("Painting 2100 px: 1 of 3 steps")
    site_page.get_by_role("button", name="Cancel").click()
    expect(site_page.locator("#result-status")).to_have_text("Cancelled.")
    give(site_page, picture, SHOWN)
    assert downloaded(site_page, tmp_path / "found.png").shape == (251, 373, 3)


def test_download_does_not_block_styles(page: Page, picture: Path):
    give(page, picture, SHOWN)
    with held_back(page, "**/api/stylize?**job=**") as held:
        page.get_by_role("button", name="Download", exact=True).click()
        until_held(page, held)
        expect(page.locator("#progress-text")).to_have_text("Painting 373 px …")
        apply(page, {"style": "udnie"})
        expect(page.locator("#status")).to_contain_text("Dance), 373")
        assert held
    expect(page.locator("#result-status")).to_have_text("Downloaded.")


def test_stuck_thumbnail_does_not_block_the_chosen_style(browser: Browser, address: str, site: str):
    for where, pattern in (
        (address, "**/api/stylize?style=great_wave%3A1&**"),
        (site, "**/great_wave.*.onnx"),
    ):
        with (
            opened(browser, f"{where}/style.css", thumbnails=True) as page,
            held_back(page, pattern) as held,
        ):
            page.goto(where)
            painted(page)
            until_held(page, held)
            apply(page, {"style": "udnie"})
            expect(page.locator("#status")).to_contain_text("Dance), ")
            assert held


def test_every_action_answers_at_once(page: Page, picture: Path):
    """Within 100 ms of a click there are words about it."""
    give(page, picture, SHOWN)
    page.wait_for_load_state("networkidle")
    page.evaluate(
        """() => {
            window.said = [];
            const watch = (id) => new MutationObserver(() => {
                said.push([performance.now(), document.getElementById(id).textContent]);
            }).observe(document.getElementById(id), { childList: true, subtree: true });
            for (const id of ["status", "progress-text", "result-status"]) watch(id);
            document.addEventListener("click", () => { window.clicked = performance.now(); }, true);
        }"""
    )
    clicks = (
        ("chelsea", "Opening chelsea.jpg …"),
        ("Download", "Painting 451 px …"),
    )
    for name, words in clicks:
        page.evaluate("said.length = 0")
        page.get_by_role("button", name=name, exact=True).click()
        page.wait_for_timeout(300)
        first, text = page.evaluate("[said[0][0] - clicked, said.map(([, text]) => text)]")
        assert first < 100
        assert words in text
        painted(page)


def test_key_shows_the_photograph_while_held(page: Page, picture: Path):
    give(page, picture, SHOWN)
    page.locator("#zoom-in").focus()
    page.keyboard.down("b")
    clip = "x => parseFloat(getComputedStyle(x).clipPath.split(' ')[3])"
    assert page.locator("#after").evaluate(clip) >= scale_of(page) - 1
    page.keyboard.up("b")
    assert page.locator("#after").evaluate(clip) == pytest.approx(scale_of(page) / 2, abs=1)
