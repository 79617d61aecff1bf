"""A bounded work queue in front of a thread pool: requests over its capacity are rejected."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class QueueFull(Exception):
    """Every slot of the queue is taken."""


class RequestTimeout(Exception):
    """The request's time was up before it was done."""


class ClientDisconnected(Exception):
    """The client closed the connection before the response."""


class ShuttingDown(Exception):
    """The service is shutting down."""


class WorkQueue:
    """A thread pool with a fixed number of slots for jobs that run or wait.

    Everything but the jobs runs in the event loop's thread.

    Args:
        workers: Jobs that run at a time.
        queue: Jobs that wait at most.
    """

    def __init__(self, workers: int, queue: int) -> None:
        self._slots = workers + queue
        self._jobs: dict[Future[Any], threading.Event] = {}  # unfinished, with their cancel events
        self._waiters: set[asyncio.Future[None]] = set()  # resolved by `stop`
        self._is_stopped = False
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="stylizer")

    @property
    def taken(self) -> int:
        """Slots that are taken."""
        return len(self._jobs)

    def check(self) -> None:
        """Check for a free slot without taking it.

        Raises:
            QueueFull: Every slot is taken.
            ShuttingDown: `stop` was called.
        """
        if self._is_stopped:
            raise ShuttingDown
        if self.taken >= self._slots:
            raise QueueFull

    async def run(
        self,
        job: Callable[[threading.Event], _Result],
        timeout: float,
        disconnected: Callable[[], Awaitable[Any]],
    ) -> _Result:
        """Run a job in the thread pool and wait for its result.

        The job holds a slot until its thread has ended, which may be after this returns.

        Args:
            job: Called with its cancel event, which is set once its result is not needed any more.
            timeout: In seconds, queueing included.
            disconnected: Returns when the client has disconnected.

        Returns:
            What the job returns; its exceptions are raised here.

        Raises:
            QueueFull: Every slot is taken.
            RequestTimeout: The job was not done in time.
            ClientDisconnected: The client closed the connection.
            ShuttingDown: `stop` was called.
        """
        self.check()
        cancelled = threading.Event()
        future = self._threads.submit(job, cancelled)
        self._jobs[future] = cancelled
        future.add_done_callback(self._jobs.pop)
        result = asyncio.wrap_future(future)
        disconnect = asyncio.ensure_future(disconnected())
        shutdown = asyncio.get_running_loop().create_future()
        self._waiters.add(shutdown)
        try:
            done, _ = await asyncio.wait(
                (result, disconnect, shutdown), timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if shutdown in done:
                raise ShuttingDown
            if result in done:
                return result.result()
            raise ClientDisconnected if disconnect in done else RequestTimeout
        finally:
            self._waiters.discard(shutdown)
            cancelled.set()
            # Directly, so that a queued job never starts: `result` would pass it on a tick later.
            future.cancel()
            result.cancel()
            disconnect.cancel()

    def stop(self) -> None:
        """Reject all requests and cancel all jobs; to be called in the event loop's thread."""
        self._is_stopped = True
        for shutdown in self._waiters:
            if not shutdown.done():
                shutdown.set_result(None)
        self._threads.shutdown(wait=False, cancel_futures=True)
        for cancelled in list(self._jobs.values()):
            cancelled.set()

    def join(self, timeout: float) -> bool:
        """Wait for the running jobs, `timeout` seconds at most; whether all have ended."""
        return not wait(list(self._jobs), timeout).not_done
