"""Patterns, expanded as a shell does it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fast_nst.errors import UserError
from fast_nst.pictures.find import expand_patterns


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    for name in ("b.jpg", "a.jpg", "c.PNG", "notes.txt", ".hidden.jpg", "sub/d.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "sub" / "deep" / "e.jpg").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["*.jpg"], ["a.jpg", "b.jpg"]),
        (["?.jpg", "c.PNG"], ["a.jpg", "b.jpg", "c.PNG"]),
        (["[bc].*"], ["b.jpg", "c.PNG"]),
        (["*"], ["a.jpg", "b.jpg", "c.PNG"]),
        (["**/*.jpg"], ["a.jpg", "b.jpg", "sub/d.jpg", "sub/deep/e.jpg"]),
        (["s*/"], ["sub/"]),
        (["missing.jpg", "-", "sub"], ["missing.jpg", "-", "sub"]),
    ],
)
def test_patterns(words: list[str], expected: list[str]):
    assert expand_patterns(words) == [name.replace("/", os.sep) for name in expected]


def test_absolute_pattern(here: Path):
    assert expand_patterns([f"{here}/*.PNG"]) == [str(here / "c.PNG")]


def test_name_of_a_file_is_no_pattern(here: Path):
    for name in ("photo[1].jpg", "what?.jpg", "*.jpg"):
        (here / name).touch()
        assert expand_patterns([name]) == [name]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("x*.jpg", r"^no image matches 'x\*.jpg': check the pattern and the folder$"),
        ("*.txt", r"^no image matches '\*.txt': "),
        ("none/*/", r"^no folder matches 'none/\*/': "),
    ],
)
def test_pattern_without_a_match(pattern: str, message: str):
    with pytest.raises(UserError, match=message):
        expand_patterns(["a.jpg", pattern])
