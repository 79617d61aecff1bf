"""`fast-nst optimize` on real files."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fast_nst.commands import progress
from fast_nst.commands.main import main
from fast_nst.commands.optimize import OptimizeOptions
from fast_nst.losses import PerceptualLoss
from fast_nst.pictures.edit import keep_colors, to_array
from fast_nst.pictures.read import open_image
from tests.conftest import noise

FAST = ["--size", "40", "--steps", "3", "--style-layers", "relu1_1,relu2_1"]
FAST += ["--content-layers", "relu2_1", "--quiet"]


@pytest.fixture
def style(tmp_path: Path) -> Path:
    path = tmp_path / "style.png"
    Image.fromarray(noise(5, 6, seed=9)).resize((48, 40)).save(path)
    return path


def paint(photo: Path, style: Path, out: Path, *flags: object) -> Image.Image:
    given = ["optimize", photo, "--style", style, "-o", out, *FAST, *flags]
    assert main([str(flag) for flag in given]) == 0
    return open_image(out)


def test_optimize_from_file_to_file(photo: Path, style: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    given = ["optimize", photo, "--style", style, "-o", tmp_path / "out", *FAST]
    assert main([str(flag) for flag in given]) == 0
    painting = open_image(tmp_path / "out" / "photo.png")
    assert painting.size == (40, 27)
    shrunk = to_array(open_image(photo).resize((40, 27), Image.Resampling.LANCZOS))
    assert (to_array(painting) != shrunk).any()


def test_progress_shows_each_part(
    photo: Path, style: Path, tmp_path: Path, capfd, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)  # where there is no terminal: each step
    flags = [flag for flag in FAST if flag != "--quiet"]
    command = ["optimize", photo, "--style", style, "-o", tmp_path / "o.jpg", *flags, "--scales", 1]
    assert main([str(flag) for flag in command]) == 0
    shown = capfd.readouterr().err
    assert "40x27" in shown
    assert "it/s" in shown
    for part in ("content=", "style=", "tv=", "total="):
        assert part in shown


def test_optimize_json(photo: Path, style: Path, tmp_path: Path, capsys):
    paint(photo, style, tmp_path / "out.png", "--json", "--precision", "32")
    record = json.loads(capsys.readouterr().out)
    assert record["size"] == [40, 27]
    assert record["steps"] == 3
    assert record["precision"] == "32"
    assert set(record["losses"]) == {"content", "style", "tv", "total"}


def shares(style: str) -> list[tuple[Path, float]]:
    return OptimizeOptions(content="c", style=[style], output="o").style_shares


def test_several_styles_with_shares(photo: Path, style: Path, tmp_path: Path, capsys):
    other = tmp_path / "red:0.5.png"  # a name with a colon is a name if there is such a file
    Image.new("RGB", (40, 40), "red").save(other)
    flags = ["--init", "noise", "--steps", 30, "--content-weight", 1e-3]
    mostly_red = paint(
        photo, f"{style}:0.05", tmp_path / "a.png", "--style", f"{other}:0.95", *flags
    )
    hardly_red = paint(
        photo, f"{style}:0.95", tmp_path / "b.png", "--style", f"{other}:0.05", *flags
    )

    def redness(image: Image.Image) -> float:
        red, green, blue = to_array(image).reshape(-1, 3).mean(axis=0)
        return red - (green + blue) / 2

    assert redness(mostly_red) > redness(hardly_red) + 20
    assert shares(f"{other}") == [(other, 1.0)]
    assert shares("a.jpg:0.7") == [(Path("a.jpg"), 0.7)]
    assert shares("C:/a.jpg") == [(Path("C:/a.jpg"), 1.0)]


def test_refine_starts_from_the_networks_painting(
    photo: Path, style: Path, negative: Path, tmp_path: Path
):
    refined = paint(photo, style, tmp_path / "a.png", "--init", negative, "--steps", 1)
    inverted = 255 - to_array(open_image(photo).resize((40, 27), Image.Resampling.LANCZOS))
    Image.fromarray(inverted).save(tmp_path / "start.png")
    same = paint(photo, style, tmp_path / "b.png", "--init", tmp_path / "start.png", "--steps", 1)
    assert (to_array(refined) == to_array(same)).all()


def test_keep_colors_and_transparency(style: Path, tmp_path: Path):
    photo = np.dstack([noise(27, 40), np.full((27, 40), 77, np.uint8)])
    Image.fromarray(photo).save(tmp_path / "clear.png")
    plain = paint(tmp_path / "clear.png", style, tmp_path / "a.png")
    kept = paint(tmp_path / "clear.png", style, tmp_path / "b.png", "--keep-colors")
    assert kept.mode == "RGBA"
    assert (np.asarray(kept)[..., 3] == 77).all()
    expected = keep_colors(np.ascontiguousarray(photo[..., :3]), to_array(plain))
    assert (to_array(kept) == expected).all()


def test_frames_through_all_scales(photo: Path, style: Path, tmp_path: Path):
    paint(
        photo, style, tmp_path / "out.jpg", "--size", 64, "--scales", 2, "--steps", 4,
        "--save-every", 2,
    )  # fmt: skip
    frames = sorted((tmp_path / "out_frames").iterdir())
    assert [f.name for f in frames] == [f"{n:06d}.jpg" for n in (0, 2, 4, 5, 7, 9)]
    assert [open_image(f).width for f in frames] == [32, 32, 32, 64, 64, 64]
    assert open_image(tmp_path / "out.jpg").width == 64


def test_frames_of_an_earlier_run_do_not_mix(photo: Path, style: Path, tmp_path: Path, capsys):
    paint(photo, style, tmp_path / "out.png", "--save-every", 1)
    (tmp_path / "out.png").unlink()
    command = ["optimize", photo, "--style", style, "-o", tmp_path / "out.png", *FAST]
    command += ["--save-every", 3]
    assert main([str(flag) for flag in command]) == 2
    assert "holds frames: add --overwrite" in capsys.readouterr().err
    assert main([str(flag) for flag in [*command, "--overwrite"]]) == 0
    names = [path.name for path in sorted((tmp_path / "out_frames").iterdir())]
    assert names == ["000000.png", "000003.png"]


def test_old_frames_outlive_a_run_that_cannot_begin(
    photo: Path, style: Path, tmp_path: Path, capsys
):
    paint(photo, style, tmp_path / "out.png", "--save-every", 3)
    command = ["optimize", photo, "-o", tmp_path / "out.png", *FAST, "--save-every", 1]
    command += ["--overwrite", "--style", tmp_path / "none.jpg"]
    assert main([str(flag) for flag in command]) == 2
    assert "no file" in capsys.readouterr().err
    names = [path.name for path in sorted((tmp_path / "out_frames").iterdir())]
    assert names == ["000000.png", "000003.png"]


@pytest.mark.slow
@pytest.mark.parametrize("scales", [1, 2])
def test_ctrl_c_writes_the_best_so_far(photo: Path, style: Path, tmp_path: Path, scales: int):
    command = [sys.executable, "-m", "fast_nst.commands.main", "optimize", photo, "--style", style]
    command += ["-o", tmp_path / "out.png", *FAST[:-1], "--steps", 10**6, "--save-every", 5]
    command += ["--size", 80, "--scales", scales, "--json"]
    process = subprocess.Popen(map(str, command), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (tmp_path / "out_frames" / "000010.png").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert b"stopping: saving what is done" in errors
    assert open_image(tmp_path / "out.png").size == (80, 53)  # whatever scale it came to
    assert json.loads(out)["size"] == [80, 53]
    assert not list(tmp_path.glob(".*.part"))


def test_a_loss_that_explodes_leaves_the_best_picture(
    photo: Path, style: Path, tmp_path: Path, monkeypatch, capsys
):
    forward = PerceptualLoss.forward
    calls = []

    def broken(self, generated, content):
        calls.append(1)
        parts = forward(self, generated, content)
        return {k: v * math.nan for k, v in parts.items()} if len(calls) > 2 else parts

    monkeypatch.setattr(PerceptualLoss, "forward", broken)
    command = ["optimize", photo, "--style", style, "-o", tmp_path / "out.png", *FAST]
    assert main([str(flag) for flag in command]) == 2
    message = capsys.readouterr().err
    assert "the loss exploded at 40x27 px" in message
    assert "The best picture until then is in" in message
    assert open_image(tmp_path / "out.png").size == (40, 27)


def test_threads_are_those_asked_for(photo: Path, style: Path, tmp_path: Path):
    before = torch.get_num_threads()
    try:
        paint(photo, style, tmp_path / "out.png", "--threads", "1")
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--steps", "0"], "--steps is 0: it must be at least 1"),
        (["--size", "-4"], "--size is -4"),
        (["--scales", "0"], "--scales is 0"),
        (["--scales", "3"], "with 3 scales the first picture would have 10 px"),
        (["--threads", "0"], "--threads is 0"),
        (["--save-every", "0"], "--save-every is 0"),
        (["--style-size", "0"], "--style-size is 0"),
        (["--lr", "0"], "--lr is 0"),
        (["--lr", "nan"], "--lr is nan"),
        (["--seed", "-1"], "--seed is -1"),
        (["--quality", "101"], "--quality is 101"),
        (["--optimizer", "adma"], "Did you mean 'adam'"),
        (["--precision", "16"], "unknown precision '16'"),
        (["--pooling", "mean"], "unknown pooling 'mean'"),
        (["--vgg", "vgg.pth"], "no VGG-19 weights at 'vgg.pth'"),
        (["--device", "tpu"], "unknown device 'tpu'"),
        (["--init", "contnet"], "Did you mean 'content'"),
        (["--init", "none.png"], "no file 'none.png'"),
        (["--init", "none.onnx"], "no model 'none.onnx'"),
        (["--content-layers", "relu9_9"], "unknown VGG-19 layer 'relu9_9'"),
        (["--style-layers", ","], "no layer given"),
        (["--content-weight", "0"], "content-weight is 0"),
        (["--style-weight", "-1"], "style-weight is -1"),
        (["--tv-weight", "inf"], "tv-weight is inf"),
        (["--style", "none.jpg"], "no file 'none.jpg'"),
        (["--style", "a.jpg:0"], "weight above 0"),
        (["--style", "a.jpg:-1"], "weight above 0"),
        (["-o", "out.gif"], "images can be written as"),
        (["-o", ""], "no output"),
        (["-o", "{photo}/out.png"], "cannot write"),
        (["--threads", str(2**40)], "it must be from 1 to 1024"),
        (["--size", str(2**40)], "choose a smaller size"),
        (["--stlye", "x"], "Did you mean '--style'"),
        (["--steps", "many"], "--steps is 'many': it must be a whole number"),
    ],
)
def test_optimize_refuses_invalid_arguments(
    photo: Path, style: Path, tmp_path: Path, capsys, flags: list[str], message: str
):
    flags = [flag.replace("{photo}", str(photo)) for flag in flags]
    command = ["optimize", photo, "--style", style, "-o", tmp_path / "out.png", *FAST, *flags]
    assert main([str(flag) for flag in command]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "out.png").exists()


def test_optimize_names_missing_files(photo: Path, capsys):
    assert main(["optimize", str(photo), "-o", "x.png"]) == 2
    assert "required: --style" in capsys.readouterr().err
    assert main(["optimize", str(photo), "--style", "x.jpg"]) == 2
    assert "required: -o/--output" in capsys.readouterr().err


def test_optimize_does_not_overwrite(photo: Path, style: Path, tmp_path: Path, capsys):
    out = tmp_path / "out.png"
    out.write_bytes(b"precious")
    command = [str(f) for f in ("optimize", photo, "--style", style, "-o", out, *FAST)]
    assert main(command) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert out.read_bytes() == b"precious"
    assert main([*command, "--overwrite"]) == 0
    assert main([*command, "-o", str(tmp_path)]) == 2
