"""Progress bars on the terminal, and graceful interruption by Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType, TracebackType
from typing import Any

_INTERVAL = 5.0  # s between lines if standard error is no terminal


@contextlib.contextmanager
def stop_on_interrupt(stop: Callable[[], Any]) -> Iterator[None]:
    """Call `stop` at the first Ctrl-C; the second one raises KeyboardInterrupt."""

    def handle(signum: int, frame: FrameType | None) -> None:
        stop()
        log("\nstopping: saving what is done (Ctrl-C again to abort)")
        signal.signal(signal.SIGINT, previous)

    try:
        previous = signal.signal(signal.SIGINT, handle)
    except ValueError:  # signals can be handled in the main thread only
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def log(line: str) -> None:
    """Print a line to standard error, ignoring errors such as a closed terminal."""
    with contextlib.suppress(OSError):
        if sys.stderr is not None:
            sys.stderr.write(f"{line}\n")


class _Lines:
    """A file for tqdm that prints its output as lines, at most one every `_INTERVAL` seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def write(self, drawn: str) -> None:
        """Print the state of the bar, unless one was printed within the interval."""
        line, now = drawn.strip(), time.monotonic()
        if line and now - self._last >= _INTERVAL:
            self._last = now
            log(line)

    def flush(self) -> None:
        """Do nothing: standard error is line-buffered."""


class Progress:
    """A progress bar on standard error, and a context in which the first Ctrl-C sets `stopped`.

    If standard error is no terminal, a line is printed every few seconds.

    Args:
        quiet: Show no progress.
        unit: Name of a unit of work.

    Attributes:
        stopped: Whether to stop after the current step.
    """

    def __init__(self, quiet: bool = False, unit: str = "it") -> None:
        self.quiet: bool = quiet or sys.stderr is None
        self.unit = unit
        self.stopped: bool = False
        self._bar: Any = None
        self._lines: _Lines | None = None
        self._interrupts = contextlib.ExitStack()

    def __enter__(self) -> Progress:
        self._interrupts.enter_context(stop_on_interrupt(self.stop))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        self._interrupts.close()

    def stop(self) -> None:
        """Request a stop after the current step."""
        self.stopped = True

    def close(self) -> None:
        """Close the bar; the next `update` opens another."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None

    def log(self, line: str) -> None:
        """Close the bar and print a line."""
        self.close()
        log(line)

    def update(
        self,
        done: int,
        total: int,
        what: str | None = None,
        numbers: Mapping[str, float] | None = None,
    ) -> bool:
        """Update the bar.

        Args:
            done: Units done; those done at the first call do not count for the speed.
            total: All units; 0 if unknown.
            what: Description in front of the bar.
            numbers: Values after the bar.

        Returns:
            Whether to stop.
        """
        if self.quiet:
            return self.stopped
        if self._bar is None:
            self._bar = self._new_bar(done, total, what)
        if numbers:
            shown = {name: f"{value:.4g}" for name, value in numbers.items()}
            self._bar.set_postfix(shown, refresh=False)
        self._bar.update(done - self._bar.n)
        return self.stopped

    def _new_bar(self, done: int, total: int, what: str | None) -> Any:
        from tqdm import tqdm

        shared: dict[str, Any] = {
            "total": total or None,
            "desc": what,
            "initial": done,
            "unit": self.unit,
        }
        if sys.stderr.isatty():
            return tqdm(**shared, file=sys.stderr)
        self._lines = self._lines or _Lines()
        # ncols=0 omits the bar, miniters=1 checks the interval at each step.
        return tqdm(**shared, file=self._lines, ncols=0, mininterval=_INTERVAL, miniters=1)
