"""`fast-nst infer`: files, folders and pipes through an exported model."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from fast_nst.assets import DEFAULT_MODEL
from fast_nst.commands.outputs import check_stdout, stdout_errors
from fast_nst.commands.progress import Progress, log
from fast_nst.commands.shared import (
    blend_of,
    detail_option,
    quality_option,
    refuse_existing,
    strength_option,
)
from fast_nst.engines.engine import ONNX_RUNTIME, EngineOptions, providers
from fast_nst.errors import FadeWarning, UserError
from fast_nst.files import names_folder
from fast_nst.models.model import Model
from fast_nst.options import option, parse_flags, positional
from fast_nst.pictures.edit import to_image
from fast_nst.pictures.find import expand_patterns
from fast_nst.pictures.read import MAX_PIXELS, pixel_limit
from fast_nst.pictures.write import FORMATS, WRITERS, encode_image, save_image
from fast_nst.stylize.folder import (
    PIPE,
    Job,
    Outcome,
    Painted,
    paint_folder,
    plan,
    several,
    workers_for,
)
from fast_nst.stylize.masks import Masks
from fast_nst.stylize.painting import (
    MAX_STROKE_SCALE,
    MIN_STROKE_SCALE,
    PaintOptions,
    memory_for,
    paint_image,
)
from fast_nst.stylize.stylizer import Stylizer

_PATIENCE = 5.0  # s of silence while a pipe is read


@dataclass(kw_only=True)
class InferOptions(EngineOptions):
    """Options of `fast-nst infer`."""

    inputs: list[str] = positional(
        'image files, folders, patterns such as "*.jpg", or - for standard input', metavar="PHOTO"
    )
    output: str | None = option(
        "image file; folder, a new one for a single picture ends in /; or - for PNG on standard "
        "output (required)",
        None,
        "-o",
        metavar="OUT",
    )
    style: list[str] = option(
        "name of a style (fast-nst styles lists them) or an .onnx file; repeat it to blend styles "
        "by their weights: --style starry_night:0.6 --style the_scream:0.4; default: "
        + DEFAULT_MODEL.stem,
        [],
        "-s",
        metavar="NAME[:WEIGHT]",
        repeat=True,
    )
    model: list[str] = option(
        "exported .onnx file to use as a style",
        [],
        "-m",
        metavar="FILE[:WEIGHT]",
        repeat=True,
    )
    size: int | None = option(
        "longer side of the result, in px; default: that of the photograph",
        None,
        metavar="PX",
        least=1,
    )
    strength: float = strength_option()
    detail: float = detail_option(PaintOptions.detail)
    stroke_scale: float = option(
        "size of the strokes as a multiple of the trained size; some of the photograph's fine "
        "detail is added",
        PaintOptions.stroke_scale,
        metavar="FACTOR",
        least=MIN_STROKE_SCALE,
        most=MAX_STROKE_SCALE,
    )
    mask: str | None = option(
        "image of where to paint: white is painted, black left, grey a soft edge; of an image with "
        "transparent pixels, its alpha channel; stretched to the result's size; for a folder, one "
        "mask or a folder of masks with the pictures' names and any suffix",
        None,
        metavar="MASK",
    )
    outside: str | None = option(
        "style or .onnx file for what is outside the mask; default: the photograph is left",
        None,
        metavar="STYLE",
    )
    keep_colors: bool = option("keep the photograph's colors, and paint its lightness", False)
    format: str | None = option(
        "format of the files in a folder, or on standard output; default: that of the photograph",
        None,
        choices=FORMATS,
    )
    quality: int = quality_option()
    no_recursive: bool = option("do not search subfolders", False)
    max_pixels: int = option(
        "reject images with more pixels; guards against decompression bombs",
        MAX_PIXELS,
        metavar="N",
        least=1,
    )
    overwrite: bool = option("replace existing output files", False)
    ray: str | None = option(
        "paint several pictures on a Ray cluster (an extra): HOST:PORT, auto for the one that runs "
        "here, local to start one on this machine; --max-memory is per worker",
        None,
        metavar="ADDRESS",
    )
    json: bool = option("print one JSON object per picture on standard output", False)
    quiet: bool = option("print nothing but errors", False, "-q")

    def __post_init__(self) -> None:
        """Validate the options without reading a file.

        Raises:
            UserError: A value is out of its range, or two contradict each other.
        """
        super().__post_init__()
        self.blend  # noqa: B018, it checks the weights
        if not all(self.inputs):
            raise UserError("an input has no name: give image files, folders or -")
        if not self.output:
            raise UserError("no output: add -o FILE for one picture, -o FOLDER for several")
        if self.outside is not None and self.mask is None:
            raise UserError("--outside is given without a mask: add --mask MASK")
        if PIPE in self.inputs and len(self.inputs) > 1:
            raise UserError("- (standard input) cannot be mixed with other inputs: give it alone")
        is_file = Path(self.output).suffix.lower() in WRITERS and not names_folder(self.output)
        if self.format and is_file:
            raise UserError(f"-o {self.output} names a format already: leave out --format")
        if self.output == PIPE and self.json:
            raise UserError("--json and -o - both want standard output: give one of them")

    @property
    def paint(self) -> PaintOptions:
        """How pictures are painted."""
        names = (field.name for field in dataclasses.fields(PaintOptions))
        return PaintOptions(**{name: getattr(self, name) for name in names})

    @property
    def blend(self) -> dict[str, float]:
        """The styles' names and weights; empty for the default style."""
        return blend_of([*self.style, *self.model], "NAME")


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Run `fast-nst infer`.

    Returns:
        The exit code: 0, or 1 if some of several pictures failed.

    Raises:
        UserError: An option is wrong, the model cannot be used, or the only picture failed.
    """
    available = f"; available: {', '.join(providers())}"
    options = parse_flags(InferOptions, argv, prog, description, provider=available)
    assert options.output is not None
    if options.output == PIPE:
        check_stdout()
    options.inputs = expand_patterns(options.inputs)
    suffix = f".{options.format}" if options.format else None
    recursive = not options.no_recursive
    jobs = plan(options.inputs, options.output, suffix, recursive, options.mask)
    is_single = not several(options.inputs)
    if is_single and options.ray is not None:
        raise UserError("--ray is for several pictures, and this is one: leave it out")
    if is_single and jobs[0].target is not None and not options.overwrite:
        refuse_existing(jobs[0].target)
    stylizer = Stylizer(
        options.blend or None,
        strength=options.strength,
        detail=options.detail,
        pictures=len(jobs) / workers_for(jobs, options.threads),
        **options.arguments(),
    )
    outside = None if options.outside is None else Model.read(options.outside)
    if outside is not None:  # errors now rather than with each picture
        stylizer.session.engine(outside, outside.network_strength(options.strength))
    for model in (stylizer.model, outside):
        if model is not None and 0 < options.strength < 1 and model.unmixable:
            warnings.simplefilter("ignore", FadeWarning)  # printed here, once and in one line
            if not options.quiet:
                line = f"note: strength {options.strength:g} fades pixels: {model.unmixable}"
                print(line, file=sys.stderr)
    with pixel_limit(options.max_pixels):
        masks = None
        if options.mask is not None:
            masks = Masks.open(
                Path(options.mask), None if outside is None else (outside, options.paint)
            )
        return (_paint_single if is_single else _paint_folder)(jobs, stylizer, options, masks)


def _paint_single(
    jobs: Sequence[Job], stylizer: Stylizer, options: InferOptions, masks: Masks | None
) -> int:
    """Paint a single picture, from a file or standard input to a file or standard output."""
    job, paint = jobs[0], options.paint
    source: Path | bytes
    if job.source is None or job.source.is_fifo():
        source = _read_pipe(job.source, options.quiet)
    else:
        source = job.source
    progress = Progress(options.quiet, unit="tile")
    try:
        region = None if masks is None else masks.region(job.source, job.mask)
        painting = paint_image(
            source, stylizer.model, stylizer.session, paint, progress.update, region
        )
    finally:  # before an error is printed
        progress.close()
    with memory_for(source):
        image = to_image(painting.pixels)
        if job.target is None:
            file_format = WRITERS[f".{options.format or 'png'}"]
            _write_stdout(encode_image(image, file_format, options.quality))
        else:
            save_image(image, job.target, options.quality)
    painted = Painted(image.size, painting.milliseconds, painting.is_tiled)
    _report(Outcome(job, painted), stylizer.engine, options, sys.stdout)
    return 0


def _paint_folder(
    jobs: Sequence[Job], stylizer: Stylizer, options: InferOptions, masks: Masks | None
) -> int:
    """Paint several pictures; errors are printed after the others are finished."""
    outcomes = []
    stdout = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # Ray prints from threads
        if options.ray is None:
            painted = paint_folder(jobs, stylizer, options.paint, options.overwrite, masks)
        else:
            from fast_nst.stylize.cluster import paint_on_cluster  # imports Ray

            painted = paint_on_cluster(
                jobs, stylizer, options.paint, options.overwrite, options.ray, masks
            )
        for outcome in _with_progress(painted, len(jobs), options.quiet):
            outcomes.append(outcome)
            if options.json:
                _report(outcome, stylizer.engine, options, stdout)
    _summarize(outcomes, options)
    return 1 if any(outcome.error for outcome in outcomes) else 0


def _with_progress(outcomes: Iterator[Outcome], total: int, quiet: bool) -> Iterator[Outcome]:
    progress = Progress(quiet, unit="picture")
    progress.update(0, total)
    try:
        for done, outcome in enumerate(outcomes, start=1):
            progress.update(done, total)
            yield outcome
    finally:
        progress.close()


def _read_pipe(path: Path | None, quiet: bool) -> bytes:
    """Read a named pipe, or standard input; after a while, say that it is waited for."""
    if path is None and sys.stdin is None:  # closed by the caller
        raise UserError("standard input is closed: pipe a picture into it, or give a file")
    if path is None and sys.stdin.isatty():
        raise UserError("standard input is a terminal: pipe a picture into it, or give a file")
    name = "standard input" if path is None else repr(str(path))
    notice = threading.Timer(_PATIENCE, log, [f"waiting for a picture from {name}"])
    notice.daemon = True
    if not quiet:
        notice.start()
    try:
        return sys.stdin.buffer.read() if path is None else path.read_bytes()
    finally:
        notice.cancel()


def _write_stdout(data: bytes) -> None:
    """Write all of `data`; with PYTHONUNBUFFERED, one `write` may write less of it."""
    rest = memoryview(data)
    with stdout_errors():
        while rest:
            rest = rest[sys.stdout.buffer.write(rest) :]
        sys.stdout.buffer.flush()


def _name(path: Path | None) -> str:
    return PIPE if path is None else str(path)


def _printable(name: str) -> str:
    """The name, quoted if it has line breaks or other control characters."""
    return name if name.isprintable() else repr(name)


def _report(outcome: Outcome, engine: str, options: InferOptions, stdout: TextIO | None) -> None:
    """Print the outcome of a picture as a JSON object or as a line."""
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
                "engine": ONNX_RUNTIME if painted.is_tiled else engine,
                "precision": "32" if painted.is_tiled else options.precision,
                "in_tiles": painted.is_tiled,
            }
        with stdout_errors():
            print(json.dumps(record), flush=True, file=stdout)
    elif painted is not None and not options.quiet:
        width, height = painted.size
        names = f"{_printable(source)} -> {_printable(target)}"
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
