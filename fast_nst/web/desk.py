"""Who is let in, who waits and who is sent away: a bounded queue before a few threads."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class Busy(Exception):
    """All places are taken."""


class TooSlow(Exception):
    """The time was up before the work was done."""


class Gone(Exception):
    """The one who asked has left."""


class Place:
    """One request's place, which its work keeps until it has really ended.

    Attributes:
        is_left_to_work: Whether a thread gives it back.
    """

    def __init__(self) -> None:
        self.is_left_to_work = False


class Desk:
    """A fixed number of places: some to work at, the others to wait.

    Args:
        workers: That work at a time.
        queue: That may wait.
    """

    def __init__(self, workers: int, queue: int) -> None:
        self._most = workers + queue
        self._taken = 0
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="painter")

    @property
    def taken(self) -> int:
        """Places that are taken."""
        return self._taken

    @contextlib.contextmanager
    def place(self) -> Iterator[Place]:
        """Take a place.

        Raises:
            Busy: There is none.
        """
        if self._taken >= self._most:
            raise Busy
        self._taken += 1
        place = Place()
        try:
            yield place
        finally:
            if not place.is_left_to_work:
                self._taken -= 1

    async def work(
        self,
        place: Place,
        do: Callable[[threading.Event], _Result],
        seconds: float,
        left: Callable[[], Awaitable[Any]],
    ) -> _Result:
        """Have a thread do it.

        Args:
            place: The request's.
            do: The work; its event is set when nobody waits for the result any more.
            seconds: How long to wait at most.
            left: Ends when the one who asked has gone.

        Raises:
            TooSlow: It took longer.
            Gone: The one who asked did not wait.
        """
        stopped = threading.Event()
        loop = asyncio.get_running_loop()

        def give_back(_: Future[_Result]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody counts any more
                loop.call_soon_threadsafe(self._give_back)

        work = self._threads.submit(do, stopped)
        place.is_left_to_work = True
        work.add_done_callback(give_back)
        result = asyncio.wrap_future(work)
        watch = asyncio.ensure_future(left())
        try:
            done, _ = await asyncio.wait(
                (result, watch), timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if result in done:
                return result.result()
            raise Gone if watch in done else TooSlow
        finally:
            stopped.set()
            work.cancel()  # what has not begun never does; `result` would tell it a turn later
            result.cancel()
            watch.cancel()

    def _give_back(self) -> None:
        self._taken -= 1

    def close(self) -> None:
        """Let what runs end, and begin nothing new."""
        self._threads.shutdown(wait=False, cancel_futures=True)
