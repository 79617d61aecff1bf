"""Bounded prefetching, for the pictures of a batch and the frames of a video."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

_Result = TypeVar("_Result")
_Item = TypeVar("_Item")


def run_ahead(
    calls: Iterable[Callable[[], _Result]], threads: int, ahead: int
) -> Generator[_Result]:
    """Run calls in threads, and yield their results in order.

    When the generator is closed, running calls are finished, and no others are started.

    Args:
        calls: The calls, consumed lazily; an error is raised in place of the result.
        threads: How many run at a time.
        ahead: Maximum number of calls that are started before their results are consumed.
    """
    begun: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for call in calls:
                begun.append(pool.submit(call))
                if len(begun) > ahead:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()


def prefetch(items: Iterator[_Item], ahead: int) -> Generator[_Item]:
    """Iterate in another thread, ahead of the consumer.

    Args:
        items: An iterator; a generator is closed at the end.
        ahead: Maximum number of items that are produced before they are consumed.
    """
    end = object()
    calls = itertools.repeat(partial(next, items, end))
    results = run_ahead(calls, 1, ahead)
    try:
        for item in results:
            if item is end:
                return
            yield item
    finally:
        results.close()
        if isinstance(items, Generator):
            items.close()
