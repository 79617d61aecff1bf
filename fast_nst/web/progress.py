"""Progress of requests, for clients that ask by an identifier of their own choice."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fast_nst.errors import UserError

JOB_PATTERN = "^[A-Za-z0-9_-]{8,64}$"


class UnknownJob(UserError):
    """An identifier that no running request has."""


class JobExists(UserError):
    """An identifier that another running request has."""


@dataclass(frozen=True)
class Progress:
    """How far a request is.

    Attributes:
        state: "waiting" for its upload or a worker, "reading", "painting" or "writing".
        done: Tiles painted, each counted once for every pass through the network.
        total: All of them; 0 if the picture is not painted in tiles.
    """

    state: Literal["waiting", "reading", "painting", "writing"] = "waiting"
    done: int = 0
    total: int = 0


class Job:
    """A request whose thread sets its progress.

    Attributes:
        progress: The latest; replaced as a whole, so that any thread may read it.
    """

    def __init__(self) -> None:
        self.progress: Progress = Progress()


class Jobs:
    """The running requests that have an identifier; those that end are forgotten."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def run(self, name: str | None) -> Iterator[Job]:
        """Know a job by its identifier inside the context; None keeps it unknown.

        Raises:
            JobExists: Another running job has the identifier.
        """
        job = Job()
        if name is None:
            yield job
            return
        with self._lock:
            if name in self._jobs:
                raise JobExists(f"job {name!r} is running: choose another identifier")
            self._jobs[name] = job
        try:
            yield job
        finally:
            with self._lock:
                del self._jobs[name]

    def progress(self, name: str) -> Progress:
        """The progress of a running job.

        Raises:
            UnknownJob: There is none with this identifier.
        """
        with self._lock:
            job = self._jobs.get(name)
        if job is None:
            raise UnknownJob("no such job is running: it has ended, or has not begun")
        return job.progress
