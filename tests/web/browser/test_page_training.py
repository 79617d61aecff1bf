"""A style of one's own: the dialog that trains it, and the strip that gets it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from fast_nst.models.home import HOME
from fast_nst.web.training import style_name
from tests.web.browser.helpers import (
    SECOND,
    by_command,
    downloaded,
    give,
    opened,
    painted,
    serving,
)

pytestmark = pytest.mark.browser
STEPPED = 300 * SECOND  # time to import PyTorch and to take a step, on a busy machine


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's folder."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME, str(folder))
        yield folder


@pytest.fixture(scope="module")
def service(home: Path, runtime: Path) -> Iterator[str]:
    with serving("--runtime", runtime) as (address, _):
        yield address


@pytest.fixture
def page(browser: Browser, service: str) -> Iterator[Page]:
    with opened(browser, service, thumbnails=True) as page:
        painted(page)
        yield page


@pytest.fixture
def painting(tmp_path: Path) -> Path:
    """A painting of stripes."""
    y, x = np.mgrid[:96, :128]
    planes = (128 + 100 * np.sin(x / 5), 128 + 100 * np.cos(y / 3), 2 * y)
    path = tmp_path / "my_stripes.png"
    Image.fromarray(np.stack(planes, axis=-1).clip(0, 255).astype(np.uint8)).save(path)
    return path


def begin(page: Page, painting: Path) -> None:
    title = painting.stem.replace("_", " ").capitalize()
    page.get_by_role("button", name="New style").click()
    page.locator("#painting-file").set_input_files(painting)
    expect(page.locator("#training-name")).to_have_value(title)
    page.locator("#training-minutes").select_option("5")
    page.locator("#training-begin").click()
    expect(page.locator("#training-status")).to_have_text("Starting …")


@pytest.mark.slow
def test_style_of_ones_own(page: Page, home: Path, painting: Path, picture: Path, tmp_path: Path):
    give(page, picture, "373 × 251 px")
    begin(page, painting)
    page.locator("#training-close").click()
    news = page.locator("#training-news")
    expect(news).to_have_text("Training My stripes: starting …")
    page.reload()  # the job is found
    painted(page)
    left = re.compile(r"^Training My stripes: (\d+ min|less than a minute) left$")
    expect(news).to_have_text(left, timeout=STEPPED)
    page.locator("#training-news button").click()
    expect(page.locator("#training-title")).to_have_text("New style: My stripes")
    expect(page.locator("#training-painting")).to_be_visible(timeout=STEPPED)
    width, height = page.locator("#training-painting").evaluate(
        "image => [image.naturalWidth, image.naturalHeight]"
    )
    assert abs(width / height - 373 / 251) < 0.02
    curve = page.get_by_role("img", name="The loss went from")
    expect(curve).to_be_visible(timeout=STEPPED)
    assert "L" in (curve.locator("path").get_attribute("d") or "")

    page.route("**/api/training", lambda route: route.abort())
    error = page.locator("#training-error")
    expect(error).to_contain_text("The service does not respond")
    page.unroute("**/api/training")
    expect(error).to_be_empty()

    page.get_by_role("button", name="Stop and keep").click()
    expect(page.locator("#training-status")).to_have_text(
        "My stripes is ready, and chosen.", timeout=STEPPED
    )
    page.locator("#training-close").click()
    expect(news).to_be_empty()
    card = page.locator('li[data-name="my_stripes"]')
    expect(card).to_contain_text("yours")
    expect(card.locator("input[type=radio]")).to_be_checked()
    expect(card.locator("canvas[data-painted]")).to_have_count(1, timeout=60 * SECOND)
    expect(page.locator("#status")).to_contain_text("My stripes, 373 × 251 px in")
    assert "style=my_stripes" in page.url
    found = downloaded(page, tmp_path / "found.png")
    assert np.array_equal(found, by_command(page, picture, tmp_path / "expected.png"))
    page.reload()
    painted(page)
    expect(card.locator("input[type=radio]")).to_be_checked()
    page.locator("#where").select_option("browser")
    expect(page.locator("#paint-error")).to_contain_text("is painted by the service only")
    page.locator("#where").select_option("service")
    painted(page)
    expect(page.locator("#paint-error")).to_be_empty()
    assert [path.name for path in (home / "styles").iterdir()] == ["my_stripes.onnx"]


def test_cancelled_training_leaves_nothing(page: Page, home: Path, painting: Path):
    begin(page, painting.rename(painting.with_name("my_waves.png")))
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Cancel and remove").click()
    expect(page.locator("#training-cancel")).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel and remove").click()
    expect(page.locator("#training-status")).to_contain_text("nothing was kept", timeout=STEPPED)
    assert not list((home / "training").glob("job-*"))
    page.locator("#training-another").click()
    expect(page.locator("#training-begin")).to_be_visible()
    expect(page.locator("#training-name")).to_have_value("My waves")


def test_what_is_wrong_is_said_until_it_is_right(page: Page, painting: Path, tmp_path: Path):
    page.get_by_role("button", name="New style").click()
    error, name = page.locator("#training-error"), page.locator("#training-name")
    name.fill("Udnie")
    taken = re.compile("^The style Udnie .* has this name. Please .*, such as Udnie 2.$")
    expect(error).to_have_text(taken)
    page.locator("#training-begin").click()
    expect(error).to_have_text("Please choose a painting first.")
    text = tmp_path / "text.png"
    text.write_text("no painting")
    page.locator("#painting-file").set_input_files(text)
    expect(error).to_contain_text("not an image")
    page.locator("#painting-file").set_input_files(painting)
    expect(page.locator("#painting-canvas")).to_be_visible()
    expect(error).to_have_text(taken)
    expect(name).to_have_value("Udnie")  # as typed
    page.locator("#training-begin").click()
    expect(error).to_have_text(taken)
    name.fill("")
    page.locator("#painting-file").set_input_files(painting.rename(tmp_path / "the-scream.png"))
    expect(name).to_have_value("The scream 2")
    expect(page.locator("#training-status")).to_have_text("the-scream.png is the painting.")
    name.fill("ÉTÉ & ²")
    page.evaluate(
        """async ([title, name]) => {
            const { nameOf } = await import("./style_names.js");
            if (nameOf(title) !== name) throw new Error(nameOf(title));
        }""",
        ["ÉTÉ & ²" + 70 * "ß", style_name("ÉTÉ & ²" + 70 * "ß")],
    )
    expect(error).to_be_empty()
    Image.new("RGB", (100, 100), "red").save(text)
    page.locator("#painting-file").set_input_files(text)
    page.locator("#training-begin").click()
    expect(error).to_contain_text("single color")
    page.keyboard.press("Escape")
    expect(page.locator("#training-dialog")).to_be_hidden()
    expect(page.locator("#training-news")).to_be_empty()


def test_photograph_as_painting_and_dropped_painting(page: Page, painting: Path):
    page.get_by_role("button", name="New style").click()
    page.get_by_role("button", name="Use the current photograph").click()
    canvas = page.locator("#painting-canvas")
    expect(canvas).to_have_attribute("aria-label", "The painting astronaut")
    shown = page.locator("#status").text_content()
    give(page, painting, onto="#painting-area")
    expect(canvas).to_have_attribute("aria-label", "The painting my_stripes.png")
    # With a number where another test has trained it.
    expect(page.locator("#training-name")).to_have_value(re.compile("^My stripes"))
    assert page.locator("#status").text_content() == shown  # it is not the photograph


def test_what_training_needs_is_said(page: Page):
    install = 'pip install "fast-nst[train]"'

    def without_packages(route: Route) -> None:
        config = route.fetch().json()
        config["service"]["training"]["missing"] = install
        route.fulfill(body=json.dumps(config), content_type="application/json")

    page.route("**/config.json", without_packages)
    page.reload()
    page.get_by_role("button", name="New style").click()
    expect(page.locator("#training-install")).to_have_text(install)
    expect(page.locator("#training-begin")).to_be_hidden()
    page.locator("#training-copy").click()
    expect(page.locator("#training-status")).not_to_be_empty()


def test_training_is_for_the_user_of_this_machine(browser: Browser, site: str):
    with serving("--name", "paint.example.org") as (address, _):
        for place in (address, site):
            with opened(browser, place) as page:
                painted(page)
                expect(page.locator("#new-style")).to_be_hidden()


def test_training_of_another_visitor_can_be_neither_seen_nor_ended(
    browser: Browser, home: Path, painting: Path
):
    allowed = ("--host", "127.0.0.2", "--allow-training", "--allow-videos")
    with (
        serving(*allowed) as (address, _),
        opened(browser, address) as page,
        opened(browser, address) as other,
    ):
        expect(page.locator("#privacy")).to_have_text(
            f"Your photograph is sent to {address.removeprefix('http://')}, which stores it only "
            "to train a "
            "style, until the next training. Films are deleted an hour after they are painted."
        )
        begin(page, painting.rename(painting.with_name("my_dots.png")))
        expect(page.locator("#training-cancel")).to_be_visible()
        other.reload()
        other.locator("#training-news button").click()
        expect(other.locator("#training-status")).to_have_text("Starting …")
        for name in ("cancel", "stop", "painting"):
            expect(other.locator(f"#training-{name}")).to_be_hidden()
        page.reload()
        page.locator("#training-news button").click()
        page.once("dialog", lambda dialog: dialog.accept())
        page.locator("#training-cancel").click()
        expect(page.locator("#training-status")).to_contain_text("nothing was kept")
    assert not list((home / "training").glob("job-*"))


def test_style_trained_in_another_tab_is_listed_and_not_chosen(page: Page):
    styles = page.request.get(f"{page.url.split('#')[0]}api/styles").json()
    new = {**styles[0], "name": "dots", "title": "Dots", "own": True}
    page.route("**/api/styles", lambda route: route.fulfill(json=[new, *styles]))
    state = page.request.get(f"{page.url.split('#')[0]}api/training").json()
    done = {**state, "state": "done", "name": "dots", "title": "Dots"}
    page.route("**/api/training", lambda route: route.fulfill(json=done))
    chosen = page.locator("#gallery input[type=radio]:checked")
    before = chosen.input_value()
    expect(page.locator('li[data-name="dots"]')).to_have_count(0)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # it is looked at again
    expect(page.locator('li[data-name="dots"]')).to_contain_text("yours")
    assert chosen.input_value() == before
