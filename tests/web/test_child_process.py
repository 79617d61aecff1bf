"""Child processes end with their parent, however it ends, and give way to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fast_nst.web.child_process import ChildProcess

SLEEPER = """
import os, subprocess, sys, time
nested = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), nested.pid, os.nice(0), *sys.argv[1:], flush=True)
time.sleep(600)
"""
PARENT = """
import sys, time
from fast_nst.web.child_process import ChildProcess
child = ChildProcess("sleeper", [])
print(next(child.lines()), flush=True)
time.sleep(600)
"""


@pytest.fixture
def sleeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    paths = [str(tmp_path), str(Path.cwd()), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    return "sleeper"


def has_ended(pid: int, seconds: float = 10) -> bool:
    """Whether a process ends within a time; a zombie has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_child_process_runs_a_module_with_low_priority(sleeper: str):
    child = ChildProcess(sleeper, ["a b", "--flag"])
    lines = child.lines()
    try:
        pid, nested, nice, *argv = next(lines).split(maxsplit=3)
        assert argv == ["a b --flag\n"]
        assert int(nice) == min(os.nice(0) + 10, 19)
        assert os.getpgid(int(pid)) != os.getpgid(0)
    finally:
        child.kill()
    assert child.wait() == -signal.SIGKILL
    assert list(lines) == []
    assert has_ended(int(nested))


def test_child_process_stops_as_on_ctrl_c(sleeper: str):
    child = ChildProcess(sleeper, [])
    lines = child.lines()
    pid, nested = map(int, next(lines).split()[:2])
    child.stop()
    assert has_ended(pid)
    child.kill()
    assert child.wait() == -signal.SIGTERM
    assert has_ended(nested)
    assert list(lines) == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_child_process_ends_with_its_parent(sleeper: str, how: signal.Signals):
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()[:2]]
    assert not has_ended(pids[0], 0.3)
    parent.send_signal(how)
    parent.wait()
    parent.stdout.close()
    assert all(has_ended(pid) for pid in pids)


def test_child_process_that_ends_by_itself(tmp_path: Path):
    with (tmp_path / "errors").open("wb") as errors:
        child = ChildProcess("fast_nst.commands.main", ["infer", "nowhere.jpg"], errors)
        assert list(child.lines()) == []
        assert child.wait() == 2
    child.kill()
    assert (tmp_path / "errors").read_text().startswith("error: ")
