"""Helpers to drive the page in Chromium, without access to other hosts."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from playwright.sync_api import Browser, Locator, Page, Route, expect

from fast_nst.commands.main import main
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_image

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
SECOND = 1000  # in Playwright's unit, ms
expect.set_options(timeout=20 * SECOND)  # for busy machines
SETTLED = 400  # ms in which a late response would have an effect
SHOWN = "373 × 251 px"  # the page's text for the fixture `picture`


@contextlib.contextmanager
def serving(*arguments: object) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`fast-nst serve` in a process of its own: its address, and the process."""
    command = [sys.executable, "-m", "fast_nst.commands.main", "serve", "--no-browser"]
    command += ["--port", "0", *map(os.fspath, arguments)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + process.stderr.read()
        yield found[0], process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


@contextlib.contextmanager
def opened(
    browser: Browser,
    address: str,
    service_worker: bool = False,
    thumbnails: bool = False,
    **options: object,
) -> Iterator[Page]:
    """Open a page; fails if it requests another host, or logs an error or a warning.

    Args:
        browser: Chromium.
        address: Where the page is.
        service_worker: Whether the page may register its service worker, whose requests
            `Page.route` does not see.
        thumbnails: Whether the strip's thumbnails are painted, which takes as long as a test.
        options: Of the browser's context.
    """
    wrong: list[str] = []
    context = browser.new_context(accept_downloads=True, **options)  # type: ignore[arg-type]
    if not service_worker:
        context.add_init_script("delete Navigator.prototype.serviceWorker")
    if not thumbnails:  # no card ever comes into view
        context.add_init_script("IntersectionObserver.prototype.observe = () => {}")
    page = context.new_page()
    page.set_default_timeout(20 * SECOND)
    page.on(
        "request",
        lambda request: wrong.append(request.url) if _is_elsewhere(request.url, address) else None,
    )
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "warning" else None)
    page.route(lambda url: _is_elsewhere(url, address), lambda route: route.abort())
    try:
        page.goto(address)
        yield page
    finally:
        context.close()
    if wrong:
        raise AssertionError(wrong)


def _is_elsewhere(url: str, address: str) -> bool:
    there = urlsplit(url)
    return there.scheme in ("http", "https") and there.netloc != urlsplit(address).netloc


def painted(page: Page) -> Locator:
    """Wait for the painting; returns the status line below it."""
    status = page.locator("#status")
    expect(status).to_contain_text(" ms", timeout=30 * SECOND)
    return status


def give(page: Page, path: Path, shown: str = "", event: str = "drop", onto: str = "body") -> None:
    """Drop a file on the page, or paste it, and wait for its painting.

    Args:
        page: The page.
        path: The file.
        shown: The painting's size, as the page says it; "" does not wait.
        event: "drop" or "paste".
        onto: Selector of the element that gets it.
    """
    page.evaluate(
        """([data, name, type, event, onto]) => {
            const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, { type }));
            const made = event === "paste"
                ? new ClipboardEvent(event, { clipboardData: transfer, bubbles: true })
                : new DragEvent(event, { dataTransfer: transfer, bubbles: true, cancelable: true });
            document.querySelector(onto).dispatchEvent(made);
        }""",
        [base64.b64encode(path.read_bytes()).decode(), path.name, _type(path), event, onto],
    )
    if shown:
        expect(page.locator("#status")).to_contain_text(shown, timeout=30 * SECOND)


def _type(path: Path) -> str:
    kinds = {".png": "image/png", ".jpg": "image/jpeg", ".heic": "image/heic", ".mp4": "video/mp4"}
    return kinds.get(path.suffix, "text/plain")


@contextlib.contextmanager
def held_back(page: Page, pattern: str) -> Iterator[list[Route]]:
    """Hold requests that match a pattern, and continue them when the block ends."""
    held: list[Route] = []
    page.route(pattern, lambda route: held.append(route))
    yield held
    page.unroute(pattern)
    for route in held:
        with contextlib.suppress(Exception):  # the page may have aborted it
            route.continue_()
    page.wait_for_timeout(SETTLED)


def until_held(page: Page, held: list[Route]) -> None:
    """Wait until a request of `held_back` has come."""
    for _ in range(200):
        if held:
            return
        page.wait_for_timeout(SECOND / 20)
    raise AssertionError("no request was held back")


def set_range(page: Page, name: str, value: float) -> None:
    page.locator(f"#{name}").fill(str(value))


def downloaded(page: Page, target: Path) -> np.ndarray:
    """(H, W, 3) of what the download button gives."""
    with page.expect_download(timeout=60 * SECOND) as download:
        page.get_by_role("button", name="Download", exact=True).click()
    download.value.save_as(target)
    return to_array(open_image(target))


def by_command(page: Page, photo: Path, target: Path, mask: Path | None = None) -> np.ndarray:
    """(H, W, 3) of what the command gives that the page shows."""
    words = shlex.split(page.locator("#line").text_content() or "")
    assert words[:3] == ["fast-nst", "infer", "PHOTO"]
    paths = {"PHOTO": str(photo), "MASK.png": str(mask)}
    words = [paths.get(word, word) for word in words[1:]]
    assert words[-2] == "-o"
    assert main([*words[:-1], str(target), "--overwrite", "-q"]) == 0
    return to_array(open_image(target))


def canvas_pixels(page: Page, selector: str) -> np.ndarray:
    """(H, W, 3) of a canvas."""
    width, height, data = page.evaluate(
        """(selector) => {
            const canvas = document.querySelector(selector);
            const { width, height } = canvas;
            const copy = new OffscreenCanvas(width, height);
            const context = copy.getContext("2d", { willReadFrequently: true });
            context.drawImage(canvas, 0, 0);
            const { data } = context.getImageData(0, 0, width, height);
            let text = "";
            for (let i = 0; i < data.length; i += 32768) {
                text += String.fromCharCode(...data.subarray(i, i + 32768));
            }
            return [width, height, btoa(text)];
        }""",
        selector,
    )
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)[..., :3]


def apply(page: Page, look: dict[str, float | str | bool]) -> None:
    for name, value in look.items():
        if name == "style":
            page.locator(f'li[data-name="{value}"] .card').click()
        elif isinstance(value, bool):
            page.locator(f"#{name}").set_checked(value)
        elif name == "second":
            page.locator("#second").select_option(str(value))
        else:
            set_range(page, name, float(value))
