"""Steps of work in threads: in order, bounded, and ended whatever happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from fast_nst.stylize.prefetch import prefetch, run_ahead


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.01)
    return holds()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert eventually(lambda: threading.active_count() <= before)


def counted(made: list[int], stop: int = 10**9) -> Iterator[int]:
    for number in range(stop):
        made.append(number)
        yield number


def test_prefetch_keeps_the_order_and_its_bound():
    made: list[int] = []
    items = prefetch(counted(made, 50), ahead=3)
    assert next(items) == 0
    assert eventually(lambda: len(made) == 4)  # one taken, three ahead
    time.sleep(0.15)
    assert len(made) == 4
    assert list(items) == list(range(1, 50))


def test_what_is_raised_ahead_is_raised_here_after_what_came_before():
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    items = prefetch(broken(), ahead=3)
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_prefetch_ends_when_nobody_wants_more():
    items = prefetch(counted([]), ahead=2)
    assert next(items) == 0
    items.close()


def test_prefetch_closes_a_generator():
    closed = []

    def items() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            closed.append(True)

    ahead = prefetch(items(), ahead=2)
    next(ahead)
    ahead.close()
    assert closed == [True]


def test_calls_run_ahead_in_order_and_bounded():
    begun: list[int] = []

    def call(number: int) -> Callable[[], int]:
        def run() -> int:
            begun.append(number)
            time.sleep(0.01 * (number % 3))
            return number

        return run

    results = run_ahead(map(call, range(20)), threads=2, ahead=4)
    assert next(results) == 0
    assert eventually(lambda: len(begun) == 5)
    time.sleep(0.05)
    assert len(begun) == 5
    assert list(results) == list(range(1, 20))


def test_what_a_call_raises_comes_in_its_place():
    def fail() -> int:
        raise ValueError("full disk")

    results = run_ahead([lambda: 1, fail, lambda: 3], threads=2, ahead=2)
    assert next(results) == 1
    with pytest.raises(ValueError, match="full disk"):
        next(results)


def test_closing_finishes_what_has_begun_and_begins_no_more():
    done: list[int] = []
    begun, gate = threading.Event(), threading.Event()

    def work(number: int) -> None:
        if number:
            begun.set()
            gate.wait(5)
        done.append(number)

    results = run_ahead((lambda n=n: work(n) for n in range(9)), threads=1, ahead=5)
    next(results)
    assert begun.wait(5)
    threading.Timer(0.1, gate.set).start()
    results.close()
    assert done == [0, 1]
