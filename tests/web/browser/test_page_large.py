"""Photographs above the limits of the service or the browser: noted, and painted as a copy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from fast_nst.pictures.read import open_image
from tests.web.browser.helpers import apply, by_command, downloaded, give, opened, painted, serving

pytestmark = pytest.mark.browser

COPIED = "Downloaded. It was painted from a copy of "


@pytest.fixture
def heavy(tmp_path: Path) -> Path:
    """A photograph above --max-upload, but not above --max-pixels."""
    path = tmp_path / "heavy.png"
    image = open_image("fast_nst/assets/photos/coffee.jpg").resize((2400, 1600))
    image.save(path, compress_level=0)
    assert path.stat().st_size > 9_000_000
    return path


def test_file_above_max_upload_is_copied(page: Page, heavy: Path, picture: Path, tmp_path: Path):
    give(page, heavy, "1024 × 683 px")
    note = page.locator("#photo-note")
    expect(note).to_contain_text(" MB, and the service accepts 9.0. A copy of it")
    found = downloaded(page, tmp_path / "found.png")
    assert found.shape == (1600, 2400, 3)
    expect(page.locator("#result-status")).to_have_text(f"{COPIED}2400 × 1600 px.")
    apply(page, {"size": 500})
    found = downloaded(page, tmp_path / "found.png")
    expected = by_command(page, heavy, tmp_path / "expected.png")
    assert found.shape == expected.shape == (333, 500, 3)
    assert np.abs(found.astype(int) - expected).mean() < 4
    expect(page.locator("#result-error")).to_be_empty()
    give(page, picture)
    expect(note).to_be_empty()
    downloaded(page, tmp_path / "found.png")
    expect(page.locator("#result-status")).to_have_text("Downloaded.")


def test_photograph_above_max_pixels_of_the_service_is_copied(
    browser: Browser, large: Path, tmp_path: Path
):
    with (
        serving("--max-pixels", "300000", "--max-upload", "0.2MB") as (address, _),
        opened(browser, address, thumbnails=True) as page,
    ):
        painted(page)
        give(page, large, "447 × 670 px")
        expect(page.locator("#photo-note")).to_contain_text(
            "has 1.5 megapixels, and the service accepts 0.3. A smaller copy of it is painted."
        )
        assert "--size 670" in (page.locator("#line").text_content() or "")
        found = downloaded(page, tmp_path / "found.png")
        expected = by_command(page, large, tmp_path / "expected.png")
        assert found.shape == expected.shape == (670, 447, 3)
        assert np.abs(found.astype(int) - expected).mean() < 4
        expect(page.locator("#result-status")).to_have_text(f"{COPIED}447 × 670 px.")
        expect(page.locator("#gallery-error")).to_be_empty()


def test_photograph_above_max_pixels_of_a_browser_is_copied(site_page: Page, tmp_path: Path):
    path = tmp_path / "vast.jpg"
    open_image("fast_nst/assets/photos/coffee.jpg").resize((7900, 5267)).save(path)
    give(site_page, path, "1024 × 683 px")
    expect(site_page.locator("#photo-note")).to_contain_text(
        "has 41.6 megapixels, and a browser can process 40. A copy of 7745 px is painted."
    )
    apply(site_page, {"size": 200})
    found = downloaded(site_page, tmp_path / "found.png")
    expected = by_command(site_page, path, tmp_path / "expected.png")
    assert found.shape == expected.shape == (133, 200, 3)
    assert np.abs(found.astype(int) - expected).mean() < 4


@pytest.mark.parametrize("clear", [False, True], ids=["opaque", "clear parts"])
def test_file_within_encodes_below_a_size(page: Page, clear: bool):
    """As PNG, as WebP, or as a smaller copy; transparency is kept."""
    found = page.evaluate(
        """async (clear) => {
            const { encodeWithin } = await import("./bitmaps.js");
            const image = new ImageData(300, 200);
            for (let i = 0; i < image.data.length; i++) image.data[i] = (i * i) % 251;
            for (let i = 3; i < image.data.length; i += 4) image.data[i] = 255;
            if (clear) image.data[3] = 0;
            const bitmap = await createImageBitmap(image);
            const answers = [];
            for (const bytes of [1_000_000, 60_000, 5_000, 1_000]) {
                const { blob, width, height } = await encodeWithin(bitmap, bytes);
                const made = await createImageBitmap(blob);
                const canvas = new OffscreenCanvas(width, height);
                const context = canvas.getContext("2d");
                context.drawImage(made, 0, 0);
                const alpha = context.getImageData(0, 0, 1, 1).data[3];
                answers.push([blob.type, blob.size <= bytes, width, made.width, alpha]);
            }
            return answers;
        }""",
        clear,
    )
    types, small_enough, said, widths, alphas = zip(*found, strict=True)
    assert types[0] == "image/png"
    assert all(small_enough)
    assert said == widths
    assert widths[0] == 300 > widths[2] > widths[3]
    assert alphas[0] == (0 if clear else 255)
    assert (alphas[1] < 255) == clear
