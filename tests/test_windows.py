"""What differs on Windows and can be shown here: separators, modes, missing modules."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import pytest

from fast_nst.commands.shared import blend_of, with_weight
from fast_nst.errors import UserError
from fast_nst.files import names_folder, write_atomically
from fast_nst.models.catalogue import is_name


@pytest.fixture
def separators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sep", "\\")
    monkeypatch.setattr(os, "altsep", "/")


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (r"C:\models\x.onnx", (r"C:\models\x.onnx", 1.0)),
        (r"C:\models\x.onnx:0.5", (r"C:\models\x.onnx", 0.5)),
        ("C:/models/x.onnx:2", ("C:/models/x.onnx", 2.0)),
        (r"\\server\share\x.onnx:0.25", (r"\\server\share\x.onnx", 0.25)),
        (r"..\x.onnx:1e-2", (r"..\x.onnx", 0.01)),
    ],
)
def test_weights_of_windows_paths(argument: str, expected: tuple[str, float]):
    assert with_weight(argument, "NAME") == expected
    assert blend_of([argument], "NAME") == dict([expected])


@pytest.mark.parametrize("word", [r"C:\x.onnx", r".\udnie", r"models\wave", "./udnie", "C:x.onnx"])
def test_windows_paths_are_no_names(word: str, separators: None):
    assert not is_name(word)
    assert is_name("udnie")


def test_a_folder_ends_in_either_separator(separators: None):
    assert names_folder("out\\")
    assert names_folder("out/")
    assert not names_folder("out.png")


def test_messages_quote_paths_as_they_are(separators: None):
    for path in (r"C:\photos\a.jpg", r"\\server\share\a.jpg"):
        assert str(UserError(f"no file {str(PureWindowsPath(path))!r}")) == f"no file '{path}'"


def test_new_file_is_not_read_only_where_it_could_not_be_renamed(tmp_path: Path, monkeypatch):
    monkeypatch.delattr(os, "chown")
    target = tmp_path / "a.png"
    target.write_bytes(b"old")
    target.chmod(0o444)
    write_atomically(target, b"new")
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & stat.S_IWUSR


# Other packages first: those that were installed here do use what Windows lacks.
IMPORTS = """
import importlib, multiprocessing.util, os, pkgutil, signal, subprocess, sys
import numpy, onnx, onnxruntime, PIL.Image, platformdirs, tqdm
for name in ("fcntl", "grp", "pty", "pwd", "resource", "termios"):
    sys.modules[name] = None
for name in ("chown", "fork", "getpgid", "geteuid", "getuid", "killpg", "mkfifo",
             "register_at_fork", "sched_getaffinity", "sched_getscheduler", "setsid", "sysconf"):
    delattr(os, name)
for name in ("SIGHUP", "SIGKILL", "SIGPIPE", "SIGUSR1", "alarm", "pthread_sigmask"):
    delattr(signal, name)
sys.platform = "win32"
import fast_nst
names = [found.name for found in pkgutil.walk_packages(fast_nst.__path__, "fast_nst.")]
rooms = ("commands.infer", "commands.blend", "commands.styles", "commands.main", "stylize",
         "engines", "models", "pictures")
needed = [n for n in names if n.removeprefix("fast_nst.").startswith(rooms)]
assert len(needed) > 30
for name in needed:
    importlib.import_module(name)
from fast_nst.commands.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.integration
def test_painting_without_what_windows_lacks(photo: Path, tmp_path: Path):
    command = ["infer", str(photo), "-o", f"{tmp_path}/out/", "--style", "udnie_fast", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, *command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["photo.png"]
