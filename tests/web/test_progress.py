"""Progress of requests: seen by who knows the job, while it runs, and never after."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from fast_nst.web.backend import Backend
from fast_nst.web.decoder_pool import DecoderPool
from fast_nst.web.limits import Limits
from fast_nst.web.models import ServedModel
from fast_nst.web.progress import Job, JobExists, Jobs, Progress, UnknownJob
from fast_nst.web.settings import Settings
from fast_nst.web.stylizer_pool import StylizerPool
from tests.web.conftest import client_of, serving

IN_TILES = Limits(max_memory="64MB", workers=1)
STATES = ["waiting", "reading", "painting", "writing"]


def test_jobs_are_known_while_they_run():
    jobs = Jobs()
    with jobs.run("first-job") as job:
        assert jobs.progress("first-job") == Progress("waiting", 0, 0)
        job.progress = Progress("painting", 3, 7)
        assert jobs.progress("first-job") == Progress("painting", 3, 7)
        with pytest.raises(JobExists, match="'first-job' is running"), jobs.run("first-job"):
            pass
        with jobs.run("other-job"), jobs.run(None):
            assert jobs.progress("other-job") == Progress()
            assert jobs.progress("first-job").done == 3
    with pytest.raises(ZeroDivisionError), jobs.run("first-job"):
        raise ZeroDivisionError
    for name in ("first-job", "other-job"):
        with pytest.raises(UnknownJob):
            jobs.progress(name)
    assert not jobs._jobs


def test_stylizer_pool_reports_each_tile(
    models: dict[str, ServedModel], photograph: bytes, decoders: DecoderPool
):
    found: list[Progress] = []

    class Recorder(Job):
        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, value)
            found.append(value)

    job = Recorder()
    wanted = Settings(style=["udnie_fast"], size=1200, format="jpg").request()
    pool = StylizerPool(models, IN_TILES, decoders)
    pool.paint(photograph, wanted, threading.Event(), job=job)
    assert [state for state, _ in itertools.groupby(p.state for p in found)] == STATES
    painting = [(p.done, p.total) for p in found if p.state == "painting"]
    total = painting[-1][1]
    assert total > 10
    assert painting == [(0, 0), *((done, total) for done in range(1, total + 1))]
    assert job.progress == Progress("writing", total, total)


def watch(client: TestClient, job: str, is_over: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    while not is_over():
        answer = client.get(f"/api/progress/{job}")
        assert answer.status_code in (200, 404)
        if answer.status_code == 200:
            assert answer.headers["cache-control"] == "no-store"
            yield answer.json()


def test_progress_of_a_request(models: dict[str, ServedModel], photograph: bytes):
    with client_of(models, IN_TILES) as client:
        answers = []

        def ask() -> None:
            query = "style=udnie_fast&size=1200&format=jpg&job=some-Job_1"
            answers.append(client.post(f"/api/stylize?{query}", content=photograph))

        asking = threading.Thread(target=ask)
        asking.start()
        found = []
        for progress in watch(client, "some-Job_1", lambda: not asking.is_alive()):
            found.append(progress)
            if len(found) == 1:
                again = client.post("/api/stylize?job=some-Job_1", content=photograph)
                assert again.status_code == 409
                assert "choose another identifier" in again.json()["error"]
        asking.join()
        assert answers[0].status_code == 200
        assert all(list(progress) == ["state", "done", "total"] for progress in found)
        order = [(STATES.index(p["state"]), p["done"]) for p in found]
        assert order == sorted(order)
        assert {p["total"] for p in found if p["done"]} == {found[-1]["total"]}
        assert max(p["done"] for p in found) > 1
        ended = client.get("/api/progress/some-Job_1")
        assert ended.status_code == 404
        assert ended.json() == client.get("/api/progress/unknown-job").json()


def test_job_ends_when_its_client_disconnects(models: dict[str, ServedModel], photograph: bytes):
    backend = Backend(models, IN_TILES)
    until = time.monotonic() + 60
    with serving(backend) as address:
        with socket.create_connection(address) as peer:
            query = "style=udnie&size=6000&job=cancelled"
            head = f"POST /api/stylize?{query} HTTP/1.1\r\nHost: localhost\r\n"
            head += f"Content-Length: {len(photograph)}\r\n\r\n"
            peer.sendall(head.encode() + photograph)
            while not any(job.progress.done for job in list(backend.jobs._jobs.values())):
                assert time.monotonic() < until
                time.sleep(0.02)
        while backend.jobs._jobs or backend.queue.taken:
            assert time.monotonic() < until
            time.sleep(0.02)


@pytest.mark.parametrize("job", ["short", "x" * 65, "white%20space", "sl%2Fash-es", "", "ünïcödes"])
def test_job_must_be_an_identifier(client: TestClient, job: str):
    answer = client.post(f"/api/stylize?job={job}", content=b"picture")
    assert answer.status_code == 400
    assert "it must match pattern '^[A-Za-z0-9_-]{8,64}$'" in answer.json()["error"]


def test_job_is_no_form_field(client: TestClient):
    files = {"image": b"picture"}
    answer = client.post("/api/stylize", data={"job": "some-job"}, files=files)
    assert answer.status_code == 400
    assert "unknown parameter 'job'" in answer.json()["error"]
