"""Folders: which file becomes which, several painted at a time, past those that fail."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fast_nst.engines.engine import cores
from fast_nst.errors import UserError
from fast_nst.pictures.edit import to_image
from fast_nst.pictures.read import find_images
from fast_nst.pictures.write import WRITERS, check_writable_format, save_image
from fast_nst.stylize.painting import PaintOptions, memory_for, paint_image
from fast_nst.stylize.prefetch import run_ahead
from fast_nst.stylize.stylizer import Stylizer

PIPE = "-"


@dataclass(frozen=True)
class Job:
    """One picture: None stands for standard input or output."""

    source: Path | None
    target: Path | None


def plan(
    inputs: Sequence[str], output: str, suffix: str | None = None, recursive: bool = True
) -> list[Job]:
    """Decide which file becomes which, before any work is done.

    Args:
        inputs: Image files, folders of them, or `PIPE`.
        output: An image file, a folder, or `PIPE`.
        suffix: What files in a folder end in, as ".jpg"; default: what the photograph ends in, with
            .png after it if that cannot be written.
        recursive: Take the pictures in subfolders too, into subfolders of the output.

    Raises:
        UserError: An input is missing, outputs collide with each other or with an input, or input
            and output do not go together.
    """
    sources = list(_sources(inputs, Path(output), recursive))
    single = not several(inputs)
    if output == PIPE:
        if not single:
            raise UserError("-o - takes a single picture: give -o FOLDER for several")
        return [Job(sources[0][0], None)]
    to_folder = not single or Path(output).is_dir() or output.endswith(("/", os.sep))
    if not to_folder:
        try:
            check_writable_format(output)
        except UserError as error:
            raise UserError(f"{error} (for a folder, end it in /)") from None
        jobs = [Job(sources[0][0], Path(output))]
    elif not Path(output).is_dir() and (
        Path(output).exists() or (not single and Path(output).suffix.lower() in WRITERS)
    ):
        raise UserError(f"{output!r} is a file's name: several pictures need -o FOLDER")
    else:
        jobs = [Job(source, Path(output) / _named(name, suffix)) for source, name in sources]
    _check_collisions(jobs)
    return jobs


def _sources(
    inputs: Iterable[str], output: Path, recursive: bool
) -> Iterator[tuple[Path | None, Path]]:
    """Each picture with its name in an output folder; subfolders are kept."""
    for given in inputs:
        if given == PIPE:
            yield None, Path("stdin.png")
        elif Path(given).is_dir():
            # A second run into a subfolder must not paint the paintings.
            target = _real(output)
            inside = _real(Path(given)) in target.parents
            for path in find_images(given, recursive):
                if not (inside and _real(path).is_relative_to(target)):
                    yield path, path.relative_to(given)
        else:
            yield Path(given), Path(Path(given).name)


def _named(name: Path, suffix: str | None) -> Path:
    if suffix is not None:
        return name.with_suffix(suffix)
    return name if name.suffix.lower() in WRITERS else name.with_name(name.name + ".png")


def _check_collisions(jobs: list[Job]) -> None:
    sources = {_real(job.source) for job in jobs if job.source is not None}
    targets: dict[Path, Path | None] = {}
    for job in jobs:
        if job.target is None:
            continue
        target = _real(job.target)
        if target in sources:
            raise UserError(f"{str(job.target)!r} is an input too: give another output")
        if target in targets:
            raise UserError(
                f"{str(targets[target])!r} and {str(job.source)!r} would both become "
                f"{str(job.target)!r}: stylize them into different folders"
            )
        targets[target] = job.source


def _real(path: Path) -> Path:
    """Where a path leads; `Path.resolve` raises at links that lead to each other."""
    return Path(os.path.realpath(path))


def several(inputs: Sequence[str]) -> bool:
    """Whether these stand for more pictures than one, which a bad one then does not stop."""
    return len(inputs) > 1 or Path(inputs[0]).is_dir()


def refuse_existing(target: Path) -> None:
    """Keep a single picture's output from replacing what is there.

    Raises:
        UserError: There is something.
    """
    if target.is_dir():
        raise UserError(f"{str(target)!r} is a folder: name a file in it")
    if target.exists():
        raise UserError(f"{str(target)!r} exists: add --overwrite to replace it")


@dataclass(frozen=True)
class Painted:
    """A picture that was stylized.

    Attributes:
        size: Width and height of the result, in px.
        milliseconds: Of stylizing alone.
        is_tiled: Whether it was painted in tiles.
    """

    size: tuple[int, int]
    milliseconds: float
    is_tiled: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        job: The job.
        painted: None if it was skipped or failed.
        error: What went wrong, in one line.
    """

    job: Job
    painted: Painted | None = None
    error: str | None = None

    @property
    def skipped(self) -> bool:
        """Whether the output was there already."""
        return self.painted is None and self.error is None


def is_there(job: Job) -> bool:
    """Whether a picture's output exists."""
    return job.target is not None and job.target.exists()


def paint_one(job: Job, paint: Callable[[Job], Painted], overwrite: bool = False) -> Outcome:
    """Paint a picture of a folder, unless its output exists; what is wrong with it is its outcome.

    Args:
        job: From `plan`, with a target.
        paint: Reads, stylizes and writes it.
        overwrite: Replace an output that exists.
    """
    try:
        if not overwrite and is_there(job):
            return Outcome(job)
        return Outcome(job, paint(job))
    except (UserError, OSError) as error:
        return Outcome(job, error=str(error))


def paint_file(job: Job, stylizer: Stylizer, options: PaintOptions) -> Painted:
    """Read, paint and write one picture.

    Args:
        job: With a source and a target.
        stylizer: The style and what runs it.
        options: How.

    Raises:
        UserError: The picture cannot be read, painted or written.
    """
    if job.source is None or job.target is None:
        raise UserError("a pipe is no file")
    painting = paint_image(job.source, stylizer.model, stylizer.session, options)
    with memory_for(job.source):
        image = to_image(painting.pixels)
        save_image(image, job.target, options.quality)
    return Painted(image.size, painting.milliseconds, painting.is_tiled)


def workers_for(jobs: Sequence[Job], threads: int | None) -> int:
    """How many pictures are painted at a time."""
    return max(min(threads or cores(), len(jobs)), 1)


def paint_folder(
    jobs: Sequence[Job], stylizer: Stylizer, options: PaintOptions, overwrite: bool = False
) -> Iterator[Outcome]:
    """Paint several pictures at a time: one per CPU thread, each thread with a clone.

    Args:
        jobs: From `plan`, with a source and a target each.
        stylizer: The style and what runs it.
        options: How.
        overwrite: Replace existing outputs.

    Yields:
        The outcome of each, in the order of the jobs.
    """
    engine = stylizer.session.options
    workers = workers_for(jobs, engine.threads)
    own = threading.local()

    def paint(job: Job) -> Painted:
        if not hasattr(own, "stylizer"):
            is_shared = not engine.on_cpu or workers == 1
            threads = (engine.threads or cores()) // workers
            own.stylizer = stylizer if is_shared else stylizer.clone(threads, workers)
        return paint_file(job, own.stylizer, options)

    yield from paint_all(jobs, paint, overwrite, workers)


def paint_all(
    jobs: Iterable[Job],
    paint: Callable[[Job], Painted],
    overwrite: bool = False,
    threads: int = 1,
) -> Iterator[Outcome]:
    """Paint a folder; existing outputs are skipped, and failures do not end it.

    Each thread takes a picture from its file to its painting's file, so that one is decoded while
    another is painted and a third encoded.

    Args:
        jobs: From `plan`, with a target each.
        paint: Reads, paints and writes one; from several threads at a time.
        overwrite: Replace existing outputs.
        threads: How many pictures are painted at a time.

    Yields:
        The outcome of each, in the order of the jobs.
    """
    calls = (partial(paint_one, job, paint, overwrite) for job in jobs)
    yield from run_ahead(calls, threads, ahead=2 * threads)
