"""A folder of photographs: `fast-nst infer` against a plain loop, and what the stages allow.

    python benchmarks/folder.py --photos DIR

prints, for 500 photographs (those of the folder, over and over) from JPEG to JPEG, the pictures a
second of a loop `save_image(stylize(open_image(path)), ...)` over a `Stylizer`, of what
`fast-nst infer` does with a folder, and of a process a core, each of which has a loop over its part
with one thread: what is the most that the cores can do. Each in processes of its own, in turns, by
engine; start and imports are not counted, compiling OpenVINO's models is. Then the milliseconds a
picture that each stage takes of one core alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from turns import in_turns, ratio, shown, table, worker

from fast_nst.commands.infer import InferOptions
from fast_nst.engines.engine import ONNX_RUNTIME, OPENVINO, cores
from fast_nst.pictures.edit import to_image, to_pixels
from fast_nst.pictures.find import find_images
from fast_nst.pictures.read import open_image
from fast_nst.pictures.write import save_image
from fast_nst.stylize.folder import paint_folder, plan
from fast_nst.stylize.stylizer import Stylizer

PICTURES = 500


def loop(source: Path, target: Path, engine: str, part: int = 0, parts: int = 1) -> float:
    """Pictures a second, one after the other."""
    stylize = Stylizer(engine=engine, threads=None if parts == 1 else 1)
    paths = find_images(source)[part::parts]
    started = time.perf_counter()
    for path in paths:
        save_image(stylize(open_image(path)), target / path.name)
    return len(paths) / (time.perf_counter() - started)


def processes(source: Path, target: Path, engine: str) -> float:
    """Pictures a second, with a loop a core."""
    command = [sys.executable, __file__, LOOP, str(source), str(target), engine]
    running = [
        subprocess.Popen([*command, str(part), str(cores())], stdout=subprocess.PIPE)
        for part in range(cores())
    ]
    return sum(float(process.communicate()[0]) for process in running)


def folder(source: Path, target: Path, engine: str) -> float:
    """Pictures a second, as the command paints a folder."""
    options = InferOptions(inputs=[str(source)], output=str(target), engine=engine)
    jobs = plan(options.inputs, str(target))
    stylize = Stylizer(engine=engine)
    started = time.perf_counter()
    outcomes = list(paint_folder(jobs, stylize, options.paint))
    seconds = time.perf_counter() - started
    assert all(outcome.painted for outcome in outcomes)
    return len(outcomes) / seconds


def stages(source: Path, target: Path, engine: str) -> dict[str, float]:
    """Milliseconds a picture on one core, stage by stage."""
    stylize = Stylizer(engine=engine, threads=1)
    paths = find_images(source)[:100]
    stylize(paths[0])
    times = {"decoding": 0.0, "network": 0.0, "encoding": 0.0}
    for path in paths:
        started = time.perf_counter()
        photo = to_pixels(open_image(path))
        decoded = time.perf_counter()
        painting = stylize(photo.rgb)
        painted = time.perf_counter()
        save_image(to_image(dataclasses.replace(photo, rgb=painting)), target / path.name)
        for name, begin, end in (
            ("decoding", started, decoded),
            ("network", decoded, painted),
            ("encoding", painted, time.perf_counter()),
        ):
            times[name] += 1000 * (end - begin) / len(paths)
    return times


LOOP, FOLDER, PROCESSES = "a plain loop", "`fast-nst infer`", "a process a core"
STAGES = "stages"
KINDS: dict[str, Callable[..., Any]] = {
    LOOP: loop,
    FOLDER: folder,
    PROCESSES: processes,
    STAGES: stages,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    photos = find_images(arguments.photos)
    with tempfile.TemporaryDirectory() as place:
        source = Path(place, "photos")
        source.mkdir()
        for i in range(PICTURES):
            photo = photos[i % len(photos)]
            (source / f"{i:03}{photo.suffix}").symlink_to(photo.resolve())
        for engine in (ONNX_RUNTIME, OPENVINO):
            print_engine(source, Path(place), engine, arguments.rounds)


def print_engine(source: Path, place: Path, engine: str, rounds: int) -> None:
    found = in_turns(
        KINDS, rounds, lambda kind: worker(__file__, kind, source, _emptied(place / "out"), engine)
    )
    rows = {
        name: [
            shown(found[name]),
            f"{ratio(found[name], found[LOOP]):.2f}",
            f"{ratio(found[name], found[PROCESSES]):.2f}",
        ]
        for name in (LOOP, FOLDER, PROCESSES)
    }
    table(engine, ["pictures a second", "of the loop", f"of {PROCESSES}"], rows)
    names = list(found[STAGES][0])
    times = [shown([each[name] for each in found[STAGES]]) for name in names]
    table("ms a picture, one core", names, {engine: times})


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


if __name__ == "__main__":
    kind, *rest = sys.argv[1:] or [""]
    if kind in KINDS:
        photos_at, target_at, chosen, *part = rest
        found = KINDS[kind](Path(photos_at), Path(target_at), chosen, *map(int, part))
        print(json.dumps(found))
    else:
        main()
