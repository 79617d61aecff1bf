"""The wheel, in environments that hold nothing else: a room left out of it would show."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "fast_nst" / "assets" / "photos" / "rocket.jpg"


def call(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    # A copy: an old build/ beside the sources would put back what is left out.
    aside = shutil.ignore_patterns(".*", "build", "*.egg-info", "runs", "stylized")
    source = shutil.copytree(ROOT, out / "source", ignore=aside)
    call(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", out, source, cwd=out)
    return next(out.glob("*.whl"))


def installed(wheel: Path, place: Path, extra: str = "", versions: str = "newest") -> Path:
    """The folder of an empty environment's commands, with the wheel installed.

    With "oldest" versions, each of pyproject.toml's requirements is as old as that allows.
    """
    venv.create(place / "venv", with_pip=True)
    commands = place / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = commands / "python"
    if versions == "oldest":
        words = ("-m", "uv", "pip", "install", "-q", "--resolution", "lowest-direct")
        call(sys.executable, *words, "--python", python, f"{wheel}{extra}", cwd=place)
    else:
        call(python, "-m", "pip", "install", "-q", f"{wheel}{extra}", cwd=place)
    return commands


VERSIONS = pytest.mark.parametrize("versions", ["newest", "oldest"])


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the sdist holds, unpacked."""
    out = tmp_path_factory.mktemp("sdist")
    aside = shutil.ignore_patterns("build", "*.egg-info", "runs", ".venv", ".git", ".*_cache")
    source = shutil.copytree(ROOT, out / "source", ignore=aside)
    call(sys.executable, "-m", "build", "--sdist", "-o", out, source, cwd=out)
    with tarfile.open(next(out.glob("*.tar.gz"))) as archive:
        archive.extractall(out, filter="data")
    return next(path for path in out.glob("fast_nst-*") if path.is_dir())


def test_hints_name_the_package_as_users_install_it():
    """`.[train]` is for who stands in a checkout; most have the wheel."""
    sources = [*(ROOT / "fast_nst").rglob("*.py"), *(ROOT / "fast_nst").rglob("*.js")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    named = set(re.findall(r"'(?:\.|fast-nst)\[\w+\]'", text))
    extras = ("train", "openvino", "heif", "cluster", "video", "web")
    assert named == {f'"fast-nst[{extra}]"' for extra in extras}


@pytest.mark.slow
def test_the_sdist_holds_what_the_repository_does(sdist: Path):
    tracked = call("git", "ls-files", "-z", cwd=ROOT).stdout.split("\0")
    assert [name for name in tracked if name and not (sdist / name).is_file()] == []


@pytest.mark.slow
def test_the_sdist_builds_and_tests_itself(sdist: Path, tmp_path: Path):
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w")
    call(*pip, tmp_path, sdist, cwd=tmp_path)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as built:
        names = set(built.namelist())
    assert {f"fast_nst/configs/{path.name}" for path in (ROOT / "configs").iterdir()} <= names
    some = ("tests/test_options.py", "tests/training/test_settings.py")
    call(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *some, cwd=sdist)


@pytest.mark.slow
@VERSIONS
def test_the_light_install_stylizes(wheel: Path, tmp_path: Path, versions: str):
    commands = installed(wheel, tmp_path, versions=versions)
    call(commands / "fast-nst", "infer", PHOTO, "-o", "painting.jpg", cwd=tmp_path)
    assert (tmp_path / "painting.jpg").stat().st_size > 1000
    call(commands / "fast-nst", "blend", "udnie", "evening", "-o", "mix.onnx", cwd=tmp_path)
    mixed = ("infer", PHOTO, "-m", "mix.onnx", "--strength", "0.8", "-o", "mixed.jpg")
    call(commands / "fast-nst", *mixed, cwd=tmp_path)
    listed = call(commands / "fast-nst", "styles", cwd=tmp_path).stdout.splitlines()
    assert len(listed) == 1 + len(list((ROOT / "fast_nst/assets/styles").glob("*.onnx")))
    packages = call(commands / "python", "-m", "pip", "list", cwd=tmp_path).stdout.lower()
    assert "torch" not in packages
    for extra, words in (
        ("train", ["train"]),
        ("openvino", ["infer", PHOTO, "-o", "no.jpg", "--engine", "openvino"]),
        ("web", ["serve", "--no-browser"]),
    ):
        refused = subprocess.run(
            [commands / "fast-nst", *words], cwd=tmp_path, capture_output=True, text=True
        )
        assert refused.returncode == 2
        assert f'is not installed: pip install "fast-nst[{extra}]"' in refused.stderr


@pytest.mark.slow
def test_the_web_extra_serves_the_whole_page(wheel: Path, tmp_path: Path):
    commands = installed(wheel, tmp_path, "[web]")
    command = [commands / "fast-nst", "serve", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found
        try:
            for path in (ROOT / "fast_nst" / "web" / "page").iterdir():
                with urllib.request.urlopen(f"{found[0]}/{path.name}", timeout=30) as answer:
                    served = answer.read()
                source = path.read_bytes()
                if path.name == "service_worker.js":  # its version and files stand before it
                    assert served.startswith(b"const VERSION = ")
                    served = served[-len(source) :]
                assert served == source
            query = f"{found[0]}/api/stylize?style=udnie:0.5&style=evening:0.5"
            with urllib.request.urlopen(query, PHOTO.read_bytes(), timeout=30) as answer:
                assert answer.headers["content-type"] == "image/png"
        finally:
            process.send_signal(signal.SIGINT)
            rest = process.stderr.read()
    assert process.returncode == 0, rest
    packages = call(commands / "python", "-m", "pip", "list", cwd=tmp_path).stdout.lower()
    assert "torch" not in packages


@pytest.mark.slow
@VERSIONS
def test_the_openvino_extra_paints(wheel: Path, tmp_path: Path, versions: str):
    commands = installed(wheel, tmp_path, "[openvino]", versions)
    words = ("infer", PHOTO, "-o", "painting.jpg", "--engine", "openvino", "--json")
    painted = json.loads(call(commands / "fast-nst", *words, cwd=tmp_path).stdout)
    assert painted["engine"] == "openvino"


@pytest.mark.slow
@VERSIONS
def test_the_train_extra_trains_exports_compares_and_optimizes(
    wheel: Path, tmp_path: Path, versions: str
):
    commands = installed(wheel, tmp_path, "[train]", versions)
    nst = commands / "fast-nst"
    call(nst, "train", "--config", "quick", "--steps", "2", "--size", "64", cwd=tmp_path)
    call(nst, "infer", PHOTO, "-m", "sample_style", "-o", "painting.jpg", cwd=tmp_path)
    call(nst, "compare", PHOTO, "-m", "sample_style", "-o", "report", "--steps", "1", cwd=tmp_path)
    style = ROOT / "fast_nst" / "assets" / "sample_style.jpg"
    command = (nst, "optimize", PHOTO, "--style", style, "-o", "slow.jpg", "--steps", 1)
    call(*command, "--size", "64", cwd=tmp_path)
    made = {path.name for path in tmp_path.iterdir()}
    assert {"painting.jpg", "slow.jpg", "report", "runs"} <= made
