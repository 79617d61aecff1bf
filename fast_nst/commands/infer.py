"""Stylizing files: which picture goes where, and what happens when one of them is bad."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fast_nst.errors import UserError
from fast_nst.options import option, positional
from fast_nst.pictures.read import find_images, open_image
from fast_nst.pictures.write import WRITERS, check_writable_format, encode_image, save_image
from fast_nst.stylize.stylizer import Stylizer

PIPE = "-"


@dataclass
class InferOptions:
    """What `fast-nst infer` can be told; its flags are made from these fields."""

    inputs: list[str] = positional(
        "image files, folders of them, or - for standard input", metavar="PHOTO"
    )
    output: str | None = option(
        "image file, folder for several pictures, or - for PNG on standard output",
        None,
        "-o",
        metavar="OUT",
    )
    model: str | None = option(
        "exported .onnx file; default: the style in the package", None, "-m", metavar="MODEL"
    )
    size: int | None = option(
        "longer side of the result, in px; default: that of the photograph", None, metavar="PX"
    )
    strength: float = option("0 is the photograph, 1 the painting", 1.0, metavar="0..1")
    keep_colors: bool = option("keep the photograph's colours, paint its light and dark", False)
    provider: str = option("device that runs the network, if installed", "cpu", metavar="NAME")
    threads: int | None = option("CPU threads; default: one a core", None, metavar="N")
    quality: int = option("of JPEG and WebP files, 1 to 100", 95, metavar="Q")
    overwrite: bool = option("replace output files that exist", False)
    json: bool = option("print one JSON object a picture on standard output", False)
    quiet: bool = option("print nothing but errors", False, "-q")

    def __post_init__(self) -> None:
        """Refuse what can be refused without looking at a file.

        Raises:
            UserError: A value is out of its range, or two contradict each other.
        """
        if not 0 <= self.strength <= 1:
            raise UserError(
                f"--strength is {self.strength:g}: it must be from 0 (photograph) to 1 (painting)"
            )
        if self.size is not None and self.size < 1:
            raise UserError(f"--size is {self.size}: the longer side must be at least 1 px")
        if not 1 <= self.quality <= 100:
            raise UserError(f"--quality is {self.quality}: it must be from 1 to 100")
        if not all(self.inputs):
            raise UserError("an input has no name: give image files, folders or -")
        if not self.output:
            raise UserError("no output: add -o FILE for one picture, -o FOLDER for several")
        if PIPE in self.inputs and len(self.inputs) > 1:
            raise UserError("- (standard input) cannot be mixed with other inputs: give it alone")
        if self.output == PIPE and self.json:
            raise UserError("--json and -o - both want standard output: give one of them")


@dataclass(frozen=True)
class Job:
    """One picture: None stands for standard input or output."""

    source: Path | None
    target: Path | None


def plan(options: InferOptions) -> list[Job]:
    """Decide which file becomes which, before any work is done.

    Raises:
        UserError: An input is missing, outputs collide with each other or with an input, or input
            and output do not go together.
    """
    output = options.output or ""
    sources = list(_sources(options.inputs, Path(output)))
    single = len(options.inputs) == 1 and not Path(options.inputs[0]).is_dir()
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
        jobs = [Job(source, Path(output) / _writable(name)) for source, name in sources]
    _check_collisions(jobs)
    return jobs


def _sources(inputs: Iterable[str], output: Path) -> Iterator[tuple[Path | None, Path]]:
    """Each picture with its name in an output folder; subfolders are kept."""
    for given in inputs:
        if given == PIPE:
            yield None, Path("stdin.png")
        elif Path(given).is_dir():
            # A second run into a subfolder must not paint the paintings.
            inside = Path(given).resolve() in output.resolve().parents
            for path in find_images(given):
                if not (inside and path.resolve().is_relative_to(output.resolve())):
                    yield path, path.relative_to(given)
        else:
            yield Path(given), Path(Path(given).name)


def _writable(name: Path) -> Path:
    return name if name.suffix.lower() in WRITERS else name.with_name(name.name + ".png")


def _check_collisions(jobs: list[Job]) -> None:
    sources = {job.source.resolve() for job in jobs if job.source is not None}
    targets: dict[Path, Path | None] = {}
    for job in jobs:
        if job.target is None:
            continue
        target = job.target.resolve()
        if target in sources:
            raise UserError(f"{str(job.target)!r} is an input too: give another output")
        if target in targets:
            raise UserError(
                f"{str(targets[target])!r} and {str(job.source)!r} would both become "
                f"{str(job.target)!r}: stylize them into different folders"
            )
        targets[target] = job.source


def infer(options: InferOptions) -> int:
    """Stylize files.

    A single bad picture is an error; in a run over several the others are finished first.

    Returns:
        The exit code: 0, or 1 if some of several pictures failed.

    Raises:
        UserError: Nothing can be done at all.
    """
    jobs = plan(options)
    several = len(options.inputs) > 1 or Path(options.inputs[0]).is_dir()
    if not several and jobs[0].target is not None and not options.overwrite:
        _refuse_existing(jobs[0].target)
    stylize = Stylizer(options.model, provider=options.provider, threads=options.threads)
    if not several:
        _report(_run(jobs[0], stylize, options), options)
        return 0
    skipped, failures = [], []
    for job in _progress(jobs, options):
        assert job.target is not None
        try:
            if job.target.exists() and not options.overwrite:
                skipped.append(job.target)
                continue
            record = _run(job, stylize, options)
        except (UserError, OSError) as error:
            failures.append(str(error))
            record = {"input": str(job.source), "error": str(error)}
        if options.json:
            _report(record, options)
    _summarize(len(jobs), skipped, failures, options)
    return 1 if failures else 0


def _refuse_existing(target: Path) -> None:
    if target.is_dir():
        raise UserError(f"{str(target)!r} is a folder: name a file in it")
    if target.exists():
        raise UserError(f"{str(target)!r} exists: add --overwrite to replace it")


def _progress(jobs: list[Job], options: InferOptions) -> Iterable[Job]:
    if options.quiet:
        return jobs
    from tqdm import tqdm

    return tqdm(jobs, unit="picture", file=sys.stderr)


def _read_stdin() -> bytes:
    if sys.stdin is None:  # closed by the caller
        raise UserError("standard input is closed: pipe a picture into it, or give a file")
    return sys.stdin.buffer.read()


def _write_stdout(data: bytes) -> None:
    """Write all of `data`: under PYTHONUNBUFFERED one `write` may stop short without an error."""
    if sys.stdout is None:
        raise UserError("standard output is closed: give -o FILE")
    rest = memoryview(data)
    while rest:
        rest = rest[sys.stdout.buffer.write(rest) :]
    sys.stdout.buffer.flush()


def _run(job: Job, stylize: Stylizer, options: InferOptions) -> dict[str, Any]:
    """Read, stylize and write one picture; the record is what `--json` prints."""
    photo = open_image(_read_stdin() if job.source is None else job.source)
    started = time.perf_counter()
    painting = stylize(
        photo, strength=options.strength, keep_colors=options.keep_colors, size=options.size
    )
    milliseconds = 1000 * (time.perf_counter() - started)
    if job.target is None:
        _write_stdout(encode_image(painting))
    else:
        save_image(painting, job.target, options.quality)
    return {
        "input": PIPE if job.source is None else str(job.source),
        "output": PIPE if job.target is None else str(job.target),
        "size": list(painting.size),
        "milliseconds": round(milliseconds, 2),
    }


def _report(record: dict[str, Any], options: InferOptions) -> None:
    if options.json:
        print(json.dumps(record), flush=True)
    elif not options.quiet:
        width, height = record["size"]
        line = f"{record['input']} -> {record['output']}  {width}x{height}"
        print(f"{line}  {record['milliseconds']:.0f} ms", file=sys.stderr)


def _summarize(count: int, skipped: list[Path], failures: list[str], options: InferOptions) -> None:
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    if options.quiet:
        return
    done = count - len(skipped) - len(failures)
    line = f"{done} of {count} pictures stylized into {options.output}"
    if skipped:
        line += f", {len(skipped)} skipped since they exist (--overwrite replaces them)"
    if failures:
        line += f", {len(failures)} failed"
    print(line, file=sys.stderr)
