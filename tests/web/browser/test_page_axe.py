"""Accessibility, checked with axe-core."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.browser.helpers import apply, opened, painted

pytestmark = pytest.mark.browser

PACKAGE = "axe-core@4.14.1"


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("axe")
    command = ["npm", "pack", PACKAGE, "--silent", "--ignore-scripts"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    (package,) = folder.glob("*.tgz")
    with tarfile.open(package) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


def violations(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate("axe.run()")["violations"]
    return [
        f"{rule['id']}: {node['html'][:120]} {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 720)], ids=["phone", "desk"])
def test_no_violations(
    browser: Browser, address: str, axe: str, scheme: str, width: int, height: int
):
    size = {"width": width, "height": height}
    with opened(browser, address, color_scheme=scheme, viewport=size) as page:
        painted(page)
        assert violations(page, axe) == []
        for panel in ("Look", "Result", "Style"):
            if width < 1000:
                page.locator("#panels").get_by_role("button", name=panel).click()
                assert violations(page, axe) == []
        page.get_by_role("button", name="Mask").click()
        assert violations(page, axe) == []
        page.get_by_role("button", name="Mask").click()
        for button, title in (
            ("Crop", "Crop and rotate"),
            ("Keyboard shortcuts", "Keyboard shortcuts"),
            ("New style", "New style"),
        ):
            page.get_by_role("button", name=button).click()
            expect(page.get_by_role("dialog", name=title)).to_be_visible()
            assert violations(page, axe) == []
            page.keyboard.press("Escape")
        page.get_by_role("button", name="Side by side").click()
        expect(page.locator("#compare canvas[data-painted]")).to_have_count(1)
        assert violations(page, axe) == []


def test_no_violations_with_a_blend_of_three_and_several_photographs(
    page: Page, axe: str, picture: Path, large: Path
):
    page.locator("#file").set_input_files([picture, large])
    expect(page.locator("#queue li")).to_have_count(2)
    apply(page, {"style": "starry_night", "second": "wheat_field"})
    page.locator("#third").select_option("udnie")
    painted(page)
    assert violations(page, axe) == []


def test_api_page_has_no_violations(browser: Browser, address: str, axe: str):
    with opened(browser, f"{address}/api.html") as page:
        expect(page.get_by_role("heading", name="POST /api/stylize")).to_be_visible()
        assert violations(page, axe) == []
