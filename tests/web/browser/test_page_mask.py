"""Masks on the page: drawn by pointer and by keys, and their results compared with `infer`."""

from __future__ import annotations

import base64
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from fast_nst.pictures.edit import to_array
from fast_nst.pictures.mask import composite, fit_mask, read_mask
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
    serving,
    set_range,
)

pytestmark = pytest.mark.browser


def drag(page: Page, *points: tuple[float, float]) -> None:
    """Move the pressed mouse over points of the picture, in 0..1."""
    box = page.locator("#picture").bounding_box()
    assert box is not None
    for number, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def draw(page: Page) -> None:
    """A soft rectangle, and a line of the brush from which a smaller one is left."""
    page.locator("#mask").click()
    page.locator("#mask-rectangle").click()
    drag(page, (0.1, 0.2), (0.3, 0.3), (0.45, 0.9))
    page.locator("#mask-brush").click()
    drag(page, (0.5, 0.5), (0.7, 0.3), (0.9, 0.9))
    page.locator("#mask-leave").click()
    set_range(page, "mask-size", 5)
    set_range(page, "mask-soft", 0)
    drag(page, (0.8, 0.1), (0.6, 0.8))
    expect(page.locator("#mask")).to_have_text("Mask ✓")


def saved_mask(page: Page, target: Path) -> np.ndarray:
    """(h, w) of the mask that the page gives."""
    page.locator("#command").evaluate("(details) => { details.open = true; }")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the mask").click()
    download.value.save_as(target)
    return read_mask(target)


def encoded(*arrays: np.ndarray) -> list[str]:
    return [base64.b64encode(array.tobytes()).decode() for array in arrays]


@pytest.mark.parametrize("size", [(40, 30), (33, 61), (90, 7), (1, 1)])
def test_compose_and_fit_mask_equal_python(page: Page, size: tuple[int, int]):
    width, height = size
    outside, inside = noise(height, width), noise(height, width, seed=1)
    mask = noise(30, 40, 1)[..., 0]
    found = page.evaluate(
        """async ([width, height, ...texts]) => {
            const { compose, fitMask } = await import("./pixels.js");
            const bytes = (text) => Uint8ClampedArray.from(atob(text), (c) => c.charCodeAt(0));
            const pictures = texts.map((text) => ({ data: bytes(text), width, height }));
            const [outside, inside, mask] = pictures;
            const fitted = fitMask({ data: mask.data, width: 40, height: 30 }, width, height);
            const { data } = compose(outside, inside, fitted);
            return [[...fitted.data], [...data]];
        }""",
        [width, height, *encoded(outside, inside, mask)],
    )
    fitted = np.array(found[0], np.uint8).reshape(height, width)
    assert np.abs(fitted.astype(int) - fit_mask(mask, width, height)).max() <= 1
    assert found[1] == composite(outside, inside, fitted).ravel().tolist()


def test_lines_and_rectangles_have_their_closed_form(page: Page):
    line, rectangle = page.evaluate(
        """async () => {
            const { drawLine, drawRectangle, filled } = await import("./mask.js");
            const line = filled(0, { width: 60, height: 40 });
            const tool = { radius: 10, softness: 0.5, isPaint: true };
            drawLine(line, { x: 15, y: 20 }, { x: 45, y: 20 }, tool);
            const rectangle = filled(255, { width: 60, height: 40 });
            const box = { left: 10, top: 8, right: 50, bottom: 32 };
            drawRectangle(rectangle, box, { softness: 0.5, isPaint: false });
            return [[...line.data], [...rectangle.data]];
        }"""
    )
    y, x = np.mgrid[:40, :60] + 0.5
    distance = np.hypot(x - x.clip(15, 45), y - 20)
    expected = 255 * ((10.5 - distance) / 5).clip(0, 1)
    assert np.abs(np.reshape(line, (40, 60)) - expected).max() <= 0.5
    depth = np.minimum.reduce([x - 10, 50 - x, y - 8, 32 - y])
    expected = 255 * (1 - (depth / 6).clip(0, 1))
    assert np.abs(np.reshape(rectangle, (40, 60)) - expected).max() <= 0.5


@pytest.mark.parametrize("outside", ["", "udnie", "negative"])
def test_download_from_service_equals_infer(
    page: Page,
    large: Path,
    own: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    outside: str,
):
    monkeypatch.chdir(own)  # that of negative.onnx
    give(page, large, "683 × 1024 px")
    draw(page)
    if outside:
        page.locator("#outside").select_option(outside)
    found = downloaded(page, tmp_path / "found.png")
    mask = saved_mask(page, tmp_path / "mask.png")
    assert mask.shape == (1024, 683)
    assert {0, 255} < set(mask.flat)
    expected = by_command(page, large, tmp_path / "expected.png", tmp_path / "mask.png")
    assert np.array_equal(found, expected)
    if not outside:
        left = fit_mask(mask, 1000, 1500) == 0
        assert np.array_equal(found[left], to_array(open_image(large))[left])


@pytest.mark.parametrize("outside", ["", "the_scream"])
def test_download_from_browser_is_within_two_levels_of_infer(
    site_page: Page, picture: Path, tmp_path: Path, outside: str
):
    give(site_page, picture, SHOWN)
    apply(site_page, {"style": "udnie", "size": 300})
    draw(site_page)
    if outside:
        site_page.locator("#outside").select_option(outside)
    found = downloaded(site_page, tmp_path / "found.png").astype(int)
    assert saved_mask(site_page, tmp_path / "mask.png").shape == (251, 373)
    expected = by_command(site_page, picture, tmp_path / "expected.png", tmp_path / "mask.png")
    assert found.shape == expected.shape == (202, 300, 3)
    assert np.abs(found - expected).max() <= 2


def test_masks_that_leave_and_paint_everything(page: Page, picture: Path, tmp_path: Path):
    give(page, picture, SHOWN)
    apply(page, {"style": "negative", "detail": 0})
    photo = to_array(open_image(picture))
    assert np.array_equal(downloaded(page, tmp_path / "found.png"), 255 - photo)
    page.locator("#mask").click()
    page.get_by_role("button", name="Leave all").click()
    expect(page.locator("#mask-status")).to_have_text("0 % of the picture is painted.")
    assert "--mask MASK.png" in (page.locator("#line").text_content() or "")
    assert np.array_equal(downloaded(page, tmp_path / "found.png"), photo)
    page.get_by_role("button", name="Invert").click()
    expect(page.locator("#mask")).to_have_text("Mask")
    expect(page.locator("#save-mask")).to_be_hidden()
    assert "--mask" not in (page.locator("#line").text_content() or "")
    assert np.array_equal(downloaded(page, tmp_path / "found.png"), 255 - photo)
    page.keyboard.press("Control+z")
    expect(page.locator("#mask")).to_have_text("Mask ✓")
    page.get_by_role("button", name="Paint all").click()
    expect(page.locator("#mask")).to_have_text("Mask")
    page.locator("#undo").click()
    page.locator("#undo").click()
    expect(page.locator("#mask")).to_have_text("Mask")
    page.locator("#redo").click()
    assert np.array_equal(downloaded(page, tmp_path / "found.png"), photo)


def test_the_stage_shows_the_mask_while_it_is_drawn(page: Page, picture: Path):
    give(page, picture, SHOWN)
    painting = canvas_pixels(page, "#after")
    photo = to_array(open_image(picture))
    page.locator("#mask").click()
    page.locator("#mask-rectangle").click()
    set_range(page, "mask-soft", 0)
    box = page.locator("#picture").bounding_box()
    assert box is not None
    expected = photo.copy()
    expected[126:, 187:] = painting[126:, 187:]
    page.mouse.move(box["x"] + 187 / 373 * box["width"], box["y"] + 126 / 251 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] + 9, box["y"] + box["height"] + 9)
    page.wait_for_timeout(200)
    assert np.array_equal(canvas_pixels(page, "#after"), expected)
    page.mouse.up()
    expect(page.locator("#mask-status")).to_have_text("25 % of the picture is painted.")
    page.locator("#zoom-in").click()
    assert np.array_equal(canvas_pixels(page, "#after"), expected)


def test_by_keyboard(page: Page, picture: Path, tmp_path: Path):
    give(page, picture, SHOWN)
    page.locator("#mask").focus()
    page.keyboard.press("Enter")
    page.locator("#mask-rectangle").focus()
    page.keyboard.press("Space")
    page.locator("#mask-soft").focus()
    page.keyboard.press("Home")
    page.locator("#mask-box").focus()
    for keys, times in {"ArrowRight": 5, "ArrowUp": 30, "Shift+ArrowDown": 10}.items():
        for _ in range(times):
            page.keyboard.press(keys)
    expect(page.locator("#mask-status")).to_have_text("From 35 to 85 % across, from 0 to 70 % down")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator("#mask-bar")).to_be_hidden()
    expect(page.locator("#mask")).to_be_focused()
    expected = np.zeros((251, 373), np.uint8)
    expected[: round(0.7 * 251), round(0.35 * 373) : round(0.85 * 373)] = 255
    assert np.array_equal(saved_mask(page, tmp_path / "mask.png"), expected)


def test_a_mask_belongs_to_its_photograph(page: Page, picture: Path, tmp_path: Path):
    other = tmp_path / "other.png"
    photo = to_array(open_image(picture))
    Image.fromarray(photo[::-1]).save(other)
    page.set_input_files("#file", [picture, other])
    expect(page.locator("#status")).to_contain_text(SHOWN)
    apply(page, {"style": "negative", "detail": 0})
    page.locator("#mask").click()
    page.get_by_role("button", name="Leave all").click()
    page.locator("#queue").get_by_role("button", name="other", exact=False).first.click()
    expect(page.locator("#mask")).to_have_text("Mask")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download all").click()
    download.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        first, second = (to_array(open_image(archive.read(name))) for name in archive.namelist())
    assert np.array_equal(first, photo)
    assert np.array_equal(second, 255 - photo[::-1])
    page.locator("#queue").get_by_role("button", name="my cup").first.click()
    expect(page.locator("#mask")).to_have_text("Mask ✓")
    page.locator("#crop").click()
    page.locator("#crop-apply").click()
    expect(page.locator("#mask")).to_have_text("Mask")


def test_a_photograph_that_is_too_large_with_its_mask(
    browser: Browser, picture: Path, tmp_path: Path
):
    limit = f"{(picture.stat().st_size + 500) / 1e6}MB"
    with serving("--max-upload", limit) as (address, _), opened(browser, address) as page:
        painted(page)
        give(page, picture, SHOWN)
        draw(page)
        assert downloaded(page, tmp_path / "found.png").shape == (251, 373, 3)
        status = page.locator("#result-status")
        expect(status).to_have_text("Downloaded. It was painted from a copy of 373 × 251 px.")
