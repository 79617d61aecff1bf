"""`fast-nst infer`: files, folders and pipes through an exported model."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from PIL import Image

from fast_nst.assets import DEFAULT_MODEL
from fast_nst.commands.progress import Progress
from fast_nst.commands.shared import blend_of, detail_option, quality_option, strength_option
from fast_nst.engines.engine import (
    ONNX_RUNTIME,
    EngineOptions,
    choose_engine,
    cores,
    providers,
)
from fast_nst.errors import UserError
from fast_nst.models.catalogue import is_name
from fast_nst.options import option, parse_flags, positional
from fast_nst.pictures.detail import DETAIL
from fast_nst.pictures.read import MOST_PIXELS, most_pixels
from fast_nst.pictures.write import FORMATS, WRITERS, encode_image, save_image
from fast_nst.stylize.folder import (
    PIPE,
    Job,
    Outcome,
    Painted,
    paint_all,
    plan,
    refuse_existing,
    several,
)
from fast_nst.stylize.painting import Manner, paint_file, paint_picture
from fast_nst.stylize.strength import FadeWarning
from fast_nst.stylize.strokes import LEAST_STROKE_SCALE, MOST_STROKE_SCALE
from fast_nst.stylize.stylizer import Stylizer


@dataclass(kw_only=True)
class InferOptions(EngineOptions):
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
    style: list[str] = option(
        "a style's name: of the gallery (fast-nst styles lists it), or of a run in runs/; several "
        "are blended, each with its share: --style starry_night:0.6 --style the_scream:0.4; "
        "default: " + DEFAULT_MODEL.stem,
        [],
        "-s",
        metavar="NAME[:SHARE]",
        repeat=True,
    )
    model: list[str] = option(
        "exported .onnx file, as a style or beside one",
        [],
        "-m",
        metavar="FILE[:SHARE]",
        repeat=True,
    )
    size: int | None = option(
        "longer side of the result, in px; default: that of the photograph",
        None,
        metavar="PX",
        least=1,
    )
    strength: float = strength_option()
    detail: float = detail_option(DETAIL)
    stroke_scale: float = option(
        "strokes so many times larger than trained; the photograph's fine detail comes back on top",
        1.0,
        metavar="FACTOR",
        least=LEAST_STROKE_SCALE,
        most=MOST_STROKE_SCALE,
    )
    keep_colors: bool = option("keep the photograph's colours, paint its light and dark", False)
    format: str | None = option(
        "of the files in a folder, or on standard output; default: that of the photograph",
        None,
        choices=FORMATS,
    )
    quality: int = quality_option()
    no_recursive: bool = option("leave out the subfolders of a folder", False)
    max_pixels: int = option(
        "refuse pictures of more, which may be files made to fill the memory",
        MOST_PIXELS,
        metavar="N",
        least=1,
    )
    overwrite: bool = option("replace output files that exist", False)
    ray: str | None = option(
        "spread a folder over a Ray cluster, an extra of its own: HOST:PORT, auto for the one that "
        "runs here, local for one on this machine; --max-memory is each worker's",
        None,
        metavar="ADDRESS",
    )
    json: bool = option("print one JSON object a picture on standard output", False)
    quiet: bool = option("print nothing but errors", False, "-q")

    def __post_init__(self) -> None:
        """Refuse what can be refused without looking at a file.

        Raises:
            UserError: A value is out of its range, or two contradict each other.
        """
        super().__post_init__()
        for name in blend_of(self.style, "--style NAME"):
            if not is_name(name):
                raise UserError(f"--style {name!r} is no name: give one, or -m FILE")
        self.blend  # noqa: B018, it raises what is wrong with the shares
        if not all(self.inputs):
            raise UserError("an input has no name: give image files, folders or -")
        if not self.output:
            raise UserError("no output: add -o FILE for one picture, -o FOLDER for several")
        if PIPE in self.inputs and len(self.inputs) > 1:
            raise UserError("- (standard input) cannot be mixed with other inputs: give it alone")
        is_folder = self.output.endswith("/") or Path(self.output).is_dir()
        if self.format and Path(self.output).suffix.lower() in WRITERS and not is_folder:
            raise UserError(f"-o {self.output} names a format already: leave out --format")
        if self.output == PIPE and self.json:
            raise UserError("--json and -o - both want standard output: give one of them")

    @property
    def manner(self) -> Manner:
        """How pictures are painted."""
        names = (field.name for field in dataclasses.fields(Manner))
        return Manner(**{name: getattr(self, name) for name in names})

    @property
    def blend(self) -> dict[str, float]:
        """What paints, with its shares; empty for the default style."""
        return blend_of([*self.style, *self.model], "NAME")


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Stylize what the command line says.

    A single bad picture is an error; in a run over several the others are finished first.

    Returns:
        The exit code: 0, or 1 if some of several pictures failed.

    Raises:
        UserError: Nothing can be done at all.
    """
    here = f"; here: {', '.join(providers())}"
    options = parse_flags(InferOptions, argv, prog, description, provider=here)
    with most_pixels(options.max_pixels):
        return _run(options)


def _run(options: InferOptions) -> int:
    assert options.output is not None
    suffix = f".{options.format}" if options.format else None
    jobs = plan(options.inputs, options.output, suffix, not options.no_recursive)
    is_single = not several(options.inputs)
    if is_single and options.ray is not None:
        raise UserError("--ray spreads folders, and this is one picture: leave it out")
    if is_single and jobs[0].target is not None and not options.overwrite:
        refuse_existing(jobs[0].target)
    stylize = Stylizer(
        options.blend or None,
        strength=options.strength,
        detail=options.detail,
        engine=choose_engine(options, len(jobs) / _workers(jobs, options)),
        provider=options.provider,
        precision=options.precision,
        threads=options.threads,
        max_memory=options.max_memory,
        statistics=options.statistics,
    )
    if 0 < options.strength < 1 and stylize.unmixable:
        warnings.simplefilter("ignore", FadeWarning)  # said here, once and in one line
        if not options.quiet:
            line = f"note: strength {options.strength:g} fades pixels: {stylize.unmixable}"
            print(line, file=sys.stderr)

    if is_single:
        progress = Progress(options.quiet, unit="tile")
        try:
            painted = _paint(jobs[0], stylize, options, progress.show)
        finally:  # an error begins a line of its own
            progress.close()
        _report(Outcome(jobs[0], painted), stylize.engine, options, sys.stdout)
        return 0
    outcomes = []
    said = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # Ray has things to say, from threads
        for outcome in _shown(paint_folder(jobs, stylize, options), len(jobs), options.quiet):
            outcomes.append(outcome)
            if options.json:
                _report(outcome, stylize.engine, options, said)
    _summarize(outcomes, options)
    return 1 if any(outcome.error for outcome in outcomes) else 0


def _workers(jobs: Sequence[Job], options: InferOptions) -> int:
    """How many pictures are worked on at a time."""
    return max(min(options.threads or cores(), len(jobs)), 1)


def paint_folder(
    jobs: Sequence[Job], stylize: Stylizer, options: InferOptions
) -> Iterator[Outcome]:
    """Read, stylize and write several pictures, as many at a time as there are threads or cores.

    Args:
        jobs: From `plan`.
        stylize: With what; on a CPU each thread has a twin of it.
        options: How.

    Yields:
        What became of each: in the order of the jobs, but from a cluster.
    """
    if options.ray is not None:
        from fast_nst.stylize.cluster import paint_on_cluster  # a picture alone starts without

        yield from paint_on_cluster(jobs, stylize, options.manner, options.overwrite, options.ray)
        return
    threads, workers = options.threads or cores(), _workers(jobs, options)
    own = threading.local()

    def paint(job: Job) -> Painted:
        if not hasattr(own, "stylize"):
            is_twin = options.on_cpu and workers > 1
            own.stylize = stylize.clone(threads // workers, workers) if is_twin else stylize
        return paint_file(job, own.stylize, options.manner)

    yield from paint_all(jobs, paint, options.overwrite, workers)


def _shown(outcomes: Iterator[Outcome], total: int, quiet: bool) -> Iterator[Outcome]:
    progress = Progress(quiet, unit="picture")
    progress.show(0, total)
    try:
        for done, outcome in enumerate(outcomes, start=1):
            progress.show(done, total)
            yield outcome
    finally:
        progress.close()


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


def _paint(
    job: Job, stylize: Stylizer, options: InferOptions, show: Callable[[int, int], Any]
) -> Painted:
    """A picture alone, which may come through a pipe or go into one."""

    def write(image: Image.Image) -> None:
        if job.target is None:
            file_format = WRITERS[f".{options.format or 'png'}"]
            _write_stdout(encode_image(image, file_format, options.quality))
        else:
            save_image(image, job.target, options.quality)

    source = _read_stdin() if job.source is None else job.source
    return paint_picture(source, write, stylize, options.manner, show)


def _name(path: Path | None) -> str:
    return PIPE if path is None else str(path)


def _on_a_line(name: str) -> str:
    """A name as it is, or quoted if it has line breaks and the like."""
    return name if name.isprintable() else repr(name)


def _report(outcome: Outcome, engine: str, options: InferOptions, stdout: TextIO | None) -> None:
    """Say what became of a picture, in one JSON object or one line."""
    source, target = _name(outcome.job.source), _name(outcome.job.target)
    painted = outcome.painted
    if options.json:
        record: dict[str, Any] = {"input": source}
        if outcome.error is not None:
            record["error"] = outcome.error
        else:
            record["output"] = target
        if outcome.skipped:
            record["skipped"] = "it exists"
        if painted is not None:
            record |= {
                "size": painted.size,
                "milliseconds": round(painted.milliseconds, 2),
                "engine": ONNX_RUNTIME if painted.in_tiles else engine,
                "precision": "32" if painted.in_tiles else options.precision,
                "in_tiles": painted.in_tiles,
            }
        print(json.dumps(record), flush=True, file=stdout)
    elif painted is not None and not options.quiet:
        width, height = painted.size
        names = f"{_on_a_line(source)} -> {_on_a_line(target)}"
        line = f"{names}  {width}x{height}  {painted.milliseconds:.0f} ms"
        print(line, file=sys.stderr)


def _summarize(outcomes: Sequence[Outcome], options: InferOptions) -> None:
    failures = [outcome.error for outcome in outcomes if outcome.error is not None]
    skipped = sum(outcome.skipped for outcome in outcomes)
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    if options.quiet:
        return
    done = len(outcomes) - skipped - len(failures)
    line = f"{done} of {len(outcomes)} pictures stylized into {options.output}"
    if skipped:
        line += f", {skipped} skipped since they exist (--overwrite replaces them)"
    if failures:
        line += f", {len(failures)} failed"
    print(line, file=sys.stderr)
