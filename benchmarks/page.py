"""The page's first painting, compared with `fast-nst infer`, and memory over many styles.

    python benchmarks/page.py [--rounds 5] [--switches 200]

The page paints its first sample with the default style as soon as it is opened: in a new browser
profile, from navigation to the painting on the stage. By the service, its first visitor waits until
the model is opened. In the browser, the static site is served from this machine, and the runtime
and the model are fetched first. `infer` is the whole process for the same picture. Needs Debian's
`chromium`, and `npm`.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from turns import in_turns, ratio, resident_megabytes, seconds_of, shown, table

CHROMIUM = "/usr/bin/chromium"
SAMPLE = Path("fast_nst/assets/photos/astronaut.jpg")
FAST_NST = ("-m", "fast_nst.commands.main")


@contextlib.contextmanager
def process(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process of this interpreter, interrupted at the end."""
    command = [sys.executable, *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        try:
            yield started
        finally:
            started.send_signal(signal.SIGINT)


@contextlib.contextmanager
def service() -> Iterator[tuple[str, int]]:
    """Address and process number of `fast-nst serve`."""
    with process(*FAST_NST, "serve", "--no-browser", "-p", 0) as started:
        assert started.stderr is not None
        found = re.search(r"http://\S+", started.stderr.readline())
        assert found
        yield found[0], started.pid


def first_painting(browser: Browser, address: str) -> float:
    """Seconds from navigation to the first painting, in a new profile."""
    context = browser.new_context()
    page = context.new_page()
    begun = time.perf_counter()
    page.goto(address, wait_until="commit")
    painted(page)
    seconds = time.perf_counter() - begun
    context.close()
    return seconds


def painted(page: Page) -> None:
    page.locator("#status", has_text=re.compile(r" ms$")).wait_for(timeout=120_000)


def switch(page: Page, switches: int) -> None:
    """Choose one style after the other, as fast as they are painted."""
    for number in range(switches):
        page.keyboard.press("j")
        if number % 12 == 0:
            page.locator("#strength").fill(str(1 - (number // 12 % 10) / 20))
        painted(page)


def renderers() -> float:
    """Memory of Chromium's largest renderer, in MB: that of the page; Linux only."""
    found = [0.0]
    for process_folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            if b"--type=renderer" in (process_folder / "cmdline").read_bytes():
                found.append(resident_megabytes(process_folder.name))
    return max(found)


def time_first_paintings(browser: Browser, site: str, folder: Path, rounds: int) -> None:
    target = folder / "painting.png"

    def measure(name: str) -> float:
        if name == "infer":
            return seconds_of([*FAST_NST, "infer", SAMPLE, "-o", target, "-q", "--overwrite"])
        if name == "in the browser":
            return first_painting(browser, site)
        with service() as (address, _):
            first = first_painting(browser, address)
            return first if "first" in name else first_painting(browser, address)

    names = ("infer", "service, first visitor", "service, second visitor", "in the browser")
    found = in_turns(names, rounds, measure)
    rows = {
        name: [shown(seconds, 2), f"{ratio(seconds, found['infer']):.2f}"]
        for name, seconds in found.items()
    }
    table("first painting", ("seconds", "ratio to infer"), rows)


def weigh_switches(browser: Browser, site: str, switches: int) -> None:
    rows = {}
    with service() as (address, number):
        for name, where in (("service", address), ("in the browser", site)):
            context = browser.new_context()
            page = context.new_page()
            page.goto(where)
            painted(page)
            cells = []
            for count in (switches // 10, switches - switches // 10):
                switch(page, count)
                served = f"{resident_megabytes(number):.0f}" if name == "service" else "-"
                cells += [f"{renderers():.0f}", served]
            rows[name] = cells
            context.close()
    heads = [
        f"{what} after {count}, MB"
        for count in (switches // 10, switches)
        for what in ("tab", "service")
    ]
    table("styles chosen", heads, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--switches", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        subprocess.run([sys.executable, *FAST_NST, "site", "-q", "-o", folder / "site"], check=True)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with process("-u", "-m", "http.server", 0, "-d", folder / "site") as host:
            assert host.stdout is not None
            found = re.search(r"port (\d+)", host.stdout.readline())
            assert found
            site = f"http://localhost:{found[1]}/"
            time_first_paintings(browser, site, folder, options.rounds)
            weigh_switches(browser, site, options.switches)
        browser.close()


if __name__ == "__main__":
    main()
