"""Make the pictures of README and documentation from the gallery: sheets, and the page.

    python scripts/docs_pictures.py [gallery strength blend page] [-o docs]

The page is that of `fast-nst serve`, in Chromium, which needs the extras web and dev. The pictures
of measurements are made by their benchmarks, that of a preview by `fast-nst preview`.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
from pathlib import Path

from fast_nst.assets import SAMPLE_PHOTOGRAPHS
from fast_nst.commands.main import main as fast_nst
from fast_nst.pictures.read import open_photograph

PICTURES: dict[str, list[str]] = {
    "gallery": [],
    "strength": ["--strengths", "composition_vii"],
    "blend": ["--blend", "udnie", "the_scream"],
}
PAGE = "page"
PHOTOGRAPH = SAMPLE_PHOTOGRAPHS / "coffee.jpg"
STYLE = "starry_night"  # on the page
TITLE = "The Starry Night"  # its title, with which the status line begins
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox"]  # without which it does not start as root, as in a container
WINDOW = {"width": 1360, "height": 800}  # px
QUALITY = 88
SIDE = 420  # px, of each painting of a sheet
THUMBNAILS = 15_000  # ms, in which all of the strip are painted


def photograph_page(target: Path) -> None:
    """A picture of the page, with a sample photograph half painted."""
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-m", "fast_nst", "serve", "--no-browser", "-p", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        try:
            assert service.stderr is not None
            address = re.search(r"http://\S+", service.stderr.readline())
            assert address is not None
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
                page = browser.new_page(viewport=WINDOW)  # type: ignore[arg-type]
                page.goto(address[0])
                painted = page.locator("#status", has_text=re.compile(r" ms$"))
                painted.wait_for()
                page.locator(f'[data-name="{STYLE}"]').click()
                page.locator("#status", has_text=re.compile(rf"^{TITLE}.* ms$")).wait_for()
                page.locator(f'#samples img[src*="{PHOTOGRAPH.stem}"]').click()
                size = " × ".join(map(str, open_photograph(PHOTOGRAPH).size))
                page.locator("#status", has_text=re.compile(rf"{size} px .* ms$")).wait_for()
                page.wait_for_timeout(THUMBNAILS)
                page.screenshot(path=target, type="jpeg", quality=QUALITY)
                browser.close()
        finally:
            service.send_signal(signal.SIGINT)


def main() -> int:
    """Make the pictures that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [*PICTURES, PAGE]
    parser.add_argument("pictures", nargs="*", default=names, help=f"of {', '.join(names)}")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs"), metavar="DIR")
    options = parser.parse_args()
    for name in options.pictures:
        if name not in names:
            parser.error(f"no picture {name!r}: there are {', '.join(names)}")
        target = options.output / f"{name}.jpg"
        if name == PAGE:
            photograph_page(target)
        else:
            words = ["styles", str(PHOTOGRAPH), *PICTURES[name], "-o", str(target)]
            words += ["--size", str(SIDE), "--overwrite", "--quality", str(QUALITY), "-q"]
            if fast_nst(words) != 0:
                return 2
        print(f"wrote {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
