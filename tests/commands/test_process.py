"""The command with closed streams, other encodings, and signals."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from fast_nst.commands.main import main
from fast_nst.commands.process import TerminationSignals
from fast_nst.pictures.read import open_image
from tests.conftest import noise

COMMAND = [sys.executable, "-m", "fast_nst.commands.main"]
PAINT = ["infer", "photos", "-o", "out", "--style", "udnie_fast"]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two photographs in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(noise(20, 30)).save(tmp_path / "photos" / name)
    return tmp_path / "photos"


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, env={**os.environ, **settings}, check=False
    )


def closed(redirection: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, *arguments],
        capture_output=True,
        check=False,
    )


def test_folder_without_standard_error(photos: Path):
    done = closed("2>&-", *PAINT)
    assert done.returncode == 0
    assert done.stdout == b""
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "b.png"]


def test_standard_output_holds_the_image_only(photos: Path):
    done = closed("2>&-", "infer", "photos/a.png", "-o", "-", "--style", "udnie_fast")
    assert done.returncode == 0
    assert done.stdout.endswith(b"IEND\xaeB`\x82")
    with Image.open(io.BytesIO(done.stdout)) as painting:
        assert painting.size == (30, 20)


@pytest.mark.parametrize("streams", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_error_exit_code_without_standard_error(photos: Path, streams: str):
    done = closed(streams, "infer", "nothing.png", "-o", "out.png")
    assert done.returncode == 2
    assert done.stdout == b""
    assert not Path("out.png").exists()


@pytest.mark.parametrize("encoding", ["cp1251", "cp1252", "cp932", "ascii"])
def test_file_names_in_every_encoding(photos: Path, encoding: str):
    name = "Ölbild Я 雪.png"
    done = run(
        *("infer", "photos/a.png", "-o", name, "--style", "udnie_fast"), PYTHONIOENCODING=encoding
    )
    assert done.returncode == 0, done.stderr
    assert name.encode(encoding, "backslashreplace") in done.stderr
    assert open_image(Path(name)).size == (30, 20)


def test_styles_list_in_every_encoding():
    done = run("styles", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert rb"L\xe9ger" in done.stdout


def test_config_is_utf_8_in_every_locale(tmp_path: Path):
    (tmp_path / "own.yaml").write_bytes("output: Öl.onnx\n".encode("utf-8-sig"))
    script = """
from fast_nst.commands.blend import BlendOptions
from fast_nst.commands.parsing import parse
print(ascii(parse(BlendOptions, ["udnie", "--config", "own.yaml"], "x", None).output))
"""
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, **locale},
        check=False,
    )
    assert done.stdout == b"'\\xd6l.onnx'\n", done.stderr


def test_undecodable_name_is_rejected_before_training(photos: Path, capsys):
    name = os.fsdecode(b"caf\xe9.png")
    assert main(["train", "--style", name, "--photos", "photos"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(r"error: 'caf\udce9.png' is not valid utf-8")
    assert err.count("\n") == 1


def wait_for(found: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not found():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("ignored", ["", "trap '' INT; "])
def test_terminated_folder_run_leaves_complete_images(
    photos: Path, signum: signal.Signals, code: int, ignored: str
):
    for i in range(300):
        (photos / f"c{i}.png").hardlink_to(photos / "a.png")
    out = photos.parent / "out"
    process = subprocess.Popen(
        ["sh", "-c", f'{ignored}exec "$@"', "sh", *COMMAND, *PAINT],
        stderr=subprocess.PIPE,
    )
    wait_for(lambda: out.is_dir() and bool(list(out.glob("*.png"))))
    process.send_signal(signum)
    assert process.communicate(timeout=60)[1].endswith(b"interrupted\n")
    assert process.returncode == code
    names = [path.name for path in out.iterdir()]
    assert len(names) < 302
    assert not [name for name in names if not name.endswith(".png")]
    assert all(open_image(out / name).size == (30, 20) for name in names)


def test_signals_in_quick_succession_are_one_interrupt():
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda signum, _: interrupts.append(signum))
    try:
        with TerminationSignals() as signals:
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGTERM)
        assert interrupts == [signal.SIGINT]
        assert [signals.exit_code(code) for code in (0, 1, 130)] == [0, 1, 129]
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with TerminationSignals() as signals:
            signal.raise_signal(signal.SIGHUP)
        assert signals.signum is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_forked_worker_dies_by_signal():
    with TerminationSignals():
        worker = os.fork()
        if worker == 0:
            signal.raise_signal(signal.SIGTERM)
            os._exit(0)
        assert os.waitpid(worker, 0)[1] == signal.SIGTERM
