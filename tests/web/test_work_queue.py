"""The work queue: its slots, cancellation and shutdown."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from fast_nst.web.work_queue import (
    ClientDisconnected,
    QueueFull,
    RequestTimeout,
    ShuttingDown,
    WorkQueue,
)


async def forever() -> None:
    await asyncio.Event().wait()


async def all_released(queue: WorkQueue) -> None:
    while queue.taken:
        await asyncio.sleep(0.001)


def test_work_queue_returns_the_result_and_releases_the_slot():
    async def scenario() -> int:
        queue = WorkQueue(1, 0)
        with queue.slot() as slot:
            assert queue.taken == 1
            found = await queue.run(slot, lambda cancelled: 42, 30, forever)
        await asyncio.wait_for(all_released(queue), 30)
        return found

    assert asyncio.run(scenario()) == 42


def test_work_queue_raises_the_jobs_error_and_releases_the_slot():
    async def scenario() -> None:
        queue = WorkQueue(1, 0)

        def fail(cancelled: threading.Event) -> None:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"), queue.slot() as slot:
            await queue.run(slot, fail, 30, forever)
        await asyncio.wait_for(all_released(queue), 30)

    asyncio.run(scenario())


def test_work_queue_releases_a_slot_without_a_job():
    queue = WorkQueue(1, 1)
    with queue.slot(), queue.slot():
        with pytest.raises(QueueFull), queue.slot():
            pass
        assert queue.taken == 2
    assert queue.taken == 0


@pytest.mark.parametrize("reason", ["timeout", "disconnect"])
def test_work_queue_holds_the_slot_of_a_cancelled_job_until_its_thread_ends(reason: str):
    async def scenario() -> None:
        queue, started, proceed, seen = WorkQueue(1, 0), threading.Event(), threading.Event(), []

        def job(cancelled: threading.Event) -> None:
            started.set()
            assert proceed.wait(30)
            seen.append(cancelled.is_set())

        async def disconnect() -> None:
            while not started.is_set():
                await asyncio.sleep(0.001)

        disconnected: Callable[[], Awaitable[None]] = (
            disconnect if reason == "disconnect" else forever
        )
        with (
            pytest.raises(ClientDisconnected if reason == "disconnect" else RequestTimeout),
            queue.slot() as slot,
        ):
            await queue.run(slot, job, 30 if reason == "disconnect" else 0.05, disconnected)
        assert queue.taken == 1
        with pytest.raises(QueueFull), queue.slot():
            pass
        proceed.set()
        await asyncio.wait_for(all_released(queue), 30)
        assert seen == [True]

    asyncio.run(scenario())


def test_work_queue_never_starts_a_cancelled_job():
    async def scenario() -> None:
        queue, proceed, done = WorkQueue(1, 1), threading.Event(), []
        with queue.slot() as first:
            long = asyncio.ensure_future(
                queue.run(first, lambda cancelled: proceed.wait(30), 30, forever)
            )
            await asyncio.sleep(0)
            with pytest.raises(RequestTimeout), queue.slot() as second:
                await queue.run(second, lambda cancelled: done.append(1), 0, forever)
            proceed.set()
            assert await long
        await asyncio.wait_for(all_released(queue), 30)
        assert done == []

    asyncio.run(scenario())


def test_work_queue_stop_rejects_requests_and_starts_no_job():
    async def scenario() -> None:
        queue, started, seen = WorkQueue(1, 1), threading.Event(), []

        def job(cancelled: threading.Event) -> None:
            started.set()
            assert cancelled.wait(30)
            seen.append("cancelled")

        async def request() -> None:
            with queue.slot() as slot:
                await queue.run(slot, job, 30, forever)

        requests = [asyncio.ensure_future(request()) for _ in range(2)]
        while not started.is_set():
            await asyncio.sleep(0.001)
        assert not queue.join(0)
        queue.stop()
        found = await asyncio.gather(*requests, return_exceptions=True)
        assert [type(error) for error in found] == [ShuttingDown, ShuttingDown]
        assert queue.join(30)
        assert seen == ["cancelled"]
        with pytest.raises(ShuttingDown), queue.slot():
            pass

    asyncio.run(scenario())
