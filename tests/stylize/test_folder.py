"""Several pictures at a time: side by side, in order, no more than agreed, and stoppable."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from fast_nst.errors import UserError
from fast_nst.stylize.folder import Job, Painted, paint_all
from fast_nst.stylize.session import MemoryBudget

PAINTED = Painted((1, 1), 0.0)


def jobs(count: int, folder: Path) -> list[Job]:
    return [Job(Path(f"{n}.png"), folder / f"{n}.png") for n in range(count)]


def test_pictures_are_painted_side_by_side(tmp_path: Path):
    together = threading.Barrier(3, timeout=10)

    def paint(job: Job) -> Painted:
        together.wait()  # passes only when three are here
        return PAINTED

    outcomes = list(paint_all(jobs(6, tmp_path), paint, threads=3))
    assert [outcome.painted for outcome in outcomes] == [PAINTED] * 6


def test_no_more_are_begun_than_wait_to_be_told(tmp_path: Path):
    begun = []
    outcomes = paint_all(jobs(50, tmp_path), lambda job: begun.append(job) or PAINTED, threads=2)
    for told in range(1, 51):
        next(outcomes)
        assert len(begun) <= told + 4


def test_order_is_kept_and_what_is_wrong_is_an_outcome(tmp_path: Path):
    (tmp_path / "2.png").touch()

    def paint(job: Job) -> Painted:
        number = int(job.source.stem)
        time.sleep(0.01 * (number % 3 == 0))
        if number == 4:
            raise UserError("a bad one")
        if number == 5:
            raise OSError(28, "No space left on device")
        return PAINTED

    outcomes = list(paint_all(jobs(8, tmp_path), paint, threads=4))
    assert [outcome.job.source.stem for outcome in outcomes] == list("01234567")
    assert [outcome.skipped for outcome in outcomes].index(True) == 2
    assert outcomes[4].error == "a bad one"
    assert "No space left" in outcomes[5].error


def test_a_mistake_of_ours_is_no_outcome(tmp_path: Path):
    def paint(job: Job) -> Painted:
        raise KeyError("oh")

    with pytest.raises(KeyError):
        list(paint_all(jobs(9, tmp_path), paint, threads=2))


def test_who_stops_listening_stops_the_work(tmp_path: Path):
    begun = []
    gate = threading.Event()

    def paint(job: Job) -> Painted:
        begun.append(job)
        if job.source != Path("0.png"):
            gate.wait(10)
        return PAINTED

    outcomes = paint_all(jobs(50, tmp_path), paint, threads=4)
    next(outcomes)
    threading.Timer(0.5, gate.set).start()
    outcomes.close()
    assert len(begun) <= 5  # the first, and one a thread; nine were handed over


def test_a_budget_is_never_overdrawn():
    budget, held, most = MemoryBudget(10), 0, 0
    lock = threading.Lock()

    def work(amount: int) -> None:
        nonlocal held, most
        for _ in range(20):
            with budget.reserve(amount):
                with lock:
                    held += min(amount, 10)
                    most = max(most, held)
                time.sleep(0.0005)
                with lock:
                    held -= min(amount, 10)

    threads = [threading.Thread(target=work, args=(n,)) for n in (2, 3, 5, 7, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert held == 0
    assert 5 < most <= 10


def test_a_budget_gets_back_what_an_error_had():
    budget = MemoryBudget(10)
    with pytest.raises(ValueError), budget.reserve(10):
        raise ValueError
    with budget.reserve(10):
        pass
