"""The page's equivalent command, run in a shell."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from fast_nst.commands.main import main
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_image
from tests.conftest import inverting_model
from tests.web.browser.helpers import SHOWN, give, opened, painted, serving

pytestmark = pytest.mark.browser

NAMES = [
    "-rf",
    "--style",
    "two words",
    "it's; touch pwned",
    "$(touch pwned) `touch pwned` $HOME",
    'a "quote" & \\ | > <',
    "été *?[a] !! ~ #",
    "line\nbreak",
]


def as_pasted(line: str, folder: Path) -> list[str]:
    """The arguments that a shell passes to `fast-nst`."""
    tool = folder / "bin" / "fast-nst"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n')
    tool.chmod(0o755)
    path = f"{tool.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", line], cwd=folder, env={"PATH": path}, capture_output=True, check=True
    )
    assert not (folder / "pwned").exists()
    return done.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize("name", NAMES)
def test_command_quotes_every_word(page: Page, tmp_path: Path, name: str):
    line = page.evaluate(
        """async (name) => {
            const { shellQuote } = await import("./command.js");
            return `fast-nst ${shellQuote(name)} ${shellQuote(`${name}'`)}`;
        }""",
        name,
    )
    assert as_pasted(line, tmp_path) == [name, f"{name}'"]


@pytest.mark.parametrize(
    ("styles", "is_named", "expected"),
    [
        ([("udnie", 1)], True, ["--style", "udnie"]),
        ([("-x y", 1)], True, ["--style=-x y"]),
        ([("wave:0.5", 1)], True, ["--style", "wave:0.5:1"]),
        ([("-a", 0.3), ("b", 0.7)], True, ["--style=-a:0.3", "--style", "b:0.7"]),
        ([("-x", 1)], False, ["-m", "./-x.onnx"]),
        ([("x y", 0.3), ("-m", 0.7)], False, ["-m", "./x y.onnx:0.3", "-m", "./-m.onnx:0.7"]),
    ],
)
def test_command_with_names_like_flags_or_shares(page: Page, styles, is_named, expected):
    line = page.evaluate(
        """async ([styles, isNamed]) => {
            const { commandFor } = await import("./command.js");
            const look = {
                styles: styles.map(([name, share]) => ({ name, share })),
                strength: 1, detail: 0.5, strokeScale: 1, keepColors: false, size: null,
            };
            return commandFor(look, { defaultDetail: 0.5, isNamed: () => isNamed, format: "png" });
        }""",
        [styles, is_named],
    )
    words = shlex.split(line)
    assert words == ["fast-nst", "infer", "PHOTO", *expected, "-o", "painting.png"]


def test_command_runs_with_own_model_files(
    browser: Browser, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "mine"
    folder.mkdir()
    names = ["-rf", "it's; touch pwned $(touch pwned)"]
    for name in names:
        (folder / f"{name}.onnx").write_bytes(inverting_model())
    monkeypatch.chdir(folder)
    with serving("--models", folder) as (address, _), opened(browser, address) as page:
        painted(page)
        give(page, picture, SHOWN)
        for number, name in enumerate(names):
            page.locator(".card", has_text=f"yours: {name}").click()
            page.locator("#detail").fill("0")
            expect(page.locator("#line-hint")).to_contain_text(f"in the folder of {name}.onnx.")
            line = page.locator("#line").text_content() or ""
            (tmp_path / str(number)).mkdir()
            words = as_pasted(line, tmp_path / str(number))
            words[words.index("PHOTO")] = str(picture)
            assert main([*words[:-1], str(tmp_path / f"{number}.png"), "-q"]) == 0
            found = to_array(open_image(tmp_path / f"{number}.png"))
            assert np.array_equal(found, 255 - to_array(open_image(picture)))
