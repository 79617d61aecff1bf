"""`fast-nst video`: flags, lines and exit codes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fast_nst import stylize_video
from fast_nst.assets import STYLES
from fast_nst.commands.main import main
from fast_nst.commands.video import VideoOptions, seconds_of
from fast_nst.errors import UserError, UserNote
from fast_nst.models.catalogue import find_model
from tests.videos.clips import make, noisy, probe


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make(tmp_path / "in.mp4", sound="aac", frames=20)


@pytest.fixture
def command() -> str:
    return "video"


def test_into_a_folder(stylize, clip: Path, tmp_path: Path):
    assert stylize(clip, "-o", f"{tmp_path}/new/", "--until", 0.2, "-q")[0] == 0
    assert probe(tmp_path / "new" / "in.mp4").times
    code, _, err = stylize(clip, "-o", tmp_path, "--overwrite")
    assert (code, err.count("\n")) == (2, 1)
    assert "in.mp4' is the input too: give another output" in err


def test_video_command(stylize, clip: Path, tmp_path: Path):
    target = tmp_path / "out.mp4"
    code, out, err = stylize(clip, "-o", target, "--quiet")
    assert (code, out, err) == (0, "", "")
    assert len(probe(target).times) == 20
    code, out, err = stylize(clip, "-o", target)
    assert code == 2
    assert "add --overwrite" in err
    code, out, err = stylize(clip, "-o", target, "--overwrite")
    assert code == 0
    assert "out.mp4  96x64  20 frames, 1.0 s" in err
    assert "frames per second" in err


def test_python_and_the_command_give_the_same_frames(clip: Path, tmp_path: Path):
    for style, to, words in (
        ("udnie", None, "--style udnie"),
        ({"udnie": 2, "evening": 1}, "great_wave", "-s udnie:2 -s evening --to great_wave"),
        (None, None, "--no-steady"),
    ):
        command = ["video", str(clip), "-o", str(tmp_path / "a.mkv"), "--codec", "ffv1", "-q"]
        assert main([*command, "--overwrite", *words.split()]) == 0
        steady = "--no-steady" not in words
        stylize_video(clip, tmp_path / "b.mkv", style, to=to, steady=steady, codec="ffv1")
        found, expected = (np.array(probe(tmp_path / f"{n}.mkv").frames) for n in "ba")
        np.testing.assert_array_equal(found, expected)


def test_video_detail(stylize, negative: Path, tmp_path: Path):
    clip = make(tmp_path / "in.mp4", frames=3, picture=noisy)
    words = ["video", str(clip), "-m", str(negative), "--codec", "ffv1", "-q"]
    assert main([*words, "-o", str(tmp_path / "default.mkv")]) == 0
    for share in ("0", "1"):
        assert stylize(clip, "-o", tmp_path / f"{share}.mkv", *words[4:], "--detail", share)[0] == 0
    default, none, full = (
        np.array(probe(tmp_path / f"{name}.mkv").frames, float) for name in ("default", "0", "1")
    )
    assert (default == none).all()
    assert np.abs(full - none).mean() > 2
    code, _, err = stylize(clip, "-o", tmp_path / "x.mkv", "--detail", "-0.5")
    assert code == 2
    assert "--detail is -0.5: it must be from 0 to 1" in err


def test_video_json(stylize, clip: Path, tmp_path: Path):
    flags = ("--from", "0:00.25", "--until", "0.75", "--fps", "10", "--size", "48", "--json", "-q")
    code, out, err = stylize(clip, "-o", tmp_path / "out.webm", *flags)
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found.pop("frames_a_second") > 1
    assert found == {
        "input": str(clip),
        "output": str(tmp_path / "out.webm"),
        "frames": 5,
        "seconds": 0.5,
        "size": [48, 32],
        "broken": 0,
        "is_whole": True,
        "notes": ["sound in aac becomes opus: webm cannot hold it"],
        "engine": found["engine"],
    }


def test_video_prints_notes(stylize, clip: Path, tmp_path: Path):
    code, _, err = stylize(clip, "-o", tmp_path / "out.webm")
    assert code == 0
    assert "note: sound in aac becomes opus: webm cannot hold it\n" in err


def test_video_reports_damaged_frames(stylize, tmp_path: Path):
    source = make(tmp_path / "in.mp4", frames=40, picture=noisy)
    data = bytearray(source.read_bytes())
    for place in np.random.default_rng(1).integers(len(data) // 4, len(data) - 3000, 40):
        data[place] ^= 0xFF
    source.write_bytes(data)
    code, _, err = stylize(source, "-o", tmp_path / "out.mp4")
    assert code == 0
    assert "frames could not be decoded, and repeat the frame before them" in err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--strength 0:1:2", "give one number, or two as 0:1.2"),
        ("--strength bold", "give one number, or two as 0:1.2"),
        ("--strength 0:1.6", "strength is 1.6"),
        ("--strength nan", "strength is nan"),
        ("--strength 0:1.2", "names no base"),
        ("--to udnie", "names no base"),
        ("--from 1:2:3:4", "give seconds, or a time as"),
        ("--from -1", "give seconds, or a time as"),
        ("--from 1e3", "give seconds, or a time as"),
        ("--from 0.5 --until 0.2", "is not after"),
        ("--fps 0", "above 0"),
        ("--fps 1/0", "above 0"),
        ("--fps fast", "above 0"),
        ("--size 0", "at least 1"),
        ("--crf 99", "from 0 to 63"),
        ("--codec none", "unknown codec"),
        ("--style a/b.onnx", "no model 'a/b.onnx'"),
        ("--style nosuch", "unknown style"),
        ("--max-memory 1MB", "at least 64MB"),
    ],
)
def test_video_errors_are_one_line(stylize, clip: Path, tmp_path: Path, flags: str, words: str):
    code, out, err = stylize(clip, "-o", tmp_path / "out.mp4", "-q", *flags.split())
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err
    assert not (tmp_path / "out.mp4").exists()


def test_video_times_of_from_and_until():
    assert [float(seconds_of(word, "--from")) for word in ("90", "1:30", "0:01:30.5", ".5")] == [
        90,
        90,
        90.5,
        0.5,
    ]
    for word in ("", ":", "1::2", "a", "1.2.3", "-1", "1e5"):
        with pytest.raises(UserError, match="--from is"):
            seconds_of(word, "--from")


def find_bytes(name: str) -> bytes:
    return (STYLES / f"{name}.onnx" if "_" not in name else find_model(name)).read_bytes()


def test_styles_are_taken_as_they_were_trained_for_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    names = ["composition_vii:2", "udnie"]
    options = VideoOptions(input="a.mp4", output="b.mp4", style=names, to=["evening"])
    assert options.blends == (
        {"composition_vii_fast": 2.0, "udnie_fast": 1.0},
        {"evening_fast": 1.0},
    )
    options.no_steady = True
    assert options.blends[0] == {"composition_vii_fast": 2.0, "udnie_fast": 1.0}
    options.network = "fine"
    as_pictures = ({"composition_vii": 2.0, "udnie": 1.0}, {"evening": 1.0})
    assert options.blends == as_pictures
    options.no_steady, options.network = False, "fast"
    # One's own models for films come before the package's.
    (tmp_path / "runs" / "udnie_steady").mkdir(parents=True)
    (tmp_path / "runs" / "udnie_steady" / "model.onnx").write_bytes(find_bytes("evening_fast"))
    with pytest.warns(UserNote, match="'udnie' are painted by runs/udnie_steady/model.onnx"):
        assert options.blends[0] == {"composition_vii_fast": 2.0, "udnie_steady": 1.0}
    shutil.rmtree(tmp_path / "runs" / "udnie_steady")
    # What lies there under a style's name is not looked at.
    (tmp_path / "composition_vii").mkdir()
    (tmp_path / "udnie").touch()
    assert options.blends[0] == {"composition_vii_fast": 2.0, "udnie_fast": 1.0}
    # A style that has none makes all of them those of pictures: the networks do not mix.
    (tmp_path / "runs" / "dusk").mkdir(parents=True)
    (tmp_path / "runs" / "dusk" / "model.onnx").write_bytes(find_bytes("udnie"))
    options.to = ["dusk"]
    assert options.blends == (as_pictures[0], {"dusk": 1.0})
    # A file goes by the network that is in it.
    (tmp_path / "my_fast.onnx").write_bytes(find_bytes("udnie_fast"))
    options = VideoOptions(input="a", output="b.mp4", model=["my_fast.onnx"], style=["udnie_fast"])
    assert options.blends == ({"udnie_fast": 1.0, "my_fast.onnx": 1.0}, {})
    assert VideoOptions(input="a", output="b.mp4").blends == ({"composition_vii_fast": 1.0}, {})


def test_video_without_pyav(stylize, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "av", None)
    code, _, err = stylize(clip, "-o", tmp_path / "out.mp4")
    assert code == 2
    assert 'pip install "fast-nst[video]"' in err


COMMAND = [sys.executable, "-m", "fast_nst.commands.main", "video"]


def _started(target: Path, *arguments: object) -> subprocess.Popen[str]:
    """The command, once it has written a part of the film."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments), "-o", str(target), "--engine", "onnxruntime"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while process.poll() is None and not _half(target):
        time.sleep(0.01)
    return process


def _half(target: Path) -> bool:
    return any(path.stat().st_size > 1000 for path in target.parent.glob(".*.part"))


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "long.mkv"
    return make(path, sound="aac", frames=900, size=(160, 120))


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_stopped_video_is_playable_up_to_there(
    long_clip: Path, tmp_path: Path, number: signal.Signals
):
    target = tmp_path / "out.mp4"
    process = _started(target, long_clip)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert "interrupted: wrote the first" in err
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    found = probe(target)
    assert 0 < len(found.times) < 900
    assert found.sound[0][2][-1][0] == pytest.approx(found.times[-1], abs=0.1)


def test_killed_video_keeps_the_old_file(long_clip: Path, tmp_path: Path):
    target = tmp_path / "out.mp4"
    target.write_bytes(b"precious")
    process = _started(target, long_clip, "--overwrite")
    process.kill()
    process.communicate(timeout=30)
    assert target.read_bytes() == b"precious"


def test_video_on_a_full_disk(tmp_path: Path):
    clip = make(tmp_path / "in.mp4", frames=60, picture=noisy, size=(320, 240))
    script = (
        "import resource, signal, sys; from fast_nst.commands.main import main; "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
        "sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["video", str(clip), "-o", str(tmp_path / "out.mp4"), "-q"]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot write")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
