"""A batch of pictures on a Ray cluster.

Ray Data distributes the pictures, and repeats those of a machine that fails.
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
from fast_nst.stylize.folder import Job, Outcome, Painted, is_done, paint_file, paint_one
from fast_nst.stylize.masks import Masks
from fast_nst.stylize.painting import PaintOptions
from fast_nst.stylize.stylizer import Stylizer

LOCAL = "local"
_BATCH = 4  # pictures per task, which are repeated together if their machine fails
_MAX_BLOCKS = 10_000
_CONNECT_TIMEOUT = 10  # seconds


class Worker:
    """A callable that paints batches of pictures, one per worker process.

    Args:
        stylizer: The style and its session; it arrives pickled, and reopens its model.
        options: How the pictures are painted.
        masks: Where the pictures are painted; default: everywhere.
    """

    def __init__(
        self, stylizer: Stylizer, options: PaintOptions, masks: Masks | None = None
    ) -> None:
        self._stylizer = stylizer
        self._options = options
        self._masks = masks

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Paint a batch.

        Args:
            batch: Columns `number`, `source`, `target` and `mask`, which is empty without one.

        Returns:
            The columns `number` and `_FIELDS`, the fields of an `Outcome`.
        """
        rows: dict[str, list[Any]] = {name: [] for name in ("number", *_FIELDS)}
        with pixel_limit(self._options.max_pixels or MAX_PIXELS):
            for number, *names in zip(
                *(batch[name] for name in ("number", "source", "target", "mask")), strict=True
            ):
                source, target, mask = (Path(os.fsdecode(name)) if name else None for name in names)
                job = Job(source, target, mask)
                # An output that exists is that of a failed worker, whose outcome was lost.
                outcome = paint_one(job, self._paint, overwrite=True)
                rows["number"].append(int(number))
                for name, value in zip(_FIELDS, _row_of(outcome), strict=True):
                    rows[name].append(value)
        return rows

    def _paint(self, job: Job) -> Painted:
        return paint_file(job, self._stylizer, self._options, self._masks)


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
    jobs: Sequence[Job],
    stylizer: Stylizer,
    options: PaintOptions,
    overwrite: bool,
    address: str,
    masks: Masks | None = None,
) -> Iterator[Outcome]:
    """Paint a batch with every core of a cluster.

    Args:
        jobs: From `plan`, with a source and a target each, at paths that all machines share.
        stylizer: The style and its session; each worker gets a clone with one thread.
        options: How the pictures are painted.
        overwrite: Replace existing outputs.
        address: HOST:PORT of the cluster; "auto" is the one on this machine, "local" starts one.
        masks: Where the pictures are painted; default: everywhere.

    Yields:
        The outcome of each job, in the order in which they finish.

    Raises:
        UserError: Ray is not installed, or there is no such cluster.
    """
    remaining = []
    for number, job in enumerate(jobs):
        if not overwrite and is_done(job):
            yield Outcome(job)
        else:
            remaining.append(number)
    if not remaining:
        return
    ray = _connect(address)
    try:
        from ray.data import ActorPoolStrategy, DataContext

        logging.getLogger("ray.data").setLevel(logging.ERROR)  # set by its import
        context = DataContext.get_current()
        context.enable_progress_bars = False
        cores = max(int(ray.cluster_resources().get("CPU", 1)), 1)
        files = [
            {
                "number": number,
                "source": _absolute(jobs[number].source),
                "target": _absolute(jobs[number].target),
                "mask": _absolute(jobs[number].mask),
            }
            for number in remaining
        ]
        blocks = min(-(-len(files) // _BATCH), _MAX_BLOCKS)
        outcomes = ray.data.from_items(files, override_num_blocks=blocks).map_batches(
            Worker,
            fn_constructor_args=(stylizer.clone(1), options, masks),
            batch_size=_BATCH,
            num_cpus=1,
            compute=ActorPoolStrategy(min_size=1, max_size=min(cores, blocks)),
        )
        for row in outcomes.iter_rows():
            yield _outcome_of(jobs[row["number"]], row)
    except ray.exceptions.RayError as error:  # errors of pictures are among the rows
        raise UserError(
            f"the cluster failed ({one_line(error)[-300:]}): repeat the command to paint the "
            "remaining pictures"
        ) from error
    finally:
        ray.shutdown()


def _absolute(path: Path | None) -> bytes:
    return b"" if path is None else os.fsencode(path.absolute())


def _connect(address: str) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # errors are raised too
    try:
        import ray
    except ImportError as error:
        raise UserError('Ray is not installed: pip install "fast-nst[cluster]"') from error
    try:
        host, colon, port = address.removeprefix("ray://").rpartition(":")
        if colon:  # Ray would retry for minutes
            socket.create_connection((host, int(port)), timeout=_CONNECT_TIMEOUT).close()
        handler = signal.getsignal(signal.SIGTERM)
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
        with contextlib.suppress(ValueError, TypeError):  # not the main thread: Ray sets none
            signal.signal(signal.SIGTERM, handler)  # Ray's would exit without cleanup
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise UserError(
            f"no cluster at {address!r} ({one_line(error)[:160]}): start one with "
            f"ray start --head, or use {LOCAL!r}"
        ) from error
    return ray
