"""Many pictures in one run: names, formats, order, and that nothing stops the others."""

from __future__ import annotations

import json
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.ExifTags import IFD, Base

from fast_nst.commands import infer as commands_infer
from fast_nst.engines.engine import PAYS_FROM
from fast_nst.pictures import read
from fast_nst.pictures.edit import Pixels
from fast_nst.pictures.find import find_images
from fast_nst.pictures.write import save_image
from fast_nst.stylize import folder as stylize_folder
from tests.conftest import noise, pixels


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


def test_engine_chosen_for_a_folder_and_for_a_picture(
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


def test_a_folder_in_another_format(stylize, folder: Path, tmp_path: Path):
    assert stylize(folder, "-o", tmp_path / "out", "--format", "webp")[0] == 0
    made = [path.relative_to(tmp_path / "out") for path in find_images(tmp_path / "out")]
    assert made == [Path("one.webp"), Path("sub/drei ß.webp"), Path("sub/two.webp")]
    assert (tmp_path / "out" / "one.webp").read_bytes()[8:12] == b"WEBP"
    Image.fromarray(noise(6, 8)).save(folder / "one.jpg")
    code, _, err = stylize(folder, "-o", tmp_path / "two", "--format", "jpg")
    assert code == 2
    assert "would both become" in err


def test_subfolders_can_be_left_out(stylize, folder: Path, tmp_path: Path):
    code, _, err = stylize(folder, "-o", tmp_path / "out", "--no-recursive")
    assert code == 0
    assert "1 of 1 pictures" in err
    assert find_images(tmp_path / "out") == [tmp_path / "out" / "one.png"]


def test_folder_keeps_exif(stylize, tmp_path: Path):
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


def test_folder_reports_pictures_in_order(stylize, tmp_path: Path):
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
    command += ["--detail", "0"]
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


def test_out_of_memory_does_not_stop_the_folder(stylize, folder: Path, tmp_path: Path, monkeypatch):
    original = read.to_pixels

    def to_pixels(image: Image.Image) -> Pixels:
        if image.width > 8:
            raise MemoryError
        return original(image)

    monkeypatch.setattr(read, "to_pixels", to_pixels)
    Image.new("RGB", (9, 9)).save(folder / "large.png")
    code, _, err = stylize(folder, "-o", tmp_path / "out", "--format", "png")
    assert code == 1
    assert "3 of 4 pictures stylized" in err
    assert (
        f"error: not enough memory for {str(folder / 'large.png')!r}: choose a smaller size" in err
    )
    assert stylize(folder / "large.png", "-o", tmp_path / "one.png")[0] == 2
    assert stylize(folder / "one.png", "-o", f"{tmp_path}/f.png/", "--format", "jpg")[0] == 0
    assert (tmp_path / "f.png" / "one.jpg").exists()


def test_out_of_memory_in_writing_does_not_stop_the_folder(
    stylize, folder: Path, tmp_path: Path, monkeypatch
):
    def save(image: Image.Image, target: Path, quality: int) -> None:
        if image.width > 8:
            raise MemoryError
        save_image(image, target, quality)

    for module in (commands_infer, stylize_folder):
        monkeypatch.setattr(module, "save_image", save)
    Image.new("RGB", (9, 9)).save(folder / "large.png")
    code, _, err = stylize(folder, "-o", tmp_path / "out", "--format", "png")
    assert code == 1
    assert "3 of 4 pictures stylized" in err
    name = repr(str(folder / "large.png"))
    assert f"error: not enough memory for {name}: choose a smaller size" in err
    assert stylize(folder / "large.png", "-o", tmp_path / "one.png")[0] == 2


def test_tiles_are_painted_by_onnx_runtime(stylize, folder: Path, tmp_path: Path):
    Image.new("RGB", (1100, 1000)).save(folder / "large.png")
    code, out, _ = stylize(folder, "-o", tmp_path / "out", "--engine", "openvino", "--json")
    assert code == 0
    engines = {Path(r["input"]).name: r["engine"] for r in map(json.loads, out.splitlines())}
    assert engines["large.png"] == "onnxruntime"
    assert engines["one.png"] == "openvino"
