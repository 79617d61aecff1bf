"""Which file becomes which, and that nothing good is ever lost."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fast_nst.commands import progress
from fast_nst.commands.main import main
from fast_nst.pictures.detail import DETAIL, add_detail
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_image
from tests.conftest import noise, pixels


def test_infer_one_picture(stylize, photo: Path, tmp_path: Path):
    code, out, err = stylize(photo, "-o", tmp_path / "out.png")
    assert (code, out) == (0, "")
    assert "out.png  36x24" in err
    np.testing.assert_array_equal(pixels(tmp_path / "out.png"), 255 - pixels(photo))


def test_infer_one_picture_into_a_folder(stylize, photo: Path, tmp_path: Path):
    assert stylize(photo, "-o", f"{tmp_path}/new/")[0] == 0
    assert (tmp_path / "new" / "photo.png").exists()


def test_nothing_is_overwritten_unasked(stylize, photo: Path, folder: Path, tmp_path: Path):
    target = tmp_path / "out.png"
    target.write_bytes(b"precious")
    code, _, err = stylize(photo, "-o", target)
    assert code == 2
    assert "add --overwrite" in err
    assert target.read_bytes() == b"precious"
    assert stylize(photo, "-o", target, "--overwrite")[0] == 0
    assert open_image(target).size == (36, 24)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "one.png").write_bytes(b"precious")
    code, _, err = stylize(folder, "-o", tmp_path / "out")
    assert code == 0
    assert "1 skipped" in err
    assert (tmp_path / "out" / "one.png").read_bytes() == b"precious"


def test_an_input_is_never_the_output(stylize, photo: Path, folder: Path):
    before = photo.read_bytes()
    (photo.parent / "link.png").symlink_to(photo)
    for target in (photo, photo.parent / "link.png", photo.parent):
        code, _, err = stylize(photo, "-o", target, "--overwrite")
        assert code == 2
        assert "is an input too" in err
    assert stylize(folder, "-o", folder, "--overwrite")[0] == 2
    assert photo.read_bytes() == before


def test_a_failed_run_keeps_the_old_output(stylize, tmp_path: Path):
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n truncated")
    (tmp_path / "out.png").write_bytes(b"precious")
    code, _, err = stylize(tmp_path / "bad.png", "-o", tmp_path / "out.png", "--overwrite")
    assert code == 2
    assert err.count("\n") == 1
    assert (tmp_path / "out.png").read_bytes() == b"precious"


def test_formats_that_cannot_be_written_become_png(stylize, tmp_path: Path):
    source = tmp_path / "in" / "a.gif"
    source.parent.mkdir()
    Image.fromarray(noise(4, 4)).save(source)
    assert stylize(source.parent, "-o", tmp_path / "out")[0] == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.gif.png"]


def test_infer_reads_and_writes_pipes(photo: Path, negative: Path, monkeypatch, capsysbinary):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(photo.read_bytes())))
    words = ["infer", "-", "-o", "-", "-q", "-m", str(negative), "--detail", "0.6"]
    assert main(words) == 0
    painted = to_array(open_image(capsysbinary.readouterr().out))
    expected = add_detail(pixels(photo), 255 - pixels(photo), 0.6)
    np.testing.assert_array_equal(painted, expected)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_infer_into_a_closed_pipe_fails(negative: Path, tmp_path: Path, unbuffered: str):
    photo = tmp_path / "large.png"
    Image.fromarray(noise(400, 400)).save(photo)  # more than a pipe holds
    command = [
        sys.executable,
        "-m",
        "fast_nst.commands.main",
        "infer",
        photo,
        "-o",
        "-",
        "-m",
        negative,
    ]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_infer_with_closed_standard_streams(photo: Path, negative: Path):
    for arguments, closing, word in (
        ("- -o out.png", "<&-", "standard input is closed"),
        (f"'{photo}' -o -", ">&-", "standard output is closed"),
    ):
        door = f"'{sys.executable}' -m fast_nst.commands.main"
        command = f"{door} infer {arguments} -m '{negative}' {closing}"
        done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {word}")


def test_infer_size_strength_and_keep_colors(stylize, photo: Path, tmp_path: Path):
    assert stylize(photo, "-o", tmp_path / "s.png", "--size", 18)[0] == 0
    assert open_image(tmp_path / "s.png").size == (18, 12)
    assert stylize(photo, "-o", tmp_path / "z.png", "--strength", 0)[0] == 0
    np.testing.assert_array_equal(pixels(tmp_path / "z.png"), pixels(photo))
    assert stylize(photo, "-o", tmp_path / "k.png", "--keep-colors")[0] == 0
    chroma = [
        np.asarray(Image.open(p).convert("YCbCr"))[..., 1:] for p in (photo, tmp_path / "k.png")
    ]
    assert (
        np.abs(chroma[0].astype(int) - chroma[1]).mean()
        < np.abs(128 - chroma[0].astype(int)).mean()
    )


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["PHOTO"], "no output"),
        (["PHOTO", "-o", ""], "no output"),
        (["", "-o", "out.png"], "no name"),
        (["PHOTO", "-o", "out.png", "--size", "999999999"], "over 500,000,000 pixels"),
        (["PHOTO", "-o", "out.png", "--provider", "coreml"], "lacks 'coreml'"),
        (["PHOTO", "-o", "out"], "end it in /"),
        (["PHOTO", "-o", "out.xyz"], "can be written as"),
        (["missing.jpg", "-o", "out.png"], "no file"),
        (["PHOTO", "-o", "out.png", "--strength", "2"], "from 0 to 1"),
        (["PHOTO", "-o", "out.png", "--format", "jpg"], "leave out --format"),
        (["PHOTO", "-o", "out/", "--format", "gif"], "Choose one of: jpg, png"),
        (["PHOTO", "-o", "out.png", "--stroke-scale", "11"], "from 0.1 to 10"),
        (["PHOTO", "-o", "out.png", "--max-memory", "1"], "give it in MB or GB"),
        (["PHOTO", "-o", "out.png", "--max-pixels", "0"], "at least 1"),
        (
            ["PHOTO", "-o", "out.png", "--strength", "much"],
            "--strength is .much.: it must be a number",
        ),
        (["PHOTO", "-o", "out.png", "--size", "0"], "at least 1"),
        (["PHOTO", "-o", "out.png", "--quality", "101"], "from 1 to 100"),
        (["PHOTO", "-o", "out.png", "--threads", "-1"], "from 1 to 1024"),
        (["PHOTO", "-o", "out.png", "--provider", "tpu"], "unknown provider"),
        (["PHOTO", "-o", "out.png", "--engine", "opnvino"], "Did you mean 'openvino'"),
        (
            ["PHOTO", "-o", "out.png", "--engine", "openvino", "--provider", "cuda"],
            "ONNX Runtime's: leave out --engine openvino",
        ),
        (
            ["PHOTO", "-o", "out.png", "--engine", "onnxruntime", "--precision", "bf16"],
            "bf16 is OpenVINO's",
        ),
        (["PHOTO", "-o", "out.png", "--strenght", "1"], "Did you mean '--strength'"),
        (["PHOTO", "-o", "-", "--json"], "both want standard output"),
        (["-", "PHOTO", "-o", "out/"], "give it alone"),
        (["PHOTO", "other.png", "-o", "-"], "single picture"),
        (["PHOTO", "other.png", "-o", "PHOTO"], "give a folder as --output for several"),
        (["PHOTO", "other.png", "-o", "out.jpg"], "give a folder as --output for several"),
        (["EMPTY", "-o", "out/"], "no images"),
        (["x" * 300 + ".jpg", "-o", "out.png"], "[Nn]ame too long"),
        (["PHOTO", "-o", "x" * 300 + ".png"], "[Nn]ame too long"),
        (["PHOTO", "-o", "PHOTO/below.png"], "cannot write"),
        ([], "required"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(
    stylize, photo: Path, tmp_path: Path, arguments: list[str], word: str, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    filled = [a.replace("PHOTO", str(photo)).replace("EMPTY", str(empty)) for a in arguments]
    code, out, err = stylize(*filled)
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert re.search(word, err), err
    assert not list(tmp_path.glob("out*"))


def test_infer_in_tiles_above_max_memory(stylize, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)  # where there is no terminal: each tile
    large = noise(300, 260)
    Image.fromarray(large).resize((1300, 1500), Image.Resampling.NEAREST).save(tmp_path / "l.png")
    options = ("--max-memory", "1.5 GB", "--json", "-o", tmp_path / "whole.png")
    code, whole, _ = stylize(tmp_path / "l.png", *options)
    assert (code, json.loads(whole)["in_tiles"]) == (0, True)  # a network that nothing is known of
    code, out, err = stylize(
        tmp_path / "l.png", "--max-memory", "2GB", "--json", "-o", tmp_path / "whole.png",
        "--overwrite",
    )  # fmt: skip
    assert (code, json.loads(out)["in_tiles"]) == (0, False)
    options = ("--max-memory", "64MB", "--statistics", "reduced", "-o", tmp_path / "tiles.png")
    code, out, err = stylize(tmp_path / "l.png", *options)
    assert code == 0
    assert "tile/s" in err
    assert "1300x1500" in err
    np.testing.assert_array_equal(pixels(tmp_path / "tiles.png"), 255 - pixels(tmp_path / "l.png"))
    np.testing.assert_array_equal(pixels(tmp_path / "tiles.png"), pixels(tmp_path / "whole.png"))


def test_infer_max_pixels(stylize, photo: Path, tmp_path: Path):
    out = ("-o", tmp_path / "out.png")
    code, _, err = stylize(photo, *out, "--max-pixels", "100")
    assert code == 2
    assert re.fullmatch(r"error: .*photo\.png' has over 100 pixels.* raise --max-pixels .*\n", err)
    code, _, err = stylize(photo, *out, "--size", "60000")
    assert code == 2
    assert "size 60000 makes 60000x40000 px of " in err
    assert "over 500,000,000 pixels (max_pixels): choose a smaller size" in err
    assert not (tmp_path / "out.png").exists()
    assert stylize(photo, *out, "--max-pixels", 24 * 36, "--size", 36)[0] == 0


def test_infer_stroke_scale(stylize, photo: Path, tmp_path: Path):
    assert stylize(photo, "-o", tmp_path / "out.png", "--stroke-scale", "2")[0] == 0
    large = pixels(tmp_path / "out.png")
    assert large.shape == (24, 36, 3)
    assert np.abs(large.astype(int) - (255 - pixels(photo))).mean() > 10


def test_standard_output_in_another_format(photo: Path, negative: Path, capsysbinary):
    assert main(["infer", str(photo), "-m", str(negative), "-o", "-", "--format", "jpg"]) == 0
    assert Image.open(io.BytesIO(capsysbinary.readouterr().out)).format == "JPEG"


def test_infer_detail(stylize, photo: Path, negative: Path, tmp_path: Path):
    plain = 255 - pixels(photo)
    out = tmp_path / "out.png"
    assert main(["infer", str(photo), "-o", str(out), "-m", str(negative)]) == 0
    np.testing.assert_array_equal(pixels(out), add_detail(pixels(photo), plain, DETAIL))
    assert stylize(photo, "-o", out, "--overwrite", "--detail", "1")[0] == 0
    np.testing.assert_array_equal(pixels(out), add_detail(pixels(photo), plain, 1))
    code, _, err = stylize(photo, "-o", out, "--overwrite", "--detail", "1.1")
    assert (code, err) == (2, "error: --detail is 1.1: it must be from 0 to 1\n")
