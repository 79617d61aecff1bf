"""A pool of processes that decode and encode images, killed on timeout and replaced."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
from collections.abc import Iterator

import numpy as np

from fast_nst.errors import UserError
from fast_nst.pictures.edit import Array, Pixels
from fast_nst.web.decoder_worker import Decode, DecodeMask, Encode, receive, send, serve

_Task = Decode | DecodeMask | Encode
_POLL_SECONDS = 0.05  # between checks for cancellation


class _Worker:
    """A process that runs one thread's tasks at a time."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy locks that are held
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        with _sigint_blocked():
            self._process.start()
        theirs.close()

    def run(self, task: _Task, cancelled: threading.Event) -> object:
        """Run a task in the process; an exception of the task is returned.

        Raises:
            UserError: `cancelled` was set.
            EOFError: The process has died.
        """
        try:
            send(self.connection, task)
            while not self.connection.poll(_POLL_SECONDS):
                if cancelled.is_set():
                    raise UserError("cancelled: the client has disconnected or timed out")
            return receive(self.connection)
        except (OSError, EOFError) as error:
            self._process.join(1)  # the pipe closes shortly before the exit code is known
            raise EOFError from error

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.is_alive()

    def kill(self) -> int | None:
        """Kill the process; returns its exit code if it had died before."""
        with contextlib.suppress(OSError):
            self.connection.close()
        code = self._process.exitcode
        self._process.kill()
        self._process.join()
        self._process.close()
        return code


@contextlib.contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Processes started inside inherit a blocked SIGINT, so that Ctrl-C never reaches them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class DecoderPool:
    """Decodes and encodes images in processes, one for each thread that calls at a time."""

    def __init__(self) -> None:
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()  # multiprocessing's start and kill are not thread-safe
        self._is_closed = False

    def start(self) -> None:
        """Start a process in advance."""
        with self._lock:
            if not self._idle and not self._is_closed:
                self._idle.append(_Worker())

    def decode(self, task: Decode, cancelled: threading.Event) -> Pixels:
        """Decode an image.

        Args:
            task: The file, and the size to decode it at.
            cancelled: Kills the process when it is set.

        Raises:
            TooManyPixels: The image has too many pixels.
            UserError: The file is not a readable image, or `cancelled` was set.
            MemoryError: The system has too little memory.
        """
        pixels = self._run(task, cancelled)
        assert isinstance(pixels, Pixels)
        return pixels

    def decode_mask(self, task: DecodeMask, cancelled: threading.Event) -> Array:
        """Decode a mask; the same arguments and errors as `decode`."""
        mask = self._run(task, cancelled)
        assert isinstance(mask, np.ndarray)
        return mask

    def encode(self, task: Encode, cancelled: threading.Event) -> bytes:
        """Encode an image.

        Args:
            task: The pixels and the format.
            cancelled: Kills the process when it is set.

        Raises:
            UserError: The format does not support the image's size, or `cancelled` was set.
            MemoryError: The system has too little memory.
        """
        data = self._run(task, cancelled)
        assert isinstance(data, bytes)
        return data

    def _run(self, task: _Task, cancelled: threading.Event) -> object:
        worker = self._acquire()
        is_usable = False
        try:
            result = worker.run(task, cancelled)
            is_usable = True
        except EOFError:
            result = None
        finally:
            code = self._release(worker, is_usable)
        if not is_usable:
            raise _error_for(code)
        if isinstance(result, Exception):
            raise result
        return result

    def _acquire(self) -> _Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.is_alive:
                    return worker
                worker.kill()
            return _Worker()

    def _release(self, worker: _Worker, is_usable: bool) -> int | None:
        """Return a worker to the pool, or replace it; the exit code if it died by itself."""
        with self._lock:
            code = None if is_usable and not self._is_closed else worker.kill()
            if not self._is_closed:
                self._idle.append(worker if is_usable else _Worker())
        return code

    def close(self) -> None:
        """Kill the idle processes now, the others when they are returned."""
        with self._lock:
            self._is_closed = True
            while self._idle:
                self._idle.pop().kill()


def _error_for(code: int | None) -> Exception:
    """The error for a process that died: SIGKILL comes from the out-of-memory killer."""
    if code is not None and code == -getattr(signal, "SIGKILL", 0):
        return MemoryError()
    return UserError("the image is damaged: its decoder crashed")
