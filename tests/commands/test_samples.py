"""`fast-nst samples`: copies, and what it never replaces."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from fast_nst.assets import REFERENCE_PHOTOGRAPHS, SAMPLE_STYLE
from fast_nst.commands.main import main

FILES = {path.name: path for path in REFERENCE_PHOTOGRAPHS} | {"sample_painting.jpg": SAMPLE_STYLE}


def copied(folder: Path) -> bool:
    return {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name: source.read_bytes() for name, source in FILES.items()
    }


def test_copies_into_the_current_folder_and_again(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["samples"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[: len(FILES)] == [*FILES]
    assert copied(tmp_path)
    assert main(["samples"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[: len(FILES)] == [f"{name} (already there)" for name in FILES]


def test_printed_command_paints(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["samples", "a folder"]) == 0
    assert copied(tmp_path / "a folder")
    line = next(row for row in capsys.readouterr().out.splitlines() if " infer " in row)
    words = shlex.split(line.partition("fast-nst ")[2])
    assert main([*words, "--size", "64"]) == 0
    assert (tmp_path / "painting.jpg").exists()


def test_other_files_are_kept_unless_told(tmp_path: Path, capsys):
    mine = tmp_path / "coffee.jpg"
    mine.write_bytes(b"mine")
    assert main(["samples", str(tmp_path)]) == 2
    assert str(mine) in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == [mine]
    assert mine.read_bytes() == b"mine"
    assert main(["samples", str(tmp_path), "--overwrite"]) == 0
    assert copied(tmp_path)


@pytest.mark.parametrize("below", ["", "deeper"])
def test_folder_that_is_a_file(below: str, tmp_path: Path, capsys):
    (tmp_path / "file").write_bytes(b"mine")
    assert main(["samples", str(tmp_path / "file" / below)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert (tmp_path / "file").read_bytes() == b"mine"
