"""Styles of one's own that are removed on the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from fast_nst.models.home import HOME
from tests.conftest import inverting_model
from tests.web.browser.helpers import apply, opened, painted, serving

pytestmark = pytest.mark.browser
WITHOUT_MODEL = """async () => {
    const { withoutModel } = await import("./paint_options.js");
    const fast = { name: "a_fast", live: "" };
    const styles = [{ name: "a", live: "a_fast" }, fast, { name: "b", live: "c" }];
    return withoutModel(styles, "a_fast");
}"""


def test_own_style_is_removed_from_strip_looks_and_history(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(HOME, str(tmp_path))
    file = tmp_path / "styles" / "wave.onnx"
    file.parent.mkdir()
    file.write_bytes(inverting_model())
    with serving() as (address, _), opened(browser, address) as page:
        painted(page)
        buttons = page.locator("#gallery button")
        expect(buttons).to_have_count(1)  # gallery styles have none
        apply(page, {"style": "udnie"})
        apply(page, {"style": "wave"})
        expect(page.locator("#status")).to_contain_text("Negative, 512 × 512 px in")
        page.once("dialog", lambda dialog: dialog.dismiss())
        buttons.press("Enter")
        assert file.exists()
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Remove the style Negative").press("Enter")
        expect(page.locator("#found")).to_have_text("The style Negative was removed.")
        assert not file.exists()
        expect(page.locator("#status")).to_contain_text("Composition VII, 512 × 512 px in")
        expect(page.locator('li[data-name="wave"]')).to_have_count(0)
        assert page.evaluate("document.activeElement.value") == "composition_vii"
        assert "style=composition_vii" in page.url
        page.locator("#undo").click()
        assert "style=udnie" in page.url
        page.goto(f"{address}/#style=wave")
        expect(page.locator("#look-status")).to_contain_text("the style wave, which is not here")
        left = [{"name": "a", "live": ""}, {"name": "b", "live": "c"}]
        assert page.evaluate(WITHOUT_MODEL) == left
