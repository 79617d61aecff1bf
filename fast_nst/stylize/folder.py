"""Batches of files and folders: output names, several pictures at a time, errors per picture."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from fast_nst.engines.engine import cores
from fast_nst.errors import UserError
from fast_nst.files import names_folder
from fast_nst.pictures.edit import to_image
from fast_nst.pictures.find import find_images
from fast_nst.pictures.write import WRITERS, check_writable_format, save_image
from fast_nst.stylize.masks import MaskFolder, Masks
from fast_nst.stylize.painting import PaintOptions, memory_for, paint_image
from fast_nst.stylize.prefetch import run_ahead
from fast_nst.stylize.stylizer import Stylizer

PIPE = "-"


@dataclass(frozen=True)
class Job:
    """A picture to paint.

    Attributes:
        source: The photograph; None is standard input.
        target: The painting; None is standard output.
        mask: The mask; None without one, or if it is missing.
    """

    source: Path | None
    target: Path | None
    mask: Path | None = None


def plan(
    inputs: Sequence[str],
    output: str,
    suffix: str | None = None,
    recursive: bool = True,
    mask: str | None = None,
) -> list[Job]:
    """List the pictures with their output files.

    Args:
        inputs: Image files, folders of them, or `PIPE`. A picture that is given twice counts once.
        output: An image file, a folder, or `PIPE`.
        suffix: Suffix of the files in an output folder, such as ".jpg"; default: that of the
            photograph, with .png appended if its format cannot be written.
        recursive: Search subfolders, and mirror them in the output folder.
        mask: The mask of all pictures; or a folder of masks, which have the names of the files in
            an output folder, with any suffix.

    Raises:
        UserError: An input is missing, an output is another picture's output or input, several
            pictures have a single file as output, or a picture has several masks.
    """
    others = [Path(path) for path in (output, mask) if path is not None]
    sources = list(_find_sources(inputs, others, recursive))
    jobs = _with_targets(sources, inputs, output, suffix)
    if mask is not None:
        names = [name for _, name in sources]
        masks = _find_masks(Path(mask), inputs, names, recursive)
        jobs = [replace(job, mask=path) for job, path in zip(jobs, masks, strict=True)]
    return _without_collisions(jobs)


def _with_targets(
    sources: Sequence[tuple[Path | None, Path]],
    inputs: Sequence[str],
    output: str,
    suffix: str | None,
) -> list[Job]:
    single = not several(inputs)
    if output == PIPE:
        if not single:
            raise UserError(
                "output - takes a single picture: give a folder as output for several", "output"
            )
        return [Job(sources[0][0], None)]
    if single and not names_folder(output):
        try:
            check_writable_format(output)
        except UserError as error:
            raise UserError(f"{error} (for a folder, end it in /)") from None
        return [Job(sources[0][0], Path(output))]
    if not Path(output).is_dir() and (
        Path(output).exists() or (not single and Path(output).suffix.lower() in WRITERS)
    ):
        raise UserError(
            f"{output!r} is a file's name: give a folder as output for several pictures", "output"
        )
    return [Job(source, Path(output) / _output_name(name, suffix)) for source, name in sources]


def _find_masks(
    mask: Path, inputs: Sequence[str], names: Sequence[Path], recursive: bool
) -> list[Path | None]:
    if not mask.is_dir():
        return [mask] * len(names)
    if PIPE in inputs:
        raise UserError(f"mask {str(mask)!r} is a folder: give a file for standard input", "mask")
    folder = MaskFolder(mask, recursive)
    return [folder.find(name) for name in names]


def _find_sources(
    inputs: Iterable[str], others: Iterable[Path], recursive: bool
) -> Iterator[tuple[Path | None, Path]]:
    """Each picture with its name in an output folder, subfolders included."""
    for item in inputs:
        if item == PIPE:
            yield None, Path("stdin.png")
        elif Path(item).is_dir():
            # The paintings of an earlier run, or the masks, may be in the input folder.
            inner = [
                other
                for other in map(_real_path, others)
                if _real_path(Path(item)) in other.parents
            ]
            for path in find_images(item, recursive):
                if not any(_real_path(path).is_relative_to(other) for other in inner):
                    yield path, path.relative_to(item)
        else:
            yield Path(item), Path(Path(item).name)


def _output_name(name: Path, suffix: str | None) -> Path:
    if suffix is not None:
        return name.with_suffix(suffix)
    return name if name.suffix.lower() in WRITERS else name.with_name(name.name + ".png")


def _without_collisions(jobs: list[Job]) -> list[Job]:
    """The jobs without repeated ones, after a check that no output is another's, or an input."""
    read = {path for job in jobs for path in (job.source, job.mask) if path is not None}
    sources = {_identity(path) for path in read}
    found: dict[Path, Job] = {}
    for job in jobs:
        if job.target is None:
            return jobs
        target = _identity(job.target)
        if target in sources:
            raise UserError(f"{str(job.target)!r} is an input too: give another output")
        other = found.setdefault(target, job).source
        if other and job.source and _identity(other) != _identity(job.source):
            raise UserError(
                f"{str(other)!r} and {str(job.source)!r} would both become "
                f"{str(job.target)!r}: stylize them into different folders"
            )
    return list(found.values())


def _identity(path: Path) -> Path:
    """What paths of one file have in common; on Windows `Path` ignores case itself."""
    real = _real_path(path)
    return Path(str(real).casefold()) if sys.platform == "darwin" else real


def _real_path(path: Path) -> Path:
    """The path without links; `Path.resolve` raises at links that point to each other."""
    return Path(os.path.realpath(path))


def several(inputs: Sequence[str]) -> bool:
    """Whether the inputs are a batch, in which an error of one picture does not stop the others."""
    return len(inputs) > 1 or Path(inputs[0]).is_dir()


@dataclass(frozen=True)
class Painted:
    """A painted picture.

    Attributes:
        size: Width and height of the result, in px.
        milliseconds: The time that painting took, without reading and writing.
        is_tiled: Whether it was painted in tiles.
    """

    size: tuple[int, int]
    milliseconds: float
    is_tiled: bool = False


@dataclass(frozen=True)
class Outcome:
    """The result of a job.

    Attributes:
        job: The job.
        painted: The painted picture; None if it was skipped or failed.
        error: The error message, in one line; None if there was no error.
    """

    job: Job
    painted: Painted | None = None
    error: str | None = None

    @property
    def skipped(self) -> bool:
        """Whether the output existed already."""
        return self.painted is None and self.error is None


def is_done(job: Job) -> bool:
    """Whether the job's output exists."""
    return job.target is not None and job.target.exists()


def paint_one(job: Job, paint: Callable[[Job], Painted], overwrite: bool = False) -> Outcome:
    """Paint a picture of a batch, unless its output exists; errors become part of the outcome.

    Args:
        job: From `plan`, with a target.
        paint: Reads, paints and writes the picture.
        overwrite: Replace an existing output.
    """
    try:
        if not overwrite and is_done(job):
            return Outcome(job)
        return Outcome(job, paint(job))
    except (UserError, OSError) as error:
        return Outcome(job, error=str(error))


def paint_file(
    job: Job, stylizer: Stylizer, options: PaintOptions, masks: Masks | None = None
) -> Painted:
    """Read, paint and write one picture.

    Args:
        job: With a source and a target.
        stylizer: The style and its session.
        options: How the picture is painted.
        masks: Where it is painted; default: everywhere.

    Raises:
        UserError: The picture cannot be read, painted or written.
    """
    if job.source is None or job.target is None:
        raise UserError("standard input and output are not files")
    region = None if masks is None else masks.region(job.source, job.mask)
    painting = paint_image(job.source, stylizer.model, stylizer.session, options, region=region)
    with memory_for(job.source):
        image = to_image(painting.pixels)
        save_image(image, job.target, options.quality)
    return Painted(image.size, painting.milliseconds, painting.is_tiled)


def workers_for(jobs: Sequence[Job], threads: int | None) -> int:
    """The number of pictures that are painted at a time."""
    return max(min(threads or cores(), len(jobs)), 1)


def paint_folder(
    jobs: Sequence[Job],
    stylizer: Stylizer,
    options: PaintOptions,
    overwrite: bool = False,
    masks: Masks | None = None,
) -> Iterator[Outcome]:
    """Paint a batch, one picture per CPU thread, each thread with a clone of the stylizer.

    Args:
        jobs: From `plan`, with a source and a target each.
        stylizer: The style and its session.
        options: How the pictures are painted.
        overwrite: Replace existing outputs.
        masks: Where the pictures are painted; default: everywhere.

    Yields:
        The outcome of each job, in their order.
    """
    engine = stylizer.session.options
    workers = workers_for(jobs, engine.threads)
    own = threading.local()

    def paint(job: Job) -> Painted:
        if not hasattr(own, "stylizer"):
            is_shared = not engine.on_cpu or workers == 1
            threads = (engine.threads or cores()) // workers
            own.stylizer = stylizer if is_shared else stylizer.clone(threads, workers)
        return paint_file(job, own.stylizer, options, masks)

    yield from paint_all(jobs, paint, overwrite, workers)


def paint_all(
    jobs: Iterable[Job],
    paint: Callable[[Job], Painted],
    overwrite: bool = False,
    threads: int = 1,
) -> Iterator[Outcome]:
    """Paint a batch: existing outputs are skipped, and errors do not end it.

    Each thread reads, paints and writes a picture, so that one picture is decoded while another one
    is painted.

    Args:
        jobs: From `plan`, with a target each.
        paint: Reads, paints and writes a picture; called from several threads at a time.
        overwrite: Replace existing outputs.
        threads: How many pictures are painted at a time.

    Yields:
        The outcome of each job, in their order.
    """
    calls = (partial(paint_one, job, paint, overwrite) for job in jobs)
    yield from run_ahead(calls, threads, ahead=2 * threads)
