"""Working memory that several pictures share."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from fast_nst.engines.forks import after_fork


class Budget:
    """An amount that threads take parts of, and wait for when there is not enough left.

    Args:
        amount: In bytes.
    """

    def __init__(self, amount: int) -> None:
        self.amount = amount
        self._begin_anew()
        after_fork(self, Budget._begin_anew)

    def _begin_anew(self) -> None:
        """As in a process that was forked off: whoever held a part is not in it."""
        self._left = self.amount
        self._given_back = threading.Condition()

    @contextlib.contextmanager
    def part(self, amount: int) -> Iterator[None]:
        """Hold a part of it; what is more than all of it waits to be alone."""
        taken = min(amount, self.amount)
        with self._given_back:
            self._given_back.wait_for(lambda: self._left >= taken)
            self._left -= taken
        try:
            yield
        finally:
            with self._given_back:
                self._left += taken
                self._given_back.notify_all()
