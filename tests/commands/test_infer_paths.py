"""Inputs and outputs of `fast-nst infer`: several files, patterns, folders, pipes and streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fast_nst.commands import infer
from fast_nst.commands.main import main
from fast_nst.commands.outputs import output_file
from fast_nst.errors import UserError
from tests.conftest import noise, pixels


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photographs in the current folder."""
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(("a.png", "b.png", "c.png")):
        Image.fromarray(noise(6, 8, seed=i)).save(tmp_path / name)
    return tmp_path


def painted(folder: Path) -> list[str]:
    """The names in a folder of paintings, after a check of their pixels."""
    for path in folder.iterdir():
        np.testing.assert_array_equal(pixels(path), 255 - pixels(path.parent.parent / path.name))
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("output", ["out", "out/", "new/below/"])
def test_several_pictures_make_their_folder(stylize, here: Path, output: str):
    code, out, _ = stylize("a.png", "b.png", "-o", output, "--json", "--quiet")
    assert code == 0
    targets = [Path(json.loads(line)["output"]) for line in out.splitlines()]
    assert targets == [Path(output, "a.png"), Path(output, "b.png")]
    assert all(target.is_file() for target in targets)


def test_pictures_before_and_after_flags(stylize, here: Path):
    assert stylize("a.png", "-o", "out", "b.png", "--quiet", "c.png")[0] == 0
    assert painted(here / "out") == ["a.png", "b.png", "c.png"]


def test_patterns_files_and_folders_together(stylize, here: Path):
    (here / "in").mkdir()
    (here / "c.png").rename(here / "in" / "c.png")
    assert stylize("[ab].png", "in", "a.png", "./a.png", "-o", "out", "--quiet")[0] == 0
    (here / "in" / "c.png").rename(here / "c.png")
    assert painted(here / "out") == ["a.png", "b.png", "c.png"]


def test_pattern_of_one_picture_and_of_none(stylize, here: Path):
    assert stylize("a*.png", "-o", "one.png", "--quiet")[0] == 0
    np.testing.assert_array_equal(pixels(here / "one.png"), 255 - pixels(here / "a.png"))
    code, _, err = stylize("x*.png", "-o", "out")
    assert (code, err.count("\n")) == (2, 1)
    assert "no image matches 'x*.png'" in err
    code, _, err = stylize("*.png", "-o", "painting.png")
    assert (code, err.count("\n")) == (2, 1)
    assert "give a folder as --output for several pictures" in err


def test_second_run_skips_and_a_bad_file_stops_no_other(stylize, here: Path):
    assert stylize("a.png", "-o", "out/", "--quiet")[0] == 0
    (here / "d.png").write_bytes(b"no picture")
    code, _, err = stylize("*.png", "-o", "out")
    assert code == 1
    assert "2 of 4 pictures stylized into out, 1 skipped since they exist" in err
    (here / "d.png").unlink()
    assert painted(here / "out") == ["a.png", "b.png", "c.png"]


def test_masks_of_several_pictures(stylize, here: Path):
    (here / "masks").mkdir()
    for name, level in (("a", 255), ("b", 0)):
        Image.new("L", (8, 6), level).save(here / "masks" / f"{name}.png")
    assert stylize("[ab].png", "-o", "out", "--mask", "masks", "--quiet")[0] == 0
    np.testing.assert_array_equal(pixels(here / "out" / "a.png"), 255 - pixels(here / "a.png"))
    np.testing.assert_array_equal(pixels(here / "out" / "b.png"), pixels(here / "b.png"))


def test_names_that_differ_in_case_collide_on_a_mac(stylize, here: Path, monkeypatch):
    (here / "in").mkdir()
    (here / "c.png").rename(here / "in" / "A.png")
    assert stylize("a.png", "in/A.png", "-o", "out", "--quiet")[0] == 0
    monkeypatch.setattr(sys, "platform", "darwin")
    code, _, err = stylize("a.png", "in/A.png", "-o", "out", "--overwrite")
    assert code == 2
    assert "'a.png' and 'in/A.png' would both become 'out/A.png'" in err


def test_output_file(here: Path):
    (here / "out").mkdir()
    expected = {
        ("film.mp4", "in.mov"): "film.mp4",
        ("out", "in.mov"): "out/in.mov",
        ("new/", "clips/in.AVI"): "new/in.mp4",
        ("new/", "in.MOV"): "new/in.MOV",
    }
    for (output, source), target in expected.items():
        assert output_file(output, source, (".mp4", ".mov"), ".mp4") == str(Path(target))
    (here / "link.mov").symlink_to("in.mov")
    for output, source in ((".", "in.mov"), ("./in.mov", "in.mov"), ("link.mov", "in.mov")):
        with pytest.raises(UserError, match="is the input too: give another output"):
            output_file(output, source, (".mp4", ".mov"), ".mp4")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.png", "-o", "-"], "standard output is a terminal: redirect it (> FILE)"),
        (["-", "-o", "out.png"], "standard input is a terminal: pipe a picture into it"),
    ],
)
def test_pictures_and_terminals(
    here: Path, negative: Path, words: list[str], message: str, capsys, monkeypatch
):
    ours, theirs = os.openpty()
    with (
        os.fdopen(ours, "rb"),
        os.fdopen(theirs, "w", encoding="utf-8") as output,
        os.fdopen(os.dup(theirs), encoding="utf-8") as given,
    ):
        monkeypatch.setattr(sys, "stdout", output)
        monkeypatch.setattr(sys, "stdin", given)
        assert main(["infer", *words, "-m", str(negative)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_a_named_pipe_is_waited_for_aloud(stylize, here: Path, monkeypatch):
    monkeypatch.setattr(infer, "_PATIENCE", 0.05)
    os.mkfifo(here / "pipe.png")

    def write() -> None:
        time.sleep(0.3)
        (here / "pipe.png").write_bytes((here / "a.png").read_bytes())

    writer = threading.Thread(target=write)
    writer.start()
    code, _, err = stylize("pipe.png", "-o", "out.png")
    writer.join()
    assert code == 0
    assert err.startswith("waiting for a picture from 'pipe.png'\n")
    np.testing.assert_array_equal(pixels(here / "out.png"), 255 - pixels(here / "a.png"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_full_standard_output(here: Path, negative: Path):
    command = [sys.executable, "-m", "fast_nst.commands.main", "infer", "a.png", "-m", negative]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*command, "-o", "-"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    line = "error: cannot write to standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, line)
