"""Processes that decode and encode, kept ready, ended when their time is up, and replaced."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
from collections.abc import Iterator

from fast_nst.errors import UserError
from fast_nst.pictures.edit import Pixels
from fast_nst.web.decoding import Decode, Encode, receive, send, serve

_LOOK = 0.05  # seconds between looks whether anybody still waits


class _Process:
    """A process that works for one thread at a time."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy locks that are held
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        with _ctrl_c_held():
            self._process.start()
        theirs.close()

    def ask(self, task: Decode | Encode, stopped: threading.Event) -> object:
        """What comes of a task.

        Raises:
            UserError: Nobody waits for it any more.
            EOFError: The process has died.
        """
        try:
            send(self.connection, task)
            while not self.connection.poll(_LOOK):
                if stopped.is_set():
                    raise UserError("stopped: nobody waits for it")
            return receive(self.connection)
        except (OSError, EOFError) as error:
            self._process.join(1)  # it has closed its end of the pipe, and is about to be gone
            raise EOFError from error

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.is_alive()

    def end(self) -> int | None:
        """End it now; its exit code, if it had died by itself."""
        with contextlib.suppress(OSError):
            self.connection.close()
        code = self._process.exitcode
        self._process.kill()
        self._process.join()
        self._process.close()
        return code


@contextlib.contextmanager
def _ctrl_c_held() -> Iterator[None]:
    """A process started here never sees Ctrl-C, not even while it starts."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Decoders:
    """Decodes and encodes for threads, each of which has a process to itself meanwhile."""

    def __init__(self) -> None:
        self._free: list[_Process] = []
        self._lock = threading.Lock()  # starting and ending are not safe among threads
        self._is_closed = False

    def start(self) -> None:
        """Have a process ready before it is asked for."""
        with self._lock:
            if not self._free and not self._is_closed:
                self._free.append(_Process())

    def decode(self, task: Decode, stopped: threading.Event) -> Pixels:
        """Read a picture.

        Args:
            task: Which, and how.
            stopped: Set when nobody waits any more; the work then ends at once.

        Raises:
            TooLarge: It has too many pixels.
            UserError: It cannot be read, or nobody waits.
            MemoryError: There is none for it.
        """
        pixels = self._ask(task, stopped)
        assert isinstance(pixels, Pixels)
        return pixels

    def encode(self, task: Encode, stopped: threading.Event) -> bytes:
        """Write a painting.

        Args:
            task: Which, and how.
            stopped: As for `decode`.

        Raises:
            UserError: It cannot be written so, or nobody waits.
            MemoryError: There is none for it.
        """
        data = self._ask(task, stopped)
        assert isinstance(data, bytes)
        return data

    def _ask(self, task: Decode | Encode, stopped: threading.Event) -> object:
        process = self._taken()
        is_well = False
        try:
            answer = process.ask(task, stopped)
            is_well = True
        except EOFError:
            answer = None
        finally:
            code = self._given_back(process, is_well)
        if not is_well:
            raise _cause_of(code)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _taken(self) -> _Process:
        with self._lock:
            while self._free:
                process = self._free.pop()
                if process.is_alive:
                    return process
                process.end()
            return _Process()

    def _given_back(self, process: _Process, is_well: bool) -> int | None:
        """Keep it for the next, or have a new one start meanwhile; how it died, if it did."""
        with self._lock:
            code = None if is_well and not self._is_closed else process.end()
            if not self._is_closed:
                self._free.append(process if is_well else _Process())
        return code

    def close(self) -> None:
        """End those that are free now, and the others when they are given back."""
        with self._lock:
            self._is_closed = True
            while self._free:
                self._free.pop().end()


def _cause_of(code: int | None) -> Exception:
    """Why a process died by itself: the system takes those that fill the memory."""
    if code is not None and code == -getattr(signal, "SIGKILL", 0):
        return MemoryError()
    return UserError("the picture is damaged: what reads it crashed")
