"""Steps of work in threads: in order, bounded, and ended whatever happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from fast_nst.stylize.prefetch import BackgroundWriter, prefetch


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


def test_ahead_keeps_the_order_and_its_bound():
    made: list[int] = []
    items = prefetch(counted(made, 50), room=3)
    assert next(items) == 0
    assert eventually(lambda: len(made) == 5)  # one taken, three wait, one wants to
    time.sleep(0.15)
    assert len(made) == 5
    assert list(items) == list(range(1, 50))


def test_what_is_raised_ahead_is_raised_here_after_what_came_before():
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    items = prefetch(broken(), room=3)
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_ahead_ends_when_nobody_wants_more():
    items = prefetch(counted([]), room=2)
    assert next(items) == 0
    items.close()


def test_behind_works_in_order_and_waits_for_room():
    done: list[int] = []
    gate = threading.Event()

    def work(number: int) -> None:
        gate.wait(5)
        done.append(number)

    behind = BackgroundWriter(work, room=2)
    for number in range(3):  # one is being worked on, two wait
        behind.put(number)
    full = threading.Thread(target=behind.put, args=(3,))
    full.start()
    time.sleep(0.05)
    assert full.is_alive()
    gate.set()
    full.join(5)
    behind.finish()
    assert done == [0, 1, 2, 3]


def test_what_fails_behind_is_raised_at_the_next_item_or_at_the_end():
    def fail(_: int) -> None:
        raise ValueError("full disk")

    behind = BackgroundWriter(fail, room=1)
    with pytest.raises(ValueError, match="full disk"):  # noqa: PT012
        for number in range(100):
            behind.put(number)
    behind = BackgroundWriter(fail, room=1)
    behind.put(0)
    with pytest.raises(ValueError, match="full disk"):
        behind.finish()


def test_giving_up_leaves_what_waits():
    done: list[int] = []
    begun, gate = threading.Event(), threading.Event()

    def work(number: int) -> None:
        begun.set()
        gate.wait(5)
        done.append(number)

    behind = BackgroundWriter(work, room=5)
    for number in range(5):
        behind.put(number)
    assert begun.wait(5)
    threading.Timer(0.1, gate.set).start()
    behind.give_up()
    assert done == [0]
