"""Films that are dropped on the page: painted by the service, or by a command that it shows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from fast_nst import stylize_video
from fast_nst.commands.main import main
from tests.videos.clips import flat, make, probe
from tests.web.browser.helpers import (
    SECOND,
    SHOWN,
    apply,
    give,
    opened,
    painted,
    serving,
    until_held,
)

pytestmark = pytest.mark.browser
PAINTED = 90 * SECOND


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("clips") / "my clip.mp4", sound="aac")


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film that takes minutes to paint."""
    path = tmp_path_factory.mktemp("clips") / "long.mp4"
    return make(path, size=(640, 480), frames=300, picture=flat((90, 120, 150)))


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """A service that paints films of at most 0.3 MB."""
    with serving("--max-video", "0.3MB") as (address, _):
        yield address


@pytest.fixture
def page(browser: Browser, service: str) -> Iterator[Page]:
    with opened(browser, service) as page:
        painted(page)
        yield page


def test_film_is_painted_in_the_current_look(page: Page, clip: Path, tmp_path: Path):
    assert page.locator("#file").get_attribute("accept") == "image/*,video/*"
    apply(page, {"style": "udnie", "strength": 0.8, "detail": 0.5, "colors": True})
    painted(page)
    page.locator("#file").set_input_files(clip)
    still = page.get_by_role("img", name="The first frame of my clip.mp4, painted")
    expect(still).to_be_visible()
    expect(page.locator("#film-status")).to_have_text("my clip.mp4 is painted.", timeout=PAINTED)
    expect(page.locator("#film-cancel")).to_be_hidden()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download MP4").click()
    assert download.value.suggested_filename == "my clip-udnie.mp4"
    download.value.save_as(tmp_path / "found.mp4")
    stylize_video(
        clip, tmp_path / "expected.mp4", "udnie", strength=0.8, detail=0.5, keep_colors=True
    )
    found, expected = (probe(tmp_path / f"{which}.mp4") for which in ("found", "expected"))
    assert found.times == expected.times
    assert np.abs(np.array(found.frames, int) - np.array(expected.frames, int)).max() <= 2

    expect(page.locator("#film-status")).to_have_text("Downloaded.")
    held: list[Route] = []
    page.route("**/api/videos?*", lambda route: held.append(route))
    page.locator("#film-again").click()
    until_held(page, held)
    page.locator("#film-cancel").click()  # which leaves the painted one
    expect(page.locator("#film-status")).to_have_text("Cancelled. my clip.mp4 is painted.")
    page.unroute("**/api/videos?*")
    page.reload()
    painted(page)
    with page.expect_download():
        page.get_by_role("button", name="Download MP4").click()
    with page.expect_response(lambda response: response.request.method == "DELETE") as removed:
        page.get_by_role("button", name="Remove this film").click()
    expect(page.locator("#film-section")).to_be_hidden()
    expect(page.locator("#film-status")).to_be_empty()
    assert page.request.get(removed.value.url).status == 404


def test_photographs_go_on_beside_a_film_which_a_reload_finds(
    page: Page, clip: Path, long_clip: Path, picture: Path
):
    give(page, long_clip)
    expect(page.locator("#film-status")).to_contain_text("Painting long.mp4", timeout=PAINTED)
    expect(page.locator("#film-text")).to_contain_text(re.compile(r"\d+ of 300 frames, .+ left"))
    give(page, picture, SHOWN)
    apply(page, {"style": "the_scream"})
    expect(page.locator("#status")).to_contain_text("The Scream, 373 × 251 px in")
    give(page, clip)
    expect(page.locator("#film-status")).to_contain_text("Films are painted one at a time.")
    page.reload()
    expect(page.locator("#film-text")).to_contain_text("of 300 frames", timeout=PAINTED)
    expect(page.locator("#film-again")).to_be_hidden()
    page.locator("#film-cancel").click()
    expect(page.locator("#film-status")).to_have_text("Cancelled.")
    page.reload()
    painted(page)
    expect(page.locator("#film-section")).to_be_hidden()


def test_cancelled_upload_and_once_more(page: Page, clip: Path):
    held = []
    page.route("**/api/videos?*", lambda route: held.append(route))
    give(page, clip)
    until_held(page, held)
    expect(page.locator("#film-text")).to_contain_text("Sending my clip.mp4: ")
    page.locator("#film-cancel").click()
    expect(page.locator("#film-status")).to_have_text("Cancelled.")
    page.unroute("**/api/videos?*")
    page.locator("#film-again").click()
    expect(page.locator("#film-status")).to_have_text("my clip.mp4 is painted.", timeout=PAINTED)


def test_film_whose_answer_is_lost_can_be_cancelled(page: Page, long_clip: Path, service: str):
    page.evaluate("""() => {
        const listen = EventTarget.prototype.addEventListener;
        XMLHttpRequest.prototype.addEventListener = function (type, act) {
            if (type !== "load") listen.call(this, type, act);
        };
    }""")
    with page.expect_request("**/api/videos?*") as sent:
        give(page, long_clip)
    film = f"{service}/api/videos/{parse_qs(urlsplit(sent.value.url).query)['id'][0]}"
    while page.request.get(film).json().get("state") != "painting":
        page.wait_for_timeout(100)
    expect(page.locator("#film-text")).to_contain_text("Sending long.mp4: ")
    page.locator("#film-cancel").click()
    expect(page.locator("#film-status")).to_have_text("Cancelled.")
    assert page.request.get(film).status == 404


def test_what_is_wrong_is_said_until_it_is_right(page: Page, picture: Path, tmp_path: Path):
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "videos" in request.url else 0)
    error = page.locator("#film-error")
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(300_001))
    give(page, large)
    expect(error).to_contain_text("large.mp4 has 0.3 MB, and the service accepts films of 0.3 MB")
    give(page, picture, SHOWN)
    expect(error).to_be_empty()
    assert sent == []
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(b"no film")
    give(page, damaged)
    expect(error).to_contain_text("is not a video that can be read", timeout=PAINTED)
    expect(page.locator("#film-status")).to_be_empty()
    page.locator("#film-close").click()
    expect(error).to_be_empty()


def test_command_where_no_film_is_painted(site_page: Page, clip: Path, tmp_path: Path):
    assert site_page.locator("#file").get_attribute("accept") == "image/*"
    apply(site_page, {"style": "udnie", "strength": 0.5, "detail": 0})
    painted(site_page)
    give(site_page, clip)
    expect(site_page.locator("#film-hint")).to_contain_text("painted on the command line")
    words = shlex.split(site_page.locator("#film-command").text_content() or "")
    assert words[:3] == ["fast-nst", "video", "FILM"]
    target = tmp_path / words[-1]
    words = [str(clip) if word == "FILM" else word for word in words[1:-1]]
    assert main([*words, str(target), "-q"]) == 0
    assert len(probe(target).frames) == 12
    site_page.locator("#film-close").click()
    expect(site_page.locator("#film-section")).to_be_hidden()
