"""Steps of work in threads of their own, with bounded queues between them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from queue import Empty, Full, Queue
from typing import Any, Generic, TypeVar

_Item = TypeVar("_Item")
_PATIENCE = 0.1  # s, after which a waiting thread looks whether it is still wanted
_END = object()


def prefetch(items: Iterator[_Item], room: int) -> Generator[_Item]:
    """The same items, made in another thread while those before are worked on.

    Args:
        items: What raises in it is raised here.
        room: How many may wait.
    """
    queue: Queue[Any] = Queue(room)
    given_up = threading.Event()
    failure: list[BaseException] = []

    def put(item: Any) -> bool:
        while not given_up.is_set():
            try:
                queue.put(item, timeout=_PATIENCE)
            except Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as error:
            failure.append(error)
        finally:
            put(_END)

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while (item := queue.get()) is not _END:
            yield item
        if failure:
            raise failure[0]
    finally:
        given_up.set()
        thread.join()


class BackgroundWriter(Generic[_Item]):
    """Items, worked on in another thread while the next are made.

    Args:
        work: Done with each, in their order.
        room: How many may wait.
    """

    def __init__(self, work: Callable[[_Item], Any], room: int) -> None:
        self._work = work
        self._queue: Queue[Any] = Queue(room)
        self._failure: BaseException | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="behind", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not _END:
                self._work(item)
        except BaseException as error:
            self._failure = error
        finally:
            self._ended.set()

    def put(self, item: _Item) -> None:
        """Hand over an item; waits for room, and raises what the work on another has raised."""
        self._put(item)

    def _put(self, item: Any) -> None:
        while True:
            if self._ended.is_set():
                break
            try:
                self._queue.put(item, timeout=_PATIENCE)
                return
            except Full:
                continue
        if self._failure is not None:
            raise self._failure

    def finish(self) -> None:
        """Wait until all is done."""
        self._put(_END)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def give_up(self) -> None:
        """Leave what waits, and wait for what is being done."""
        while not self._ended.is_set():
            try:
                self._queue.get_nowait()
            except Empty:
                try:
                    self._queue.put_nowait(_END)
                except Full:
                    continue
                break
        self._thread.join()
