"""Places: how many there are, and who gives them back when."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from fast_nst.web.desk import Busy, Desk, Gone, Stopping, TooSlow


async def for_ever() -> None:
    await asyncio.Event().wait()


async def empty(desk: Desk) -> None:
    while desk.taken:
        await asyncio.sleep(0.001)


def test_the_result_comes_and_the_place_is_given_back():
    async def scene() -> int:
        desk = Desk(1, 0)
        with desk.place() as place:
            assert desk.taken == 1
            found = await desk.work(place, lambda stopped: 42, 30, for_ever)
        await asyncio.wait_for(empty(desk), 30)
        return found

    assert asyncio.run(scene()) == 42


def test_an_error_comes_and_the_place_is_given_back():
    async def scene() -> None:
        desk = Desk(1, 0)

        def fail(stopped: threading.Event) -> None:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"), desk.place() as place:
            await desk.work(place, fail, 30, for_ever)
        await asyncio.wait_for(empty(desk), 30)

    asyncio.run(scene())


def test_a_place_without_work_is_given_back():
    desk = Desk(1, 1)
    with desk.place(), desk.place():
        with pytest.raises(Busy), desk.place():
            pass
        assert desk.taken == 2
    assert desk.taken == 0


@pytest.mark.parametrize("reason", ["time", "gone"])
def test_who_is_given_up_keeps_the_place_until_the_thread_has_ended(reason: str):
    async def scene() -> None:
        desk, begun, go_on, told = Desk(1, 0), threading.Event(), threading.Event(), []

        def work(stopped: threading.Event) -> None:
            begun.set()
            assert go_on.wait(30)
            told.append(stopped.is_set())

        async def leave() -> None:
            while not begun.is_set():
                await asyncio.sleep(0.001)

        left: Callable[[], Awaitable[None]] = leave if reason == "gone" else for_ever
        with pytest.raises(Gone if reason == "gone" else TooSlow), desk.place() as place:
            await desk.work(place, work, 30 if reason == "gone" else 0.05, left)
        assert desk.taken == 1
        with pytest.raises(Busy), desk.place():
            pass
        go_on.set()
        await asyncio.wait_for(empty(desk), 30)
        assert told == [True]

    asyncio.run(scene())


def test_what_has_not_begun_never_does():
    async def scene() -> None:
        desk, go_on, done = Desk(1, 1), threading.Event(), []
        with desk.place() as first:
            long = asyncio.ensure_future(
                desk.work(first, lambda stopped: go_on.wait(30), 30, for_ever)
            )
            await asyncio.sleep(0)
            with pytest.raises(TooSlow), desk.place() as second:
                await desk.work(second, lambda stopped: done.append(1), 0, for_ever)
            go_on.set()
            assert await long
        await asyncio.wait_for(empty(desk), 30)
        assert done == []

    asyncio.run(scene())


def test_when_it_stops_everybody_is_told_and_nothing_begins():
    async def scene() -> None:
        desk, begun, told = Desk(1, 1), threading.Event(), []

        def work(stopped: threading.Event) -> None:
            begun.set()
            assert stopped.wait(30)
            told.append("stopped")

        async def ask() -> None:
            with desk.place() as place:
                await desk.work(place, work, 30, for_ever)

        asking = [asyncio.ensure_future(ask()) for _ in range(2)]
        while not begun.is_set():
            await asyncio.sleep(0.001)
        assert not desk.has_ended(0)
        desk.stop()
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(error) for error in found] == [Stopping, Stopping]
        assert desk.has_ended(30)
        assert told == ["stopped"]
        with pytest.raises(Stopping), desk.place():
            pass

    asyncio.run(scene())
