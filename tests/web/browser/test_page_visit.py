"""What a reload finds: the photographs, their own looks and masks, and the size."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urljoin

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from fast_nst.pictures.read import open_image
from tests.web.browser.helpers import apply, downloaded, painted, set_range

pytestmark = pytest.mark.browser
KEYS = """() => new Promise((resolve) => {
    indexedDB.open("fast_nst").onsuccess = ({ target }) => {
        const table = target.result.transaction("kept").objectStore("kept");
        table.getAllKeys().onsuccess = ({ target: found }) => resolve(found.result);
    };
})"""
FITTING = """async () => {
    const { fitting } = await import("./visit.js");
    const entries = [150e6, 60e6, 40e6].map((size) => ({ blob: { size } }));
    return fitting(entries, entries[1]).map(({ blob }) => blob.size);
}"""

IS_KEPT = """async () => {
    const { keptVisit } = await import("./visit.js");
    for (let tries = 0; tries < 100; tries++) {
        const { size, entries, current } = await keptVisit();
        if (size === "90" && entries[current].mask) return true;
        await new Promise((resolve) => { setTimeout(resolve, 100); });
    }
    return false;
}"""
OVERLAPPING = """async () => {
    const { VisitKeeper, keptVisit } = await import("./visit.js");
    const visitOf = (name, png) => {
        const mask = { current: { png }, outside: "" };
        const entry = { name, blob: new Blob([name]), look: null, mask };
        return { entries: [entry], current: entry, look: null, size: null };
    };
    let finish;
    let visit = visitOf("older", () => new Promise((resolve) => { finish = resolve; }));
    const keeper = new VisitKeeper(() => visit);
    const first = keeper.keep();
    visit = visitOf("newer", async () => null);
    await keeper.keep();
    finish(null);
    await first;
    return (await keptVisit()).entries.map(({ name }) => name);
}"""


def photographs(page: Page) -> list[str]:
    return [key for key in page.evaluate(KEYS) if key.startswith("photograph ")]


def test_reload_keeps_queue_masks_and_size_until_forgotten(page: Page, tmp_path: Path):
    paths = [tmp_path / f"{name}.png" for name in ("one", "two", "three")]
    image = open_image("fast_nst/assets/photos/coffee.jpg")
    for path, width in zip(paths, (180, 150, 120), strict=True):
        image.resize((width, 100)).save(path)
    page.locator("#file").set_input_files(paths)
    expect(page.locator("#status")).to_contain_text("180 × 100 px")
    page.get_by_role("button", name="Remove three.png").click()
    page.get_by_role("button", name="two.png", exact=True).click()
    page.get_by_role("checkbox", name="This photograph has its own look").check()
    apply(page, {"style": "udnie"})
    set_range(page, "size", 90)
    page.locator("#mask").click()
    page.locator("#mask-rectangle").click()
    page.locator("#mask-box").press("Enter")
    share = page.locator("#mask-status").text_content()
    before = downloaded(page, tmp_path / "before.png")
    assert before.shape == (60, 90, 3)
    assert page.evaluate(IS_KEPT)
    page.reload()
    expect(page.locator("#queue li span")).to_have_text(["one.png", "two.png"])
    expect(page.locator("#queue button[aria-current=true]")).to_have_text("two.png")
    expect(page.locator("#status")).to_contain_text("Dance), 90 × 60 px")
    page.locator("#mask").click()
    expect(page.locator("#mask-status")).to_have_text(share or "")
    assert np.array_equal(downloaded(page, tmp_path / "after.png"), before)
    page.get_by_role("button", name="one.png", exact=True).click()
    expect(page.locator("#status")).to_contain_text("Composition VII, 90 × 50 px")
    assert len(photographs(page)) == 2
    page.get_by_role("button", name="Forget them").click()
    expect(page.locator("#result-status")).to_have_text("Forgotten.")
    apply(page, {"strength": 0.5})
    page.reload()
    expect(painted(page)).to_contain_text("512 × 512 px")
    expect(page.locator("#queue-section")).to_be_hidden()
    assert len(photographs(page)) == 1  # the sample
    assert page.evaluate(FITTING) == [60e6, 40e6]
    page.goto(urljoin(page.url, "api.html"))  # which keeps no visit of its own
    assert page.evaluate(OVERLAPPING) == ["newer"]
