"""What the process brings along, put right for a command: its streams, warnings and signals."""

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

# What asks a process to end, beside Ctrl-C; not all systems have all.
_NAMES = ("SIGTERM", "SIGHUP", "SIGBREAK")
_AT_ONCE = 1.0  # seconds: a closed terminal, or systemd, sends two signals for one wish


def usable_streams() -> None:
    """Let text be written whatever the standard streams are.

    What their encoding lacks is written as an escape. Standard error may be closed, where `print`
    would turn to standard output instead; and a file that is opened must not get the number of a
    closed stream, or what a library says there would end in it.
    """
    with contextlib.suppress(OSError):
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(number)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115, for good
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def check_text(argv: Sequence[str]) -> None:
    """Refuse names that models, logs and settings cannot hold, before hours of work.

    Raises:
        UserError: A word has bytes that are no text in the locale's encoding.
    """
    for word in argv:
        try:
            word.encode()
        except UnicodeEncodeError:
            encoding = sys.getfilesystemencoding()
            raise UserError(
                f"{word!a} is no text in {encoding}, which file names are read in here: rename it, "
                "or set a locale of its encoding (or PYTHONUTF8=1)"
            ) from None


@contextlib.contextmanager
def notes_shown(argv: Sequence[str]) -> Iterator[None]:
    """Print each `UserNote` once, in a line, unless the command line asks for quiet."""
    before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: object) -> None:
        if issubclass(category, UserNote):
            print(f"note: {message}", file=sys.stderr)
        else:
            before(message, category, *where)  # type: ignore[arg-type]

    is_quiet = not {"-q", "--quiet"}.isdisjoint(argv)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if is_quiet else "default", UserNote)
        warnings.showwarning = show  # type: ignore[assignment]
        yield


class Endings:
    """While it is entered, signals that ask a process to end do what Ctrl-C does.

    A signal that is ignored, as under nohup, stays so.

    Attributes:
        signum: The one that came first; None if none did.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._before: dict[int, object] = {}
        self._pid = os.getpid()
        self._came = -_AT_ONCE

    def __enter__(self) -> Endings:
        for name in _NAMES:
            signum = getattr(signal, name, None)
            if signum is not None and signal.getsignal(signum) == signal.SIG_DFL:
                with contextlib.suppress(ValueError):  # not the main thread
                    self._before[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)  # type: ignore[arg-type]

    def code(self, code: int) -> int:
        """The exit code of a command that was interrupted, and otherwise its own.

        Args:
            code: What it would be after Ctrl-C.
        """
        return 128 + self.signum if code == 130 and self.signum is not None else code

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:  # a worker of ours, which is to end as it would without us
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
            return
        now = time.monotonic()
        is_repeated, self._came = now - self._came < _AT_ONCE, now
        if is_repeated:
            return
        self.signum = self.signum or signum
        _leave_closed_terminal()
        interrupt = signal.getsignal(signal.SIGINT)
        if callable(interrupt):
            interrupt(signal.SIGINT, frame)
        else:  # a shell's background jobs ignore Ctrl-C
            raise KeyboardInterrupt


def _leave_closed_terminal() -> None:
    """Write into nothing from now on what would go to a terminal that is gone, and fail there."""
    for number in (1, 2):
        try:
            os.write(number, b"")
        except OSError:
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, number)
            os.close(nothing)
