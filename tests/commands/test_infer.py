"""Which file becomes which, and that nothing good is ever lost."""

from __future__ import annotations

import io
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base

from fast_nst.commands.main import main
from fast_nst.pictures.edit import Pixels, to_array
from fast_nst.pictures.read import find_images, open_image
from fast_nst.stylize import painting
from fast_nst.stylize.engines import PAYS_FROM
from tests.conftest import noise


@pytest.fixture
def stylize(negative: Path, capsys):
    """Run `fast-nst infer` with the negative model; gives exit code, stdout and stderr."""

    def call(*arguments) -> tuple[int, str, str]:
        code = main(["infer", *map(str, arguments), "-m", str(negative)])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in put"
    (folder / "sub").mkdir(parents=True)
    for i, name in enumerate(("one.png", "sub/two.png", "sub/drei ß.png")):
        Image.fromarray(noise(6, 8, seed=i)).save(folder / name)
    return folder


def pixels(path: Path) -> np.ndarray:
    return to_array(open_image(path))


def test_one_picture(stylize, photo: Path, tmp_path: Path):
    code, out, err = stylize(photo, "-o", tmp_path / "out.png")
    assert (code, out) == (0, "")
    assert "out.png  36x24" in err
    np.testing.assert_array_equal(pixels(tmp_path / "out.png"), 255 - pixels(photo))


def test_one_picture_into_a_folder(stylize, photo: Path, tmp_path: Path):
    assert stylize(photo, "-o", f"{tmp_path}/new/")[0] == 0
    assert (tmp_path / "new" / "photo.png").exists()


def test_a_folder_keeps_names_and_subfolders(stylize, folder: Path, tmp_path: Path):
    code, _, err = stylize(folder, "-o", tmp_path / "out")
    assert code == 0
    assert "3 of 3 pictures" in err
    for name in ("one.png", "sub/two.png", "sub/drei ß.png"):
        np.testing.assert_array_equal(pixels(tmp_path / "out" / name), 255 - pixels(folder / name))


def test_a_bad_file_does_not_stop_the_others(stylize, folder: Path, tmp_path: Path):
    (folder / "bad.jpg").write_text("no image")
    code, out, err = stylize(folder, "-o", tmp_path / "out", "--json")
    assert code == 1
    assert "bad.jpg' is not an image" in err
    assert "3 of 4 pictures" in err
    records = [json.loads(line) for line in out.splitlines()]
    assert sum("error" in record for record in records) == 1
    assert not (tmp_path / "out" / "bad.jpg").exists()
    good = next(record for record in records if record["input"].endswith("one.png"))
    assert good["size"] == [8, 6]
    assert good["milliseconds"] > 0


def test_a_folder_is_worth_openvino_and_a_picture_is_not(
    stylize, photo: Path, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    many = tmp_path / "many"
    many.mkdir()
    for number in range(2 * PAYS_FROM):
        Image.fromarray(noise(20 + number % 3, 30, seed=number)).save(many / f"{number}.png")
    few = tmp_path / "few"
    few.mkdir()
    shutil.copy(many / "0.png", few / "0.png")
    for source, flags, engine in (
        (many, [], "openvino"),
        (many, ["--engine", "onnxruntime"], "onnxruntime"),
        (few, [], "onnxruntime"),
        (photo, [], "onnxruntime"),
        (photo, ["--engine", "openvino"], "openvino"),
    ):
        target = tmp_path / "out" / engine / "out.png" if source == photo else tmp_path / "out"
        options = ("--json", "-q", "--overwrite", "--threads", 2)
        code, out, _ = stylize(source, "-o", target, *options, *flags)
        assert code == 0
        records = [json.loads(line) for line in out.splitlines()]
        assert {(record["engine"], record["precision"]) for record in records} == {(engine, "32")}
        for record in records:
            np.testing.assert_array_equal(pixels(record["output"]), 255 - pixels(record["input"]))


def test_json_has_a_line_for_what_was_skipped(stylize, folder: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "one.png").write_bytes(b"precious")
    _, out, _ = stylize(folder, "-o", tmp_path / "out", "--json", "-q")
    records = {Path(r["input"]).name: r for r in map(json.loads, out.splitlines())}
    assert set(records) == {"one.png", "two.png", "drei ß.png"}
    assert records["one.png"]["skipped"] == "it exists"
    assert records["one.png"]["output"] == str(tmp_path / "out" / "one.png")
    assert "skipped" not in records["two.png"]


def test_a_name_that_becomes_too_long_does_not_stop_the_others(
    stylize, folder: Path, tmp_path: Path
):
    Image.fromarray(noise(4, 4)).save(folder / f"{'x' * 250}.gif")  # .gif.png is too long
    code, _, err = stylize(folder, "-o", tmp_path / "out")
    assert code == 1
    assert "name too long" in err
    assert "3 of 4 pictures" in err


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


def test_a_second_run_into_a_subfolder_does_not_paint_the_paintings(stylize, folder: Path):
    assert stylize(folder, "-o", folder / "out")[0] == 0
    assert "3 of 3" in stylize(folder, "-o", folder / "out", "--overwrite")[2]


def test_two_pictures_of_one_name_are_refused(stylize, folder: Path, photo: Path, tmp_path: Path):
    other = tmp_path / "other" / "photo.png"
    other.parent.mkdir()
    Image.fromarray(noise(4, 4)).save(other)
    code, _, err = stylize(photo, other, "-o", tmp_path / "out")
    assert code == 2
    assert "would both become" in err
    assert not (tmp_path / "out").exists()


def test_formats_that_cannot_be_written_become_png(stylize, tmp_path: Path):
    source = tmp_path / "in" / "a.gif"
    source.parent.mkdir()
    Image.fromarray(noise(4, 4)).save(source)
    assert stylize(source.parent, "-o", tmp_path / "out")[0] == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.gif.png"]


def test_pipes(photo: Path, negative: Path, monkeypatch, capsysbinary):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(photo.read_bytes())))
    assert main(["infer", "-", "-o", "-", "-q", "-m", str(negative)]) == 0
    painted = to_array(open_image(capsysbinary.readouterr().out))
    np.testing.assert_array_equal(painted, 255 - pixels(photo))


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_early_is_no_success(negative: Path, tmp_path: Path, unbuffered: str):
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


def test_closed_standard_streams_get_a_clear_word(photo: Path, negative: Path):
    for arguments, closing, word in (
        ("- -o out.png", "<&-", "standard input is closed"),
        (f"'{photo}' -o -", ">&-", "standard output is closed"),
    ):
        door = f"'{sys.executable}' -m fast_nst.commands.main"
        command = f"{door} infer {arguments} -m '{negative}' {closing}"
        done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {word}")


def test_size_strength_and_colours(stylize, photo: Path, tmp_path: Path):
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
            "ONNX Runtime's: leave out engine openvino",
        ),
        (
            ["PHOTO", "-o", "out.png", "--engine", "onnxruntime", "--precision", "bf16"],
            "bf16 is OpenVINO's",
        ),
        (["PHOTO", "-o", "out.png", "--strenght", "1"], "Did you mean '--strength'"),
        (["PHOTO", "-o", "-", "--json"], "both want standard output"),
        (["-", "PHOTO", "-o", "out/"], "give it alone"),
        (["PHOTO", "other.png", "-o", "-"], "single picture"),
        (["PHOTO", "other.png", "-o", "PHOTO"], "several pictures need -o FOLDER"),
        (["PHOTO", "other.png", "-o", "out.jpg"], "several pictures need -o FOLDER"),
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


def test_a_picture_too_large_for_one_piece(stylize, tmp_path: Path):
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


def test_what_is_in_tiles_is_painted_by_onnx_runtime(stylize, folder: Path, tmp_path: Path):
    Image.new("RGB", (1100, 1000)).save(folder / "large.png")
    code, out, _ = stylize(folder, "-o", tmp_path / "out", "--engine", "openvino", "--json")
    assert code == 0
    engines = {Path(r["input"]).name: r["engine"] for r in map(json.loads, out.splitlines())}
    assert engines["large.png"] == "onnxruntime"
    assert engines["one.png"] == "openvino"


def test_more_pixels_than_allowed(stylize, photo: Path, tmp_path: Path):
    out = ("-o", tmp_path / "out.png")
    code, _, err = stylize(photo, *out, "--max-pixels", "100")
    assert code == 2
    assert re.fullmatch(r"error: .*photo\.png' has over 100 pixels.* raise --max-pixels .*\n", err)
    code, _, err = stylize(photo, *out, "--size", "60000")
    assert code == 2
    assert "--size 60000 makes 60000x40000 px of " in err
    assert "over 500,000,000 pixels: raise --max-pixels or choose a smaller size" in err
    assert not (tmp_path / "out.png").exists()
    assert stylize(photo, *out, "--max-pixels", 24 * 36, "--size", 36)[0] == 0


def test_stroke_scale(stylize, photo: Path, tmp_path: Path):
    assert stylize(photo, "-o", tmp_path / "out.png", "--stroke-scale", "2")[0] == 0
    large = pixels(tmp_path / "out.png")
    assert large.shape == (24, 36, 3)
    assert np.abs(large.astype(int) - (255 - pixels(photo))).mean() > 10


def test_a_folder_in_another_format(stylize, folder: Path, tmp_path: Path):
    assert stylize(folder, "-o", tmp_path / "out", "--format", "webp")[0] == 0
    made = [path.relative_to(tmp_path / "out") for path in find_images(tmp_path / "out")]
    assert made == [Path("one.webp"), Path("sub/drei ß.webp"), Path("sub/two.webp")]
    assert (tmp_path / "out" / "one.webp").read_bytes()[8:12] == b"WEBP"
    Image.fromarray(noise(6, 8)).save(folder / "one.jpg")
    code, _, err = stylize(folder, "-o", tmp_path / "two", "--format", "jpg")
    assert code == 2
    assert "would both become" in err


def test_standard_output_in_another_format(photo: Path, negative: Path, capsysbinary):
    assert main(["infer", str(photo), "-m", str(negative), "-o", "-", "--format", "jpg"]) == 0
    assert Image.open(io.BytesIO(capsysbinary.readouterr().out)).format == "JPEG"


def test_subfolders_can_be_left_out(stylize, folder: Path, tmp_path: Path):
    code, _, err = stylize(folder, "-o", tmp_path / "out", "--no-recursive")
    assert code == 0
    assert "1 of 1 pictures" in err
    assert find_images(tmp_path / "out") == [tmp_path / "out" / "one.png"]


def test_what_the_camera_said_is_kept(stylize, tmp_path: Path):
    exif = Image.Exif()
    exif[Base.Model], exif[Base.Orientation] = "Box", 6
    exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = "2026:11:25 12:00:00"
    source = tmp_path / "in"
    source.mkdir()
    for suffix in ("jpg", "png", "webp", "tiff"):
        Image.fromarray(noise(6, 8)).save(source / f"a.{suffix}", exif=exif.tobytes())
    assert stylize(source, "-o", tmp_path / "out")[0] == 0
    for path in find_images(tmp_path / "out"):
        with Image.open(path) as painting:
            painting.load()
            kept = painting.getexif()
        assert painting.size == (6, 8)  # upright
        assert kept[Base.Model] == "Box"
        assert kept.get(Base.Orientation, 1) == 1
        assert kept.get_ifd(IFD.Exif)[Base.DateTimeOriginal] == "2026:11:25 12:00:00"


def test_pictures_are_told_in_their_order(stylize, tmp_path: Path):
    source = tmp_path / "in"
    source.mkdir()
    for number in range(30):  # large and small ones by turns
        side = 4 if number % 2 else 300
        Image.fromarray(noise(side, side)).save(source / f"{number:02}.png")
    (source / "13.png").write_bytes(b"damaged")
    code, out, err = stylize(source, "-o", tmp_path / "out", "--json", "--threads", 4)
    assert code == 1
    records = [json.loads(line) for line in out.splitlines()]
    assert [Path(record["input"]).stem for record in records] == [f"{n:02}" for n in range(30)]
    assert [n for n, record in enumerate(records) if "error" in record] == [13]
    assert "29 of 30 pictures stylized" in err
    assert "1 failed" in err


def test_a_killed_run_leaves_whole_files_and_a_second_one_does_the_rest(
    negative: Path, tmp_path: Path
):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number in range(40):
        Image.fromarray(noise(400, 500, seed=number)).save(source / f"{number:02}.png")
    command = [sys.executable, "-m", "fast_nst.commands.main", "infer", source, "-o", target]
    process = subprocess.Popen([*command, "-m", negative, "-q"])
    while len(list(target.glob("*.png"))) < 5:
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    process.wait()
    done = sorted(target.glob("*.png"))
    assert 5 <= len(done) < 40
    for path in done:
        np.testing.assert_array_equal(pixels(path), 255 - pixels(source / path.name))
    second = subprocess.run([*command, "-m", negative], capture_output=True, text=True, check=True)
    assert f"{40 - len(done)} of 40 pictures stylized" in second.stderr
    assert len(find_images(target)) == 40


def test_the_first_ctrl_c_finishes_what_is_begun(negative: Path, tmp_path: Path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number in range(60):
        Image.fromarray(noise(400, 500, seed=number)).save(source / f"{number:02}.png")
    command = [sys.executable, "-m", "fast_nst.commands.main", "infer", source, "-o", target]
    process = subprocess.Popen([*command, "-m", negative], stderr=subprocess.PIPE, text=True)
    while len(list(target.glob("*.png"))) < 5:
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert len(list(target.glob("*.png"))) < 40
    assert not [path for path in target.iterdir() if path.suffix != ".png"]


def test_a_picture_without_memory_does_not_stop_the_others(
    stylize, folder: Path, tmp_path: Path, monkeypatch
):
    original = painting.to_pixels

    def to_pixels(image: Image.Image) -> Pixels:
        if image.width > 8:
            raise MemoryError
        return original(image)

    monkeypatch.setattr(painting, "to_pixels", to_pixels)
    Image.new("RGB", (9, 9)).save(folder / "large.png")
    code, _, err = stylize(folder, "-o", tmp_path / "out", "--format", "png")
    assert code == 1
    assert "3 of 4 pictures stylized" in err
    assert f"error: no memory for {str(folder / 'large.png')!r}: give a smaller --size" in err
    assert stylize(folder / "large.png", "-o", tmp_path / "one.png")[0] == 2
    assert stylize(folder / "one.png", "-o", f"{tmp_path}/f.png/", "--format", "jpg")[0] == 0
    assert (tmp_path / "f.png" / "one.jpg").exists()
