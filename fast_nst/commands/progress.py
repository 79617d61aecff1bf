"""What long work shows while it runs, and how Ctrl-C ends it."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType, TracebackType
from typing import Any

_EVERY = 5.0  # seconds between two lines, where there is no terminal to draw a bar on


@contextlib.contextmanager
def stop_on_interrupt(stop: Callable[[], Any]) -> Iterator[None]:
    """The first Ctrl-C calls `stop`, the second one interrupts at once."""

    def handle(signum: int, frame: FrameType | None) -> None:
        stop()
        tell("\nstopping: saving what there is (Ctrl-C again to give up)")
        signal.signal(signal.SIGINT, previous)

    try:
        previous = signal.signal(signal.SIGINT, handle)
    except ValueError:  # not the main thread: whoever owns that decides
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def tell(line: str) -> None:
    """Print a line on standard error, where there is one: the terminal may be gone."""
    with contextlib.suppress(OSError):
        if sys.stderr is not None:
            sys.stderr.write(f"{line}\n")


class _Lines:
    """A file for tqdm that makes lines of what it draws, one every `_EVERY` seconds at most."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def write(self, drawn: str) -> None:
        """Print the state of a bar, unless another was printed lately."""
        line, now = drawn.strip(), time.monotonic()
        if line and now - self._last >= _EVERY:
            self._last = now
            tell(line)

    def flush(self) -> None:
        """Standard error needs none."""


class Progress:
    """A bar on standard error; while it is entered, the first Ctrl-C sets `stopped`.

    Where standard error is no terminal, it is a line every few seconds.

    Args:
        quiet: Show nothing.
        unit: What is counted.

    Attributes:
        stopped: Whether the work should end after the step at hand.
    """

    def __init__(self, quiet: bool = False, unit: str = "it") -> None:
        self.quiet = quiet or sys.stderr is None
        self.unit = unit
        self.stopped = False
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
        """End the work after the step at hand."""
        self.stopped = True

    def close(self) -> None:
        """Take the bar down; the next `show` puts up another."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None

    def say(self, line: str) -> None:
        """A line of its own."""
        self.close()
        tell(line)

    def show(
        self,
        done: int,
        total: int,
        what: str | None = None,
        numbers: Mapping[str, float] | None = None,
    ) -> bool:
        """Move the bar.

        Args:
            done: Of `total`; where it is at the first call counts as no work of this run.
            total: All there is to do; 0 if that is not known.
            what: Stands before the bar.
            numbers: Stand behind it.

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
        # Without columns there is no bar, and of each step it is asked whether a line is due.
        return tqdm(**shared, file=self._lines, ncols=0, mininterval=_EVERY, miniters=1)
