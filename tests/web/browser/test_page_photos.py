"""Several photographs, cropping, formats and sharing."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from fast_nst.commands.main import main
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_image
from tests.web.browser.helpers import (
    SHOWN,
    apply,
    by_command,
    canvas_pixels,
    downloaded,
    give,
    held_back,
    opened,
    painted,
    until_held,
)

pytestmark = pytest.mark.browser


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    """Two photographs and a file that is none."""
    image = open_image("fast_nst/assets/photos/coffee.jpg")
    paths = [tmp_path / name for name in ("one.png", "été 2.png", "notes.png")]
    image.resize((300, 200)).save(paths[0])
    image.transpose(Image.Transpose.ROTATE_90).resize((200, 300)).save(paths[1])
    paths[2].write_bytes(b"not a picture")
    return paths


def test_queue_has_one_look_or_its_own_and_a_zip(page: Page, three: list[Path], tmp_path: Path):
    page.locator("#file").set_input_files(three)
    expect(page.locator("#status")).to_contain_text("300 × 200 px")
    expect(page.locator("#queue li")).to_have_count(3)
    apply(page, {"style": "udnie", "detail": 0})
    page.get_by_role("button", name="été 2.png", exact=True).click()
    expect(page.locator("#status")).to_contain_text("Dance), 200 × 300 px")
    page.get_by_role("checkbox", name="This photograph has its own look").check()
    apply(page, {"style": "evening"})
    expect(page.locator("#status")).to_contain_text("Evening Landscape, 200")
    page.get_by_role("button", name="one.png", exact=True).click()
    expect(page.locator("#status")).to_contain_text("Dance), 300 × 200 px")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download all").click()
    download.value.save_as(tmp_path / "paintings.zip")
    expect(page.locator("#result-status")).to_contain_text("2 paintings downloaded; failed: notes")
    with zipfile.ZipFile(tmp_path / "paintings.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["one-udnie.png", "été 2-evening.png"]
        archive.extractall(tmp_path / "found")
    for path, style in ((three[0], "udnie"), (three[1], "evening")):
        name = f"{path.stem}-{style}.png"
        command = ["infer", str(path), "-s", style, "--detail", "0", "-q", "-o"]
        assert main([*command, str(tmp_path / name)]) == 0
        assert np.array_equal(
            to_array(open_image(tmp_path / "found" / name)), to_array(open_image(tmp_path / name))
        )


def test_files_can_be_removed_from_the_queue(page: Page, three: list[Path]):
    page.locator("#file").set_input_files(three)
    expect(page.locator("#status")).to_contain_text("300 × 200 px")
    page.get_by_role("button", name="Remove one.png").click()
    expect(page.locator("#status")).to_contain_text("200 × 300 px")
    page.get_by_role("button", name="notes.png", exact=True).click()
    expect(page.locator("#photo-error")).to_contain_text("not an image")
    page.get_by_role("button", name="Remove notes.png").click()
    expect(page.locator("#queue-section")).to_be_hidden()
    expect(page.locator("#status")).to_contain_text("200 × 300 px")


def test_zip_is_of_the_moment_of_its_click(page: Page, three: list[Path], tmp_path: Path):
    page.locator("#file").set_input_files(three[:2])
    expect(page.locator("#status")).to_contain_text("300 × 200 px")
    with page.expect_download() as download:
        with held_back(page, "**/api/stylize?**job=**") as held:
            page.get_by_role("button", name="Download all").click()
            until_held(page, held)
            apply(page, {"style": "udnie"})
        download.value.save_as(tmp_path / "paintings.zip")
    with zipfile.ZipFile(tmp_path / "paintings.zip") as archive:
        names = archive.namelist()
    assert names == ["one-composition_vii.png", "été 2-composition_vii.png"]


def test_file_that_cannot_be_opened_leaves_the_stage_and_its_mark(page: Page, three: list[Path]):
    page.locator("#file").set_input_files([three[2], *three[:2]])
    expect(page.locator("#status")).to_contain_text("300 × 200 px")  # the first that opens
    current = page.locator("#queue button[aria-current=true]")
    expect(current).to_have_text("one.png")
    page.get_by_role("button", name="notes.png", exact=True).click()
    expect(page.locator("#photo-error")).to_contain_text("not an image")
    expect(current).to_have_text("one.png")
    expect(page.locator("#status")).to_contain_text("300 × 200 px")
    # Thumbnails are there before their photographs are chosen.
    drawn = """x => x.getContext("2d").getImageData(0, 0, x.width, x.height).data.some(Boolean)"""
    assert page.locator("#queue canvas").nth(2).evaluate(drawn)


def test_crop_keeps_the_other_photographs_and_looks(page: Page, three: list[Path]):
    page.locator("#file").set_input_files(three[:2])
    expect(page.locator("#status")).to_contain_text("300 × 200 px")
    page.get_by_role("checkbox", name="This photograph has its own look").check()
    apply(page, {"style": "udnie"})
    page.get_by_role("button", name="Crop").click()
    page.get_by_label("Proportions").select_option("1")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#status")).to_contain_text("Dance), 200 × 200 px")
    expect(page.locator("#queue li")).to_have_count(2)
    # The link and undo are those of the photograph on the stage.
    assert "style=udnie" in page.url
    page.get_by_role("button", name="été 2.png", exact=True).click()
    expect(page.locator("#status")).to_contain_text("Composition VII, 200 × 300 px")
    assert "style=composition_vii" in page.url
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    assert page.evaluate("document.activeElement.title") == "été 2.png"


def test_crop_and_rotate(page: Page, picture: Path, tmp_path: Path):
    give(page, picture, SHOWN)
    page.get_by_role("button", name="Crop").click()
    dialog = page.get_by_role("dialog", name="Crop and rotate")
    dialog.get_by_role("button", name="Rotate to the right").click()
    expect(dialog.locator("#crop-status")).to_have_text("251 × 373 px")
    box = dialog.locator("#crop-canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.4 * box["height"], steps=4)
    page.mouse.up()
    words = dialog.locator("#crop-status").text_content() or ""
    width, height = (int(part) for part in words.removesuffix(" px").split(" × "))
    assert (width, height) == pytest.approx((0.6 * 251, 0.4 * 373), abs=8)
    dialog.get_by_role("button", name="Apply").click()
    expect(page.locator("#status")).to_contain_text(f"{width} × {height} px")
    rotated = open_image(picture).transpose(Image.Transpose.ROTATE_270)
    expected = to_array(rotated.crop((0, 0, width, height)))
    assert np.array_equal(canvas_pixels(page, "#before"), expected)
    Image.fromarray(expected).save(tmp_path / "cropped.png")
    found = downloaded(page, tmp_path / "found.png")
    assert np.array_equal(found, by_command(page, tmp_path / "cropped.png", tmp_path / "e.png"))


def test_crop_by_keys_and_cancel(page: Page, picture: Path):
    give(page, picture, SHOWN)
    page.get_by_role("button", name="Crop").click()
    dialog = page.get_by_role("dialog", name="Crop and rotate")
    dialog.get_by_label("Proportions").select_option("1")
    expect(dialog.locator("#crop-status")).to_have_text("251 × 251 px")
    dialog.locator("#crop-box").focus()
    for _ in range(5):
        page.keyboard.press("Shift+ArrowLeft")
    words = dialog.locator("#crop-status").text_content() or ""
    width, height = (int(part) for part in words.removesuffix(" px").split(" × "))
    assert width == pytest.approx(height, abs=1)
    assert width < 240
    page.keyboard.press("Escape")
    expect(page.locator("#status")).to_contain_text(SHOWN)


def test_webp(page: Page, site_page: Page, picture: Path, tmp_path: Path):
    for number, where in enumerate((page, site_page)):
        give(where, picture, SHOWN)
        where.locator("#format").select_option("webp")
        found = downloaded(where, tmp_path / f"{number}.webp")
        with Image.open(tmp_path / f"{number}.webp") as image:
            assert image.format == "WEBP"
        expected = by_command(where, picture, tmp_path / f"expected{number}.webp")
        assert np.abs(found.astype(int) - expected).mean() < (1 if number else 1e-9)


def test_share_gives_the_file_to_another_app(browser: Browser, address: str, picture: Path):
    with opened(browser, f"{address}/healthz") as page:
        page.add_init_script(
            """navigator.canShare = ({ files }) => files[0].type === "image/png";
            navigator.share = async ({ files: [file] }) => {
                window.shared = [file.name, file.type, file.size];
            };"""
        )
        page.goto(address)
        painted(page)
        give(page, picture, SHOWN)
        page.get_by_role("button", name="Share").click()
        expect(page.locator("#result-status")).to_have_text("Shared.")
        name, kind, size = page.evaluate("shared")
        assert (name, kind) == ("my cup-composition_vii.png", "image/png")
        assert size > 10_000
