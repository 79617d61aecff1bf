"""Who is let in, who waits and who is sent away: a bounded queue before a few threads."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class Busy(Exception):
    """All places are taken."""


class TooSlow(Exception):
    """The time was up before the work was done."""


class Gone(Exception):
    """The one who asked has left."""


class Stopping(Exception):
    """The service is about to end."""


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
        self._works: dict[Future[Any], threading.Event] = {}  # not done yet
        self._waiting: set[asyncio.Future[None]] = set()  # is told of the end
        self._is_stopped = False
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="painter")

    @property
    def taken(self) -> int:
        """Places that are taken."""
        return self._taken

    def check(self) -> None:
        """See whether there is a place, without taking it.

        Raises:
            Busy: There is none.
            Stopping: There will be none.
        """
        if self._is_stopped:
            raise Stopping
        if self._taken >= self._most:
            raise Busy

    @contextlib.contextmanager
    def place(self) -> Iterator[Place]:
        """Take a place.

        Raises:
            Busy: There is none.
            Stopping: There will be none.
        """
        self.check()
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
            Stopping: The service did not.
        """
        stopped = threading.Event()
        loop = asyncio.get_running_loop()

        def give_back(work: Future[_Result]) -> None:
            self._works.pop(work, None)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody counts any more
                loop.call_soon_threadsafe(self._give_back)

        work = self._threads.submit(do, stopped)
        self._works[work] = stopped
        place.is_left_to_work = True
        work.add_done_callback(give_back)
        result = asyncio.wrap_future(work)
        watch = asyncio.ensure_future(left())
        end = loop.create_future()
        self._waiting.add(end)
        try:
            done, _ = await asyncio.wait(
                (result, watch, end), timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if end in done:
                raise Stopping
            if result in done:
                return result.result()
            raise Gone if watch in done else TooSlow
        finally:
            self._waiting.discard(end)
            stopped.set()
            work.cancel()  # what has not begun never does; `result` would tell it a turn later
            result.cancel()
            watch.cancel()

    def _give_back(self) -> None:
        self._taken -= 1

    def stop(self) -> None:
        """Send away everybody, and have what runs end as soon as it can; for the loop's thread."""
        self._is_stopped = True
        for end in self._waiting:
            if not end.done():
                end.set_result(None)
        self._threads.shutdown(wait=False, cancel_futures=True)
        for stopped in list(self._works.values()):
            stopped.set()

    def has_ended(self, seconds: float) -> bool:
        """Whether nothing runs any more, after so many seconds at most."""
        return not wait(list(self._works), seconds).not_done
