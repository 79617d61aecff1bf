"""Bounded work ahead: of a folder's pictures, and of a film's frames."""

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
    """Results of calls, in their order, of which some are made before they are asked for.

    When the generator is closed, calls that have begun are finished, and no others begin.

    Args:
        calls: Taken one by one; what one raises is raised in its place.
        threads: How many run at a time.
        ahead: How many at most are begun, or done, before their results are taken.
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
    """The same items, made in another thread while those before are worked on.

    Args:
        items: An iterator; a generator is closed at the end.
        ahead: How many at most are made before they are taken.
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
