"""Programs in processes of their own, which give way to the service and end with it."""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

_NICENESS = 10
_FIRST_TO_KILL = "500"  # of 1000, for the out-of-memory killer
_MAX_LINE = 2**16  # characters
_WINDOWS_FLAGS = 0
if sys.platform == "win32":
    _WINDOWS_FLAGS = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.BELOW_NORMAL_PRIORITY_CLASS


class ChildProcess:
    """A module that runs as a program, in a process of low priority.

    It ends when this process ends, even if this one is killed. Ctrl-C in the terminal does not
    reach it.

    Args:
        module: The program, as for `python -m`.
        arguments: Its arguments.
        errors: The open file for its standard error; default: discarded.
    """

    def __init__(
        self, module: str, arguments: Sequence[str], errors: IO[bytes] | None = None
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fast_nst.web.child_process", module, *arguments],
            stdin=subprocess.PIPE,  # its other end is closed by the system when this process ends
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if errors is None else errors,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            creationflags=_WINDOWS_FLAGS,
        )

    def lines(self) -> Iterator[str]:
        """Yield the lines of its standard output until it ends, once; long ones come in parts."""
        assert self._process.stdout is not None
        with self._process.stdout as output:
            while line := output.readline(_MAX_LINE):
                yield line

    def wait(self) -> int:
        """Wait for its end; returns its exit code, -N after signal N."""
        return self._process.wait()

    def stop(self) -> None:
        """Request its end, as Ctrl-C does: a command saves what is done."""
        self._process.terminate()

    def kill(self) -> None:
        """Kill it with its own child processes, and wait for its end."""
        if sys.platform == "win32":
            self._process.kill()
        elif self._process.returncode is None:  # its number is not another process's yet
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()


def _run(module: str, arguments: Sequence[str]) -> None:
    """Run a module as `ChildProcess` promises, in the child."""
    parent = os.dup(0)  # apart from standard input, which the program may read
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if sys.platform != "win32":
        os.nice(_NICENESS)
    with contextlib.suppress(OSError):  # Linux has it
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_KILL)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with(parent: int) -> None:
    """End the process, and its child processes, when a pipe is closed at its other end."""
    while os.read(parent, 1):
        pass
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    _run(sys.argv[1], sys.argv[2:])
