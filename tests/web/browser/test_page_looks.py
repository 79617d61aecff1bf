"""Looks: undo, links, blends of three, saved looks, what survives a reload, and languages."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

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


def test_undo_and_redo(page: Page, picture: Path):
    give(page, picture, SHOWN)
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    apply(page, {"style": "udnie", "strength": 0.6, "colors": True})
    page.keyboard.press("Control+z")
    expect(page.locator("#colors")).not_to_be_checked()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#strength")).to_have_value("1")
    page.keyboard.press("Control+z")
    expect(page.get_by_role("radio", checked=True)).to_have_value("composition_vii")
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    for _ in range(3):
        page.keyboard.press("Control+Shift+Z")
    expect(page.get_by_role("radio", checked=True)).to_have_value("udnie")
    expect(page.locator("#strength")).to_have_value("0.6")
    expect(page.locator("#colors")).to_be_checked()
    expect(page.get_by_role("button", name="Redo")).to_be_disabled()
    expect(page.locator("#status")).to_contain_text("Dance), 373")


def test_link_opens_the_same_look(browser: Browser, page: Page, picture: Path, tmp_path: Path):
    give(page, picture, SHOWN)
    look = {"style": "starry_night", "second": "wheat_field", "share": 35}
    apply(page, {**look, "strength": 1.2, "detail": 0.5, "strokes": 0.5, "colors": True})
    found = downloaded(page, tmp_path / "found.png")
    link = page.url
    assert "#style=starry_night:0.65&style=wheat_field:0.35&strength=1.2" in link
    with opened(browser, link) as other:
        painted(other)
        expect(other.locator("#second")).to_have_value("wheat_field")
        give(other, picture, SHOWN)
        assert np.array_equal(downloaded(other, tmp_path / "other.png"), found)
        # Going to another link in the same tab, too.
        other.evaluate("location.hash = 'style=udnie&strength=0.5'")
        expect(other.locator("#status")).to_contain_text("Dance), 373")
        expect(other.locator("#strength")).to_have_value("0.5")


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("#style=no_such_style", "The link asks for the style no_such_style, which is not here."),
        ("#style=udnie&strength=1e9&detail=-3&strokes=x&colors=2", ""),
        ("#%%%&style=", ""),
        ("#style=udnie:0&style=evening:0", ""),
    ],
)
def test_wrong_link_gives_the_usual_look(browser: Browser, address: str, link: str, said: str):
    with opened(browser, f"{address}/{link}") as page:
        painted(page)
        expect(page.locator("#look-status")).to_have_text(said)
        expect(page.locator("#strength")).to_have_value("1")


def test_blend_of_three_by_the_pad(page: Page, picture: Path, tmp_path: Path):
    give(page, picture, SHOWN)
    apply(page, {"style": "starry_night", "second": "wheat_field"})
    page.locator("#third").select_option("udnie")
    pad = page.get_by_role("slider", name="Shares of the three styles")
    expect(pad).to_have_attribute(
        "aria-valuetext",
        re.compile(r"^The Starry Night 34 %, Wheat Field .* 33 %, Udnie .* 33 %$"),
    )
    pad.focus()
    for _ in range(6):
        page.keyboard.press("ArrowUp")
    shares = [
        float(share)
        for share in re.findall(r"[a-z]:([\d.]+)", page.locator("#line").text_content() or "")
    ]
    assert shares[0] > 0.6
    assert sum(shares) == pytest.approx(1)
    found = downloaded(page, tmp_path / "found.png")
    assert np.array_equal(found, by_command(page, picture, tmp_path / "expected.png"))
    page.locator("#second").select_option("")
    expect(page.locator("#pad-section")).to_be_hidden()
    expect(page.locator("#third-label")).to_be_hidden()


def test_reload_keeps_photograph_and_look_until_forgotten(page: Page, picture: Path):
    give(page, picture, SHOWN)
    apply(page, {"style": "udnie", "strength": 0.7})
    expect(page.locator("#status")).to_contain_text("Dance), 373")
    before = canvas_pixels(page, "#before")
    address = page.url.split("#")[0]
    page.goto("about:blank")
    page.goto(address)
    expect(page.locator("#status")).to_contain_text("Dance), 373")
    expect(page.locator("#strength")).to_have_value("0.7")
    assert np.array_equal(canvas_pixels(page, "#before"), before)
    page.get_by_role("button", name="Forget them").click()
    expect(page.locator("#result-status")).to_have_text("Forgotten.")
    page.goto("about:blank")
    page.goto(address)
    expect(page.locator("#status")).to_contain_text("Composition VII, 512")


def test_saved_looks(page: Page, picture: Path):
    give(page, picture, SHOWN)
    apply(page, {"style": "udnie", "strength": 0.7})
    page.once("dialog", lambda dialog: dialog.accept("calm <b>cubes</b>"))
    page.get_by_role("button", name="Save look").click()
    apply(page, {"style": "evening", "strength": 1})
    address = page.url.split("#")[0]
    page.goto("about:blank")
    page.goto(address)
    painted(page)
    page.get_by_role("button", name="calm <b>cubes</b>", exact=True).click()
    expect(page.locator("#status")).to_contain_text("Dance), 373")
    expect(page.locator("#strength")).to_have_value("0.7")
    page.get_by_role("button", name="Remove the look calm <b>cubes</b>").click()
    expect(page.locator("#saved-looks li")).to_have_count(0)


def test_saved_look_of_a_style_that_is_gone(page: Page):
    page.evaluate(
        """async () => {
            const { keep } = await import("./store.js");
            const look = { styles: [{ name: "gone", share: 1 }], strength: 1, detail: 0 };
            await keep("saved", [{ name: "old", look: { ...look, strokes: 0, colors: false } }]);
        }"""
    )
    page.reload()
    painted(page)
    page.get_by_role("button", name="old", exact=True).click()
    expect(page.locator("#look-status")).to_contain_text("asks for the style gone, which is not")
    apply(page, {"strength": 0.5})
    expect(page.locator("#strength-value")).to_have_text("0.50")


def test_words_in_german_and_french(browser: Browser, address: str, picture: Path):
    with opened(browser, address, locale="de-CH") as page:
        painted(page)
        assert page.evaluate("document.documentElement.lang") == "de"
        give(page, picture, SHOWN)
        expect(page.get_by_role("button", name="Herunterladen")).to_be_visible()
        page.get_by_label("Sprache").select_option("fr")
        expect(page.get_by_role("button", name="Télécharger")).to_be_visible()
        expect(page.locator("#after")).to_have_attribute(
            "aria-label", "La peinture, dans le style de Composition VII"
        )
        page.reload()
        expect(page.get_by_role("button", name="Télécharger")).to_be_visible()
        expect(page.locator("#status")).to_contain_text("373 × 251 px en")


def test_all_words_are_translated(page: Page):
    """With the same values; and the page uses no word that there is not."""
    missing = page.evaluate(
        """async () => {
            const { default: english } = await import("./words_en.js");
            const values = (text) => (text.match(/\\{\\w+\\}/g) ?? []).sort().join();
            const wrong = [];
            for (const name of ["de", "fr"]) {
                const { default: words } = await import(`./words_${name}.js`);
                for (const key of new Set([...Object.keys(english), ...Object.keys(words)])) {
                    const isSame = values(english[key] ?? "{}") === values(words[key] ?? "{}");
                    if (!isSame || !words[key]) wrong.push(`${name}: ${key}`);
                }
            }
            const { paths } = await (await fetch("config.json")).json();
            for (const path of paths.filter((name) => /^[a-z_]+\\.(js|html)$/.test(name))) {
                const text = await (await fetch(path)).text();
                const uses = /say\\("(\\w+)"|data-(?:word|label|placeholder)="(\\w+)"/g;
                for (const [, said, filled] of text.matchAll(uses)) {
                    if (!((said ?? filled) in english)) wrong.push(`${path}: ${said ?? filled}`);
                }
            }
            return wrong;
        }"""
    )
    assert missing == []


def test_arrow_keys_choose_styles_and_shortcuts_can_be_switched_off(page: Page, picture: Path):
    give(page, picture, SHOWN)
    page.locator("#zoom-in").focus()
    page.keyboard.press("j")
    expect(page.get_by_role("radio", checked=True)).to_have_value("contrast_of_forms")
    page.keyboard.press("k")
    expect(page.get_by_role("radio", checked=True)).to_have_value("composition_vii")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_contain_text("show the photograph while it is held")
    dialog.get_by_role("checkbox").uncheck()
    dialog.get_by_role("button", name="Close").click()
    page.keyboard.press("j")
    expect(page.get_by_role("radio", checked=True)).to_have_value("composition_vii")
    set_range(page, "strength", 0.5)
    page.keyboard.press("Control+z")
    expect(page.locator("#strength")).to_have_value("1")
