"""Setup of the process for a command: standard streams, warnings and signals."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from fast_nst.errors import UserError, UserNote

_SIGNALS = ("SIGTERM", "SIGHUP", "SIGBREAK")  # not every system has all
_DEBOUNCE = 1.0  # s; a closed terminal, or systemd, sends two signals


def repair_streams() -> None:
    """Make the standard streams writable.

    Characters outside their encoding are written as escapes. Closed descriptors are opened on the
    null device: otherwise the next file to be opened would get the number, and with it a library's
    messages; and without `sys.stderr`, `print` would write to standard output.
    """
    with contextlib.suppress(OSError):
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(number)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115, stays open
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def check_encoding(argv: Sequence[str]) -> None:
    """Check that arguments can be stored in models, logs and settings.

    Raises:
        UserError: An argument is not valid in the file system's encoding.
    """
    for argument in argv:
        try:
            argument.encode()
        except UnicodeEncodeError:
            encoding = sys.getfilesystemencoding()
            raise UserError(
                f"{argument!a} is not valid {encoding}, this locale's encoding of file names: "
                "rename it, or set a matching locale (or PYTHONUTF8=1)"
            ) from None


@contextlib.contextmanager
def print_notes(is_quiet: bool) -> Iterator[None]:
    """Print each `UserNote` once, in one line, unless `is_quiet`."""
    before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: object) -> None:
        if issubclass(category, UserNote):
            print(f"note: {message}", file=sys.stderr)
        else:
            before(message, category, *where)  # type: ignore[arg-type]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if is_quiet else "default", UserNote)
        warnings.showwarning = show  # type: ignore[assignment]
        yield


class TerminationSignals:
    """A context in which termination signals act as Ctrl-C does.

    Signals that are ignored, as under nohup, stay ignored.

    Attributes:
        signum: The first signal received; None if there was none.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._before: dict[int, object] = {}
        self._pid = os.getpid()
        self._received = -_DEBOUNCE

    def __enter__(self) -> TerminationSignals:
        for name in _SIGNALS:
            signum = getattr(signal, name, None)
            if signum is not None and signal.getsignal(signum) == signal.SIG_DFL:
                with contextlib.suppress(ValueError):  # not the main thread
                    self._before[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)  # type: ignore[arg-type]

    def exit_code(self, code: int) -> int:
        """Replace 130, the exit code after Ctrl-C, by that of the signal received, if any."""
        return 128 + self.signum if code == 130 and self.signum is not None else code

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:  # a forked worker, in which the default action applies
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
            return
        now = time.monotonic()
        is_repeated, self._received = now - self._received < _DEBOUNCE, now
        if is_repeated:
            return
        self.signum = self.signum or signum
        _detach_closed_terminal()
        interrupt = signal.getsignal(signal.SIGINT)
        if callable(interrupt):
            interrupt(signal.SIGINT, frame)
        else:  # SIGINT is ignored in a shell's background jobs
            raise KeyboardInterrupt


def _detach_closed_terminal() -> None:
    """Redirect output to the null device if its terminal is closed, where writing would fail."""
    for number in (1, 2):
        try:
            os.write(number, b"")
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, number)
            os.close(null)
