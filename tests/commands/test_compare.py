"""`fast-nst compare` and its report."""

from __future__ import annotations

import contextlib
import fcntl
import html
import json
import os
import re
import signal
import struct
import subprocess
import sys
import termios
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from fast_nst.assets import SAMPLE_STYLE
from fast_nst.commands.main import main
from fast_nst.comparison.report import (
    format_equivalent_mean,
    format_seconds,
    format_times,
)
from fast_nst.pictures.read import open_image
from fast_nst.training.run import TrainResult
from fast_nst.training.settings import TrainConfig
from tests.conftest import inverting_model, noise


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, run: TrainResult) -> Path:
    """Two photographs, an invalid file, and the report on them."""
    place = tmp_path_factory.mktemp("compare")
    (place / "photos").mkdir()
    Image.fromarray(noise(30, 44)).save(place / "photos" / "first.png")
    Image.fromarray(noise(44, 30, seed=1)).save(place / "photos" / "second <&>.png")
    (place / "photos" / "broken.jpg").write_bytes(b"no picture")
    arguments = [place / "photos", "-m", run.model, "-o", place / "out", "--size", 48]
    arguments += ["--steps", 3, 1, "--precision", "32", "--quiet"]
    assert main(["compare", *map(str, arguments)]) == 1  # for the broken one
    return place


def read(folder: Path) -> dict:
    return json.loads((folder / "out" / "report.json").read_text())


def test_report_json_is_complete(folder: Path):
    record = read(folder)
    names = [Path(item["name"]).name for item in record["photographs"]]
    assert names == ["first.png", "second <&>.png"]
    assert record["model"]["title"] == "Tiny"
    assert record["settings"]["style_weight"] == TrainConfig().style_weight
    assert record["settings"]["precision"] == "32"
    assert {"torch", "onnxruntime", "processor", "device"} <= set(record["environment"])
    first = record["photographs"][0]
    assert (first["width"], first["height"]) == (48, 33)
    assert [m["steps"] for m in first["milestones"]] == [1, 3]
    assert len(first["curve"]["total"]) == 4
    for losses in (first["network"], first["start"], first["milestones"][0]["losses"]):
        total = losses["content"] + losses["style"] + losses["tv"]
        assert losses["total"] == pytest.approx(total, rel=1e-5)


class Page(HTMLParser):
    """What a browser would load, and the text it would show."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.links += [v for k, v in attrs if k in ("src", "href", "xlink:href") and v]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_report_page_shows_the_json_numbers(folder: Path):
    record = read(folder)
    page = Page()
    page.feed((folder / "out" / "report.html").read_text())
    text = " ".join(" ".join(page.text).split())
    summary = record["summary"]
    rows = [("network", summary["network"]), ("start", summary["start"])]
    rows += [(f"{row['steps']} iterations", row) for row in summary["optimizer"]]
    for _, row in rows:
        for part in ("content", "style", "tv", "total"):
            assert f"{row[part]['mean']:.3f} ± {row[part]['std']:.3f}" in text
    for item in record["photographs"]:
        for losses in (item["network"], *(m["losses"] for m in item["milestones"])):
            assert f"total {losses['total']:.3f}" in text
            assert f"content {losses['content']:.3f} · style {losses['style']:.3f}" in text
        assert format_seconds(item["network_seconds"]) in text
    assert f"{format_times(summary['optimizer'][-1]['speed_up'])} times" in text
    assert format_equivalent_mean(summary) in text
    assert "second <&>.png" in text  # escaped in the source
    assert html.escape("second <&>.png") in (folder / "out" / "report.html").read_text()


def test_report_page_is_self_contained(folder: Path):
    source = (folder / "out" / "report.html").read_text()
    page = Page()
    page.feed(source)
    pictures = [link for link in page.links if link.startswith("data:image/jpeg;base64,")]
    assert len(pictures) == 1 + 2 * 4  # the style; photograph, network, two milestones
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert not re.search(r"@import|url\((?!#|\")|<script", source)
    assert source.count("<svg") == 1


def test_sheet_has_one_row_per_photograph(folder: Path):
    sheet = open_image(folder / "out" / "sheet.png")
    assert sheet.height > 2 * 220
    assert sheet.width > 4 * 150


def test_style_image_of_gallery_model_is_found_in_folder(photo: Path, tmp_path: Path):
    (tmp_path / "scans").mkdir()
    scan = tmp_path / "scans" / "scan1.jpg"
    scan.write_bytes(SAMPLE_STYLE.read_bytes())
    (tmp_path / "scans" / "another.png").write_bytes(photo.read_bytes())
    command = ["compare", str(photo), "-m", "evening", "--style", str(scan.parent), "--steps", "1"]
    assert main([*command, "-o", str(tmp_path / "out"), "--size", "36", "--quiet"]) == 0
    record = json.loads((tmp_path / "out" / "report.json").read_text())
    assert record["style"] == str(scan)
    assert record["settings"]["given_instead_of_the_models_own"] == []


def test_verdict_is_printed_and_report_not_overwritten(
    folder: Path, run: TrainResult, capsys: pytest.CaptureFixture
):
    photo = folder / "photos" / "first.png"
    command = ["compare", str(photo), "-m", str(run.model), "-o", str(folder / "second")]
    command += ["--steps", "1,2", "--size", "40"]
    assert main(command) == 0
    printed = capsys.readouterr().err
    assert "1 photograph: the network's loss equals that of" in printed
    assert "report.html" in printed
    assert main(command) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--init", "noise", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    record = json.loads((folder / "second" / "report.json").read_text())
    assert record["settings"]["start"] == "noise"


@pytest.mark.slow
def test_ctrl_c_reports_finished_photographs(folder: Path, run: TrainResult, tmp_path: Path):
    photos = [folder / "photos" / "first.png", folder / "photos" / "second <&>.png"]
    command = [sys.executable, "-m", "fast_nst.commands.main", "compare", *photos, "-m", run.model]
    command += ["-o", tmp_path / "out", "--size", "32", "--steps", "100"]
    ours, terminal = os.openpty()  # on which bars are drawn
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, 120, 0, 0))
    process = subprocess.Popen(map(str, command), stderr=terminal)
    os.close(terminal)
    seen = ""
    while not re.search(r"1[1-9]\d/200", seen):  # the second photograph is under way
        seen += os.read(ours, 4096).decode(errors="replace")
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(OSError):  # the other end is closed
        while more := os.read(ours, 4096):
            seen += more.decode(errors="replace")
    os.close(ours)
    assert process.wait(timeout=120) == 0, seen
    assert "stopping" in seen
    record = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [Path(item["name"]).name for item in record["photographs"]] == ["first.png"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--steps", "0"], "--steps is 0: it must be at least 1"),
        (["--steps", "ten"], "--steps is 'ten': it must be a whole number"),
        (["--size", "0"], "--size is 0"),
        (["--threads", "0"], "--threads is 0"),
        (["--init", "photo"], "unknown init 'photo'"),
        (["--precision", "8"], "unknown precision '8'"),
        (["--seed", "-1"], "--seed is -1"),
        (["--device", "cpuu"], "Did you mean 'cpu'"),
        (["--device", "mps:9"], "no device 'mps:9' here"),
        (["--provider", "cuda"], "lacks 'cuda'"),
        (["--style", "none.jpg"], "no file 'none.jpg'"),
        (["--vgg", "torchvisoin"], "Did you mean 'torchvision'"),
        (["--modle", "x"], "Did you mean '--model'"),
        (["-m", "none.onnx"], "no model 'none.onnx'"),
        (["-o", ""], "no output"),
        (["-o", "{photo}"], "is a file: give a folder"),
        (["-o", "{photo}/report"], "cannot write"),
        (["--threads", str(2**40)], "it must be from 1 to 1024"),
        (["--size", str(2**40)], "choose a smaller size"),
    ],
)
def test_what_cannot_be_used_has_its_line(
    run: TrainResult, photo: Path, tmp_path: Path, capsys, flags: list[str], message: str
):
    flags = [flag.replace("{photo}", str(photo)) for flag in flags]
    base = ["compare", str(photo), "-m", str(run.model), "-o", str(tmp_path / "out")]
    assert main([*base, "--size", "32", "--steps", "1", "--precision", "32", *flags]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert not list(tmp_path.glob("out/*"))


def test_missing_photographs(tmp_path: Path, run: TrainResult, capsys):
    base = ["-m", str(run.model), "-o", str(tmp_path / "out"), "--quiet"]
    assert main(["compare", "none.jpg", *base]) == 2
    assert capsys.readouterr().err == "error: no file 'none.jpg': check the name\n"
    assert main(["compare", "none.jpg", "nor.jpg", *base]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "error: none of the 2 photographs could be compared"
    assert len(lines) == 3
    assert main(["compare", str(tmp_path), *base]) == 2
    assert "no images in" in capsys.readouterr().err


def test_model_without_recipe(tmp_path: Path, photo: Path, capsys):
    (tmp_path / "bare.onnx").write_bytes(inverting_model())
    command = ["compare", str(photo), "-m", str(tmp_path / "bare.onnx"), "-o", str(tmp_path / "o")]
    assert main(command) == 2
    assert "has no training recipe" in capsys.readouterr().err
