"""The work queue: its slots, cancellation and shutdown."""

from __future__ import annotations

import asyncio
import threading

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
        found = await queue.run(lambda cancelled: 42, 30, forever)
        await asyncio.wait_for(all_released(queue), 30)
        return found

    assert asyncio.run(scenario()) == 42


def test_work_queue_raises_the_jobs_error_and_releases_the_slot():
    async def scenario() -> None:
        queue = WorkQueue(1, 0)

        def fail(cancelled: threading.Event) -> None:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await queue.run(fail, 30, forever)
        await asyncio.wait_for(all_released(queue), 30)

    asyncio.run(scenario())


def test_work_queue_rejects_requests_over_its_capacity():
    async def scenario() -> None:
        queue, proceed = WorkQueue(1, 1), threading.Event()
        requests = [
            asyncio.ensure_future(queue.run(lambda cancelled: proceed.wait(30), 30, forever))
            for _ in range(2)
        ]
        await asyncio.sleep(0)
        assert queue.taken == 2
        with pytest.raises(QueueFull):
            queue.check()
        with pytest.raises(QueueFull):
            await queue.run(lambda cancelled: None, 30, forever)
        assert queue.taken == 2
        proceed.set()
        assert await asyncio.gather(*requests) == [True, True]
        await asyncio.wait_for(all_released(queue), 30)

    asyncio.run(scenario())


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

        if reason == "disconnect":
            with pytest.raises(ClientDisconnected):
                await queue.run(job, 30, disconnect)
        else:
            with pytest.raises(RequestTimeout):
                await queue.run(job, 0.05, forever)
        assert queue.taken == 1
        with pytest.raises(QueueFull):
            queue.check()
        proceed.set()
        await asyncio.wait_for(all_released(queue), 30)
        assert seen == [True]

    asyncio.run(scenario())


def test_work_queue_never_starts_a_cancelled_job():
    async def scenario() -> None:
        queue, proceed, done = WorkQueue(1, 1), threading.Event(), []
        long = asyncio.ensure_future(queue.run(lambda cancelled: proceed.wait(30), 30, forever))
        await asyncio.sleep(0)
        with pytest.raises(RequestTimeout):
            await queue.run(lambda cancelled: done.append(1), 0, forever)
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

        requests = [asyncio.ensure_future(queue.run(job, 30, forever)) for _ in range(2)]
        while not started.is_set():
            await asyncio.sleep(0.001)
        assert not queue.join(0)
        queue.stop()
        found = await asyncio.gather(*requests, return_exceptions=True)
        assert [type(error) for error in found] == [ShuttingDown, ShuttingDown]
        assert queue.join(30)
        assert seen == ["cancelled"]
        with pytest.raises(ShuttingDown):
            await queue.run(job, 30, forever)

    asyncio.run(scenario())
