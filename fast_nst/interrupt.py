"""Ctrl-C that stops long work after the step at hand, and so leaves something to save."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any


@contextlib.contextmanager
def stop_on_interrupt(stop: Callable[[], Any]) -> Iterator[None]:
    """The first Ctrl-C calls `stop`, the second one interrupts at once."""

    def handle(signum: int, frame: FrameType | None) -> None:
        stop()
        sys.stderr.write("\nstopping: saving what there is (Ctrl-C again to give up)\n")
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
