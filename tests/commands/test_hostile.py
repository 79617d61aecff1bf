"""What broken disks and odd people make: a right picture or one clear line, and nothing lost."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from fast_nst.pictures.edit import flatten, to_array, to_image
from fast_nst.pictures.read import open_image, read_pixels
from tests.conftest import inverting_model, noise

FLIPS = 110  # damaged files of a kind, beside the truncated ones
SIZE = (96, 64)


def smooth(channels: int = 3) -> Image.Image:
    """Something like a photograph: it compresses, and its files are a few kilobytes."""
    image = Image.fromarray(noise(12, 18, channels)).resize(SIZE, Image.Resampling.BICUBIC)
    grain = noise(SIZE[1], SIZE[0], channels, seed=1) // 16
    return Image.fromarray(np.minimum(np.array(image).astype(np.uint16) + grain, 255).astype("u1"))


def saved(image: Image.Image, file_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def kinds() -> dict[str, bytes]:
    """A whole file of each kind, by a name for it with its suffix."""
    pillow_heif.register_heif_opener()
    photo, clear = smooth(), smooth(4)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = 6, "Box"
    wide = Image.fromarray(np.linspace(0, 65535, 64 * 96).reshape(64, 96).astype(np.uint16))
    real = Image.fromarray(np.linspace(0, 1, 64 * 96).reshape(64, 96).astype(np.float32))
    frames = [photo.quantize(64), clear.convert("RGB").quantize(64)]
    return {
        "plain.jpg": saved(photo, "JPEG", quality=95),
        "progressive.jpg": saved(photo, "JPEG", progressive=True, exif=exif.tobytes()),
        "cmyk.jpg": saved(photo.convert("CMYK"), "JPEG"),
        "gray.jpeg": saved(photo.convert("L"), "JPEG", icc_profile=profile),
        "plain.png": saved(photo, "PNG", icc_profile=profile),
        "clear.png": saved(clear, "PNG", exif=exif.tobytes()),
        "wide.png": saved(wide, "PNG"),
        "palette.png": saved(photo.quantize(16), "PNG", transparency=b"\x00\x80\xff"),
        "animated.gif": saved(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "lossy.webp": saved(photo, "WEBP", exif=exif.tobytes()),
        "lossless.webp": saved(clear, "WEBP", lossless=True),
        "animated.webp": saved(photo, "WEBP", save_all=True, append_images=[photo]),
        "raw.tif": saved(photo, "TIFF"),
        "lzw.tiff": saved(clear, "TIFF", compression="tiff_lzw"),
        "real.tif": saved(real, "TIFF"),
        "plain.bmp": saved(photo, "BMP"),
        "plain.ppm": saved(photo, "PPM"),
        "phone.heic": saved(photo, "HEIF"),
        "phone.avif": saved(photo, "AVIF"),
    }


def damaged() -> Iterator[tuple[str, bytes]]:
    """Names and contents: each kind truncated at every half kilobyte, and with bytes flipped."""
    chance = np.random.default_rng(0)
    for name, data in kinds().items():
        stem, _, suffix = name.partition(".")
        for end in range(0, len(data), max(512, len(data) // 16)):
            yield f"{stem}-{suffix}-cut{end}.{suffix}", data[:end]
        for number in range(FLIPS):
            flipped = bytearray(data)
            # Half of them in the head, where sizes and offsets are.
            reach = min(len(data), 300) if number % 2 else len(data)
            for place in chance.integers(0, reach, chance.integers(1, 9)):
                flipped[place] = chance.integers(0, 256)
            yield f"{stem}-{suffix}-flip{number}.{suffix}", bytes(flipped)
        yield f"{stem}-{suffix}-as.{'png' if suffix != 'png' else 'jpg'}", data


def infer(*arguments: object, **options) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "fast_nst.commands.main", "infer", *map(os.fspath, arguments)]
    command += ["--detail", "0"]
    return subprocess.run(command, capture_output=True, timeout=120, **options)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.slow
def test_two_thousand_damaged_files(negative: Path, tmp_path: Path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name, data in damaged():
        (source / name).write_bytes(data)
    before = digests(source)
    assert len(before) > 2000
    options = ("--json", "--max-pixels", "2000000", "-m", negative)
    done = infer(source, "-o", target, *options)
    assert done.returncode == 1
    said = done.stderr.decode()
    assert "Traceback" not in said
    assert "Warning" not in said
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(record["input"]).name for record in records] == sorted(before)
    painted = [record for record in records if "output" in record]
    failed = [record["error"] for record in records if "error" in record]
    assert len(painted) + len(failed) == len(before)
    assert len(painted) > 300
    assert len(failed) > 300
    assert all(str(source) in line for line in failed)
    assert all("\n" not in line and len(line) < 500 for line in failed)
    assert digests(source) == before
    # Everything that was written is whole, and nothing else was.
    assert sorted(path.name for path in target.iterdir()) == sorted(
        Path(record["output"]).name for record in painted
    )
    for record in painted:
        assert list(open_image(record["output"]).size) == record["size"]


def test_whole_files_of_each_kind_are_painted_right(negative: Path, tmp_path: Path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name, data in kinds().items():
        (source / name).write_bytes(data)
    assert infer(source, "-o", target, "--format", "png", "-m", negative).returncode == 2
    assert infer(source, "-o", target, "-m", negative).returncode == 0
    assert len(list(target.iterdir())) == len(kinds())
    for path in source.iterdir():
        photo = read_pixels(path)
        expected = to_array(flatten(to_image(replace(photo, rgb=255 - photo.rgb)))).astype(int)
        found = next(p for p in target.iterdir() if p.name.startswith(path.name))
        lossy = found.suffix in (".jpg", ".jpeg", ".webp")
        difference = np.abs(to_array(flatten(open_image(found))) - expected)
        assert difference.mean() < (4 if lossy else 0.001), path.name


NAMES = (
    "with space.png",
    "'single' \"double\".png",
    "line\nbreak.png",
    "tab\tand\rreturn.png",
    "dollar $HOME `ls` ;& |.png",
    "-o.png",
    "--json.png",
    "percent %s {0}.png",
    "größe 照片 🎨.png",
    "a:0.5.png",
    "\udcff\udcfe.png",  # bytes that are no UTF-8
    "n" * 251 + ".png",
)


def test_odd_file_names_in_a_folder(negative: Path, tmp_path: Path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for i, name in enumerate(NAMES):
        Image.fromarray(noise(4, 5, seed=i)).save(source / "plain.png")
        (source / "plain.png").rename(source / name)
    done = infer(source, "-o", target, "--json", "-m", negative)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert {record["input"] for record in records} == {str(source / name) for name in NAMES}
    for name in NAMES:
        np.testing.assert_array_equal(
            to_array(open_image(target / name)), 255 - to_array(open_image(source / name))
        )
        (source / name).write_bytes(b"no picture")
    bad = infer(source, "-o", target, "--overwrite", "-m", negative)
    assert bad.returncode == 1
    lines = bad.stderr.decode().replace("\r", "\n").splitlines()
    assert len([line for line in lines if line.startswith("error: ")]) == len(NAMES)
    assert "Traceback" not in bad.stderr.decode()


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_odd_file_name(name: str, negative: Path, tmp_path: Path):
    Image.fromarray(noise(4, 5)).save(tmp_path / "plain.png")
    (tmp_path / "plain.png").rename(tmp_path / name)
    (tmp_path / "out").mkdir()
    one = infer(tmp_path / name, "-o", tmp_path / "out" / name, "-m", negative)
    assert one.returncode == 0, one.stderr
    assert one.stderr.count(b"\n") == 1
    np.testing.assert_array_equal(
        to_array(open_image(tmp_path / "out" / name)), 255 - to_array(open_image(tmp_path / name))
    )


def test_folder_with_links_pipes_and_devices(negative: Path, tmp_path: Path):
    source = tmp_path / "in"
    (source / "folder.png").mkdir(parents=True)
    Image.fromarray(noise(4, 5)).save(source / "good.png")
    (source / "loop.png").symlink_to(source / "pool.png")
    (source / "pool.png").symlink_to(source / "loop.png")
    (source / "nowhere.png").symlink_to(tmp_path / "missing.png")
    (source / "endless.png").symlink_to("/dev/zero")
    (source / "self").symlink_to(source)
    (source / "linked.png").symlink_to(source / "good.png")
    os.mkfifo(source / "pipe.png")
    done = infer(source, "-o", tmp_path / "out", "--json", "-m", negative)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    records = {Path(r["input"]).name: r for r in map(json.loads, done.stdout.splitlines())}
    assert {name for name, r in records.items() if "output" in r} == {"good.png", "linked.png"}
    assert set(records) == {"good.png", "linked.png", "loop.png", "pool.png", "nowhere.png"}
    assert "no file" in records["nowhere.png"]["error"]
    assert "symbolic links" in records["loop.png"]["error"]


def test_thin_pictures(negative: Path, tmp_path: Path):
    for name, size in (("wide.png", (65_000, 1)), ("high.jpg", (1, 65_000))):
        Image.fromarray(noise(size[1], size[0])).save(tmp_path / name)
        done = infer(tmp_path / name, "-o", tmp_path / f"out-{name}", "-m", negative)
        assert done.returncode == 0, done.stderr
        assert open_image(tmp_path / f"out-{name}").size == size
    done = infer(tmp_path / "wide.png", "-o", tmp_path / "out.webp", "-m", negative)
    assert done.returncode == 2
    assert b"error: cannot write 65000x1 as WEBP: " in done.stderr
    assert not (tmp_path / "out.webp").exists()
    # And with a real network, through all its paddings.
    Image.fromarray(noise(1, 20_000)).save(tmp_path / "thin.png")
    assert infer(tmp_path / "thin.png", "-o", tmp_path / "painted.png").returncode == 0


def test_decompression_bomb(negative: Path, tmp_path: Path):
    bomb = bytearray(saved(Image.new("L", (8, 8)), "PNG"))
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    (tmp_path / "bomb.png").write_bytes(bomb)
    done = infer(tmp_path / "bomb.png", "-o", tmp_path / "out.png", "-m", negative)
    assert done.returncode == 2
    assert b"has over 500,000,000 pixels" in done.stderr


LIMITED = """
import resource, sys
from fast_nst.commands.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sys.exit(main(sys.argv[1:]))
"""


def test_full_disk_keeps_old_files(negative: Path, tmp_path: Path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    target.mkdir()
    Image.fromarray(noise(200, 300)).save(source / "large.png")
    Image.fromarray(noise(20, 30)).save(source / "small.png")
    (target / "large.png").write_bytes(b"what was there")
    command = [sys.executable, "-c", LIMITED, "infer", "-m", negative, "--overwrite"]
    done = subprocess.run([*command, source, "-o", target], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"error: cannot write '{target / 'large.png'}': File too large" in done.stderr
    assert (target / "large.png").read_bytes() == b"what was there"
    assert sorted(path.name for path in target.iterdir()) == ["large.png", "small.png"]
    one = [*command, source / "large.png", "-o", target / "large.png"]
    done = subprocess.run(one, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


ORDINARY = """
import os, sys
from pathlib import Path
from fast_nst.commands.main import main
model, place = sys.argv[1], Path(sys.argv[2])
warm = ["infer", "-m", model, "--overwrite", str(place / "first"), "-o", str(place / "warm")]
assert main(warm) == 0  # all that is needed is imported
sys.stderr.write("WARM\\n")
if os.geteuid() == 0:
    os.setresuid(65534, 65534, 65534)  # whom permissions hold for
sys.exit(main(["infer", "-m", model, *sys.argv[3:]]))
"""


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that every user can reach, as pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        for folder in ("in", "first"):
            (place / folder).mkdir()
            Image.fromarray(noise(4, 5)).save(place / folder / "good.png")
        (place / "model.onnx").write_bytes(inverting_model())
        yield place


def as_anyone(place: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ORDINARY, place / "model.onnx", place, *arguments]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60)
    done.stderr = done.stderr.partition("WARM\n")[2]
    assert "Traceback" not in done.stderr
    return done


def test_folders_that_may_not_be_read_or_written(open_place: Path):
    source, target = open_place / "in", open_place / "out"
    target.mkdir()
    target.chmod(0o555)
    done = as_anyone(open_place, source, "-o", target)
    assert done.returncode == 1
    assert f"error: cannot write '{target / 'good.png'}': Permission denied" in done.stderr
    target.chmod(0o777)
    Image.fromarray(noise(4, 5)).save(open_place / "secret.png")
    (open_place / "secret.png").chmod(0)
    done = as_anyone(open_place, open_place / "secret.png", source, "-o", target)
    assert done.returncode == 1
    assert "secret.png': Permission denied" in done.stderr
    assert (target / "good.png").exists()
    closed = open_place / "closed"
    closed.mkdir()
    closed.chmod(0)
    done = as_anyone(open_place, closed, "-o", target)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    done = as_anyone(open_place, closed / "a.png", "-o", target / "b.png")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    # A folder below that is closed costs the pictures beside it nothing.
    closed.rename(source / "closed")
    done = as_anyone(open_place, source, "-o", open_place / "out", "--overwrite")
    assert done.returncode == 1
    assert f"error: cannot read the folder '{source / 'closed'}': Permission denied" in done.stderr
    assert "1 of 2 pictures stylized" in done.stderr
    (source / "closed").chmod(0o700)
