"""What README and the documentation say is so: the site builds, snippets run, flags exist."""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import fast_nst
from fast_nst.assets import REFERENCE_PHOTOGRAPHS, SAMPLE_STYLE, STYLES
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_image
from fast_nst.web.runtime import PACKAGE
from scripts.docs_pages import parsers

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
PAGES["README.md"] = (ROOT / "README.md").read_text(encoding="utf-8")
HOME = "https://github.com/fast-nst/fast-nst/blob/main/"
RAW = "https://raw.githubusercontent.com/fast-nst/fast-nst/main/"
SITE = "https://fast-nst.github.io/fast-nst/"
# Flags of pip, docker, curl, Ray, npm and TensorBoard, which the commands beside ours have.
OTHERS = {"--index-url", "--rm", "--gpus", "--data-binary", "--head", "--port", "--address"}
OTHERS |= {"--logdir", "--version", "--user"}
# Pages whose commands are those of benchmarks/ and scripts/.
OF_SCRIPTS = {name for name in PAGES if name.startswith(("measurements", "licences"))}


def snippets() -> Iterator[tuple[str, str]]:
    for name, text in PAGES.items():
        for number, code in enumerate(re.findall(r"```python\n(.*?)```", text, re.DOTALL)):
            yield f"{name}-{number}", code


@pytest.fixture
def samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with what the examples begin with."""
    for path in REFERENCE_PHOTOGRAPHS:
        shutil.copy(path, tmp_path)
    shutil.copy(STYLES / "udnie.onnx", tmp_path)
    shutil.copy(SAMPLE_STYLE, tmp_path / "wave.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.integration
@pytest.mark.parametrize("code", [pytest.param(c, id=name) for name, c in snippets()])
def test_snippets_in_python_run(code: str, samples: Path, capsys: pytest.CaptureFixture[str]):
    before = set(samples.iterdir())
    names: dict[str, object] = {}
    exec(code, names)
    for path in set(samples.iterdir()) - before:
        if path.suffix in (".jpg", ".png"):
            assert open_image(path).size == (600, 400)  # as coffee.jpg
    assert "print" not in code or capsys.readouterr().out.strip()


@functools.cache
def flags() -> set[str]:
    return {flag for parser in parsers() for flag in parser._option_string_actions}


@pytest.mark.integration
@pytest.mark.parametrize("name", sorted(PAGES.keys() - OF_SCRIPTS))
def test_flags_exist(name: str):
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", PAGES[name]))
    assert named - flags() - OTHERS == set()


def commands() -> Iterator[list[str]]:
    """The words of each `fast-nst` command in the blocks of all pages, without redirections."""
    for text in PAGES.values():
        for block in re.findall(r"```(?:sh|powershell)\n(.*?)```", text, re.DOTALL):
            for line in textwrap.dedent(block).replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                words = words[words.index("fast-nst") :] if "fast-nst" in words else []
                if words[1:] and "docker" not in line and "pip" not in line:
                    yield list(itertools.takewhile(lambda word: word not in "<>|&&;", words))


@pytest.mark.integration
def test_commands_are_read_by_their_parsers():
    by_name = {parser.prog: parser for parser in parsers()}
    seen = set()
    for words in commands():
        name = " ".join(words[: 3 if " ".join(words[:3]) in by_name else 2])
        if name in by_name:
            by_name[name].values(words[name.count(" ") + 1 :])
            seen.add(name)
        else:
            assert words[1] in ("help", "--version", "-V"), words
    assert len(seen) > 12


@pytest.mark.integration
@pytest.mark.parametrize("name", sorted(PAGES.keys() - {"README.md"}))
def test_links_between_pages_exist(name: str):
    made = {"command-line.md", "styles.md", "changelog.md"}  # by scripts/docs_pages.py
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", PAGES[name]):
        if not link.startswith("https://"):
            assert link in made or (DOCS / link).is_file(), link


def test_readme_is_short():
    assert len(PAGES["README.md"].splitlines()) <= 150


def test_readme_links_exist():
    links = re.findall(r"\]\(([^)]+)\)", PAGES["README.md"])
    assert len(links) > 10
    pages = {*PAGES, "command-line.md", "styles.md", "changelog.md", "index.md"}
    for link in links:
        if link.startswith(SITE):
            page = link.removeprefix(SITE).partition("#")[0]
            assert f"{page.rstrip('/')}.md" in pages, link
        else:
            base = RAW if link.startswith(RAW) else HOME
            assert link.startswith(base), link
            assert (ROOT / link.removeprefix(base)).is_file(), link


def test_python_page_has_all_public_names():
    shown = re.findall(r"^::: fast_nst\.(\w+)$", PAGES["python.md"], re.MULTILINE)
    assert sorted([*shown, "__version__"]) == sorted(fast_nst.__all__)


@pytest.mark.slow
def test_site_builds_without_a_warning(tmp_path: Path):
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # of its successor
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pages = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*.html")}
    commands = pages[Path("command-line/index.html")]
    for parser in parsers():
        assert f'id="{parser.prog.replace(" ", "-")}"' in commands
        for action in parser._actions:
            if action.help is not argparse.SUPPRESS and action.option_strings != ["-h", "--help"]:
                assert (action.option_strings or [str(action.metavar)])[-1] in commands
    for path, text in pages.items():
        loaded = re.findall(r'<(?:script|img|link|iframe)[^>]* (?:src|href)="(https?:[^"]*)"', text)
        assert [url for url in loaded if not url.startswith(SITE)] == [], path


@pytest.mark.slow
def test_example_for_node_paints_what_python_paints(samples: Path):
    # From npm's cache, where the page's tests have put the package.
    words = ["--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    subprocess.run(["npm", "install", *words, PACKAGE], cwd=samples, check=True)
    photo = open_image("coffee.jpg").resize((150, 100))
    photo.save("coffee.ppm")
    shutil.copy(DOCS / "examples" / "node" / "paint.mjs", samples)
    words = ["udnie.onnx", "coffee.ppm", "painting.ppm"]
    subprocess.run(["node", "paint.mjs", *words], cwd=samples, check=True)
    expected = fast_nst.Stylizer("udnie").run(to_array(photo)[None])[0]
    painting = to_array(open_image("painting.ppm"))
    assert np.abs(painting.astype(int) - expected).max() <= 1
