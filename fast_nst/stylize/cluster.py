"""A folder run over many machines: Ray Data hands the pictures out, our code paints each.

What runs the cluster, hands work to it and gives a dead machine's work to another is Ray's.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fast_nst.errors import UserError, one_line
from fast_nst.pictures.read import MAX_PIXELS, pixel_limit
from fast_nst.stylize.folder import Job, Outcome, Painted, is_there, paint_file, paint_one
from fast_nst.stylize.painting import PaintOptions
from fast_nst.stylize.stylizer import Stylizer

LOCAL = "local"
_BATCH = 4  # pictures that are handed out, and painted again if their machine dies
_MOST_BLOCKS = 10_000
_PATIENCE = 10  # seconds


class Painter:
    """What each worker holds: a stylizer of its own.

    Args:
        stylize: With what; it comes pickled, and opens its model anew.
        options: How.
    """

    def __init__(self, stylize: Stylizer, options: PaintOptions) -> None:
        self._stylize = stylize
        self._options = options

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Paint pictures.

        Args:
            batch: Of each its `number`, `source` and `target`.

        Returns:
            Of each its `number`, and the `width`, `height`, `milliseconds`, `in_tiles` and `error`
            that become an `Outcome` again.
        """
        rows: dict[str, list[Any]] = {name: [] for name in ("number", *_FIELDS)}
        with pixel_limit(self._options.max_pixels or MAX_PIXELS):
            for number, source, target in zip(
                batch["number"], batch["source"], batch["target"], strict=True
            ):
                job = Job(Path(os.fsdecode(source)), Path(os.fsdecode(target)))
                # What is there is a dead worker's, whose pictures are told as painted here.
                outcome = paint_one(job, self._paint, overwrite=True)
                rows["number"].append(int(number))
                for name, value in zip(_FIELDS, _row_of(outcome), strict=True):
                    rows[name].append(value)
        return rows

    def _paint(self, job: Job) -> Painted:
        return paint_file(job, self._stylize, self._options)


_FIELDS = ("width", "height", "milliseconds", "in_tiles", "error")


def _row_of(outcome: Outcome) -> tuple[int, int, float, bool, str]:
    painted = outcome.painted or Painted((0, 0), 0.0)
    return *painted.size, painted.milliseconds, painted.is_tiled, outcome.error or ""


def _outcome_of(job: Job, row: dict[str, Any]) -> Outcome:
    if row["error"]:
        return Outcome(job, error=row["error"])
    size = (row["width"], row["height"])
    return Outcome(job, Painted(size, row["milliseconds"], row["in_tiles"]))


def paint_on_cluster(
    jobs: Sequence[Job], stylize: Stylizer, options: PaintOptions, overwrite: bool, address: str
) -> Iterator[Outcome]:
    """Work through a folder with every core of a cluster.

    Args:
        jobs: From `plan`, with a source and a target each, at places that all machines reach.
        stylize: With what; each worker gets a clone with one thread.
        options: How.
        overwrite: Replace outputs that exist.
        address: Of the cluster; "auto" is the one that runs here, "local" one for this run.

    Yields:
        What became of each, in the order in which they are done.

    Raises:
        UserError: Ray is not installed, or there is no such cluster.
    """
    wanted = []
    for number, job in enumerate(jobs):
        if not overwrite and is_there(job):
            yield Outcome(job)
        else:
            wanted.append(number)
    if not wanted:
        return
    ray = _connected(address)
    try:
        from ray.data import ActorPoolStrategy, DataContext

        logging.getLogger("ray.data").setLevel(logging.ERROR)  # its import sets another
        context = DataContext.get_current()
        context.enable_progress_bars = False
        cores = max(int(ray.cluster_resources().get("CPU", 1)), 1)
        files = [
            {
                "number": number,
                "source": os.fsencode((jobs[number].source or Path()).absolute()),
                "target": os.fsencode((jobs[number].target or Path()).absolute()),
            }
            for number in wanted
        ]
        blocks = min(-(-len(files) // _BATCH), _MOST_BLOCKS)
        outcomes = ray.data.from_items(files, override_num_blocks=blocks).map_batches(
            Painter,
            fn_constructor_args=(stylize.clone(1), options),
            batch_size=_BATCH,
            num_cpus=1,
            compute=ActorPoolStrategy(min_size=1, max_size=min(cores, blocks)),
        )
        for row in outcomes.iter_rows():
            yield _outcome_of(jobs[row["number"]], row)
    except ray.exceptions.RayError as error:  # what our code raises is among the rows
        raise UserError(
            f"the cluster gave up ({one_line(error)[-300:]}): what is painted stays, and the same "
            "command does the rest"
        ) from error
    finally:
        ray.shutdown()


def _connected(address: str) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody was asked
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # errors come as exceptions
    try:
        import ray
    except ImportError as error:
        raise UserError("Ray is not installed: pip install 'fast-nst[cluster]'") from error
    try:
        host, colon, port = address.removeprefix("ray://").rpartition(":")
        if colon:  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
        handler = signal.getsignal(signal.SIGTERM)
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
        with contextlib.suppress(ValueError):  # not the main thread, where Ray sets none
            signal.signal(signal.SIGTERM, handler)  # Ray's would end the process at once
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise UserError(
            f"no cluster at {address!r} ({one_line(error)[:160]}): start one with "
            f"ray start --head, or give --ray {LOCAL}"
        ) from error
    return ray
