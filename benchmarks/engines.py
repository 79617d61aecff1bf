"""How the engines are best set, and from how many pictures on OpenVINO pays.

    python benchmarks/engines.py

prints for ONNX Runtime what each session option does to the package's default style: milliseconds
at 512 and 1024 px, alone and in turns with a second session of the same process, whose idle threads
may spin; CPU time that a picture costs, with the 50 ms after it; and the process's peak memory.
Then whole `fast-nst infer` processes on folders of equal photographs, by engine, and what OpenVINO
saves: its start is later. Each number is from a process of its own, in turns; medians with least
and most. At last how far OpenVINO's pixels are from ONNX Runtime's, in the ten styles on the sample
photographs at 512 px.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from turns import (
    in_turns,
    milliseconds,
    peak_megabytes,
    seconds_of,
    shown,
    table,
    worker,
)

from fast_nst.assets import DEFAULT_MODEL, REFERENCE_PHOTOGRAPHS
from fast_nst.engines.engine import OnnxRuntime
from fast_nst.engines.openvino import has_bf16
from fast_nst.models.catalogue import style_files
from fast_nst.models.signature import INPUT
from fast_nst.pictures.edit import Array, resize_longest, to_array
from fast_nst.pictures.read import open_photograph
from fast_nst.stylize.stylizer import Stylizer

CHOSEN = "as `engines/engine.py` sets it"
SPIN, STOP = "session.intra_op.spin_duration_us", "session.force_spinning_stop"
# What differs from ONNX Runtime's defaults: config entries, then attributes.
VARIANTS: dict[str, tuple[dict[str, str], dict[str, bool]]] = {
    "ONNX Runtime's defaults": ({}, {}),
    "threads do not spin": ({"session.intra_op.allow_spinning": "0"}, {}),
    "they stop after each picture": ({STOP: "1"}, {}),
    "they spin 0.05 ms": ({SPIN: "50"}, {}),
    "they spin 0.2 ms": ({SPIN: "200"}, {}),
    "they spin 1 ms": ({SPIN: "1000"}, {}),
    "no memory pattern": ({}, {"enable_mem_pattern": False}),
    "no arena": ({}, {"enable_cpu_mem_arena": False}),
    "neither": ({}, {"enable_mem_pattern": False, "enable_cpu_mem_arena": False}),
}
SIZES = (512, 1024)
FOLDERS = (1, 8, 16, 32, 64)


def painter(variant: str, threads: int) -> Callable[[Array], object]:
    data = DEFAULT_MODEL.read_bytes()
    if variant == CHOSEN:
        return OnnxRuntime(data, "the default style", "cpu", threads).run
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    entries, attributes = VARIANTS[variant]
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    for name, flag in attributes.items():
        setattr(options, name, flag)
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(None, {INPUT: pixels})


def one(variant: str, threads: int, seconds: float) -> dict[str, float]:
    """All of a variant's numbers, in this process."""
    random = np.random.default_rng(0)
    small, large = (random.integers(0, 256, (1, n, n, 3), dtype=np.uint8) for n in SIZES)
    first = painter(variant, threads)
    found = {
        "512 px, ms": milliseconds(lambda: first(small), seconds),
        "1024 px, ms": milliseconds(lambda: first(large), seconds),
    }
    before = time.process_time()
    first(small)
    time.sleep(0.05)
    found["CPU time, ms"] = 1000 * (time.process_time() - before)
    found["peak memory, MB"] = peak_megabytes()
    second = painter(variant, threads)

    def both() -> None:
        first(small)
        second(small)

    found["512 px, two sessions, ms"] = milliseconds(both, seconds) / 2
    return found


def session_options(rounds: int, threads: int, seconds: float) -> None:
    """What each session option does."""
    names = [*VARIANTS, CHOSEN]
    found = in_turns(names, rounds, lambda name: worker(__file__, "--one", name, threads, seconds))
    heads = list(found[names[0]][0])
    rows = {
        name: [shown([turn[head] for turn in turns]) for head in heads]
        for name, turns in found.items()
    }
    table(f"ONNX Runtime, {threads} threads", heads, rows)


def folders(rounds: int) -> None:
    """Whole runs over folders, by engine."""
    engines = ("onnxruntime", "openvino")
    rows = {}
    with tempfile.TemporaryDirectory() as temporary:
        for size in SIZES:
            photo = resize_longest(open_photograph(REFERENCE_PHOTOGRAPHS[0]), size)
            for count in FOLDERS:
                source, target = Path(temporary, f"{size}-{count}"), Path(temporary, "out")
                source.mkdir()
                for number in range(count):
                    photo.save(source / f"{number}.jpg", quality=95)
                command = ["-m", "fast_nst.commands.main", "infer", source, "-o", target]
                command += ["--overwrite", "--quiet", "--engine"]
                times = in_turns(engines, rounds, lambda engine: seconds_of([*command, engine]))  # noqa: B023
                saved = [a - b for a, b in zip(*times.values(), strict=True)]
                rows[f"{count} of {photo.width}x{photo.height}"] = [
                    *(shown(values, 2) for values in times.values()),
                    f"{statistics.median(saved):+.2f}",
                ]
    table("`fast-nst infer`, s", [*engines, "saved"], rows)


def differences() -> None:
    """Levels of 255 between the engines' pixels."""
    photos = [
        to_array(resize_longest(open_photograph(path), SIZES[0])).copy()
        for path in REFERENCE_PHOTOGRAPHS
    ]
    precisions = ["32", "bf16"] if has_bf16() else ["32"]
    found: dict[str, list[Array]] = {precision: [] for precision in precisions}
    for style in style_files():
        exact = Stylizer(style)
        for precision, values in found.items():
            stylize = Stylizer(style, engine="openvino", precision=precision)
            values += [np.abs(stylize(photo).astype(int) - exact(photo)) for photo in photos]
    rows = {
        f"OpenVINO, {precision}": [
            shown([float(value.mean()) for value in values], 4),
            str(max(int(value.max()) for value in values)),
        ]
        for precision, values in found.items()
    }
    table("from ONNX Runtime, levels", ["mean", "most"], rows)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each number in a round")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        variant, threads, seconds = options.one
        print(json.dumps(one(variant, int(threads), float(seconds))))
        return
    print(f"ONNX Runtime {onnxruntime.__version__}, {sys.platform}")
    session_options(options.rounds, options.threads, options.seconds)
    folders(options.rounds)
    differences()


if __name__ == "__main__":
    main()
