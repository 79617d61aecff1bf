"""Frames a second, from file to file, next to a loop of OpenCV's.

    pip install opencv-python-headless
    python benchmarks/video.py

The loop reads a frame, paints it with ONNX Runtime and writes it, one after the other, with no
sound; OpenCV's wheel writes MPEG-4, which is cheaper than the H.264 that `fast-nst video` writes.
All in turns, a process each; medians with their range, and the ratio to the loop in the same round.
Then what a frame costs one core, step by step, with x264's preset and the one above it, and the
peak of memory for a short and a long video.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from turns import in_turns, peak_megabytes, ratio, shown, table, worker

from fast_nst import Stylizer
from fast_nst.assets import DEFAULT_MODEL, SAMPLE_PHOTOGRAPHS
from fast_nst.engines.openvino import has_bf16
from fast_nst.models.catalogue import FAST, find_model
from fast_nst.pictures.edit import resize
from fast_nst.pictures.read import MAX_PIXELS, open_photograph
from fast_nst.stylize.painting import PaintOptions
from fast_nst.stylize.stream import Stream, Task, thumbnail
from fast_nst.stylize.video import stylize_video
from fast_nst.videos.clip import Clip, Frame
from fast_nst.videos.codecs import ENCODERS
from fast_nst.videos.read import VideoReader
from fast_nst.videos.write import VideoWriter

SIZES = {(640, 360): 600, (1280, 720): 200}  # px: frames
RATE = 30
LOOP = "OpenCV's loop"
LONG = ("ONNX Runtime", "OpenVINO")  # that are given a long video too
FILM_MODEL, STYLE = f"{DEFAULT_MODEL.stem}{FAST}", DEFAULT_MODEL.stem
CONTESTANTS = {
    "ONNX Runtime": ("onnxruntime", True, FILM_MODEL),
    "ONNX Runtime, each frame for itself": ("onnxruntime", False, FILM_MODEL),
    "OpenVINO": ("openvino", True, FILM_MODEL),
    "OpenVINO, bf16": ("openvino", True, FILM_MODEL),
    "`fine`, ONNX Runtime": ("onnxruntime", True, STYLE),
    "`fine`, OpenVINO, bf16": ("openvino", True, STYLE),
}


def make_clip(path: Path, size: tuple[int, int], frames: int) -> None:
    """A photograph that is panned over, with a sensor's noise."""
    width, height = size
    photo = open_photograph(SAMPLE_PHOTOGRAPHS / "coffee.jpg")
    wide = resize(photo, (2 * width, round(photo.height * 2 * width / photo.width)))
    clip = Clip(width, height, Fraction(RATE), Fraction(1, RATE))
    writer = VideoWriter(path, path, clip)
    rng = np.random.default_rng(0)
    for number in range(frames):
        left = round((wide.width - width) * number / frames)
        seen = np.asarray(wide.crop((left, 40, left + width, 40 + height)), np.float32)
        noisy = seen + 3 * rng.standard_normal(seen.shape, dtype=np.float32)
        writer.write(Frame(np.rint(noisy).clip(0, 255).astype(np.uint8), Fraction(number, RATE)))
    writer.finish()


def loop(source: str, target: str) -> int:
    """What people write who paint a video with OpenCV."""
    import cv2
    import onnxruntime

    session = onnxruntime.InferenceSession(str(find_model(FILM_MODEL)))
    reader = cv2.VideoCapture(source)
    size = (int(reader.get(cv2.CAP_PROP_FRAME_WIDTH)), int(reader.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    writer = cv2.VideoWriter(target, cv2.VideoWriter.fourcc(*"mp4v"), RATE, size)
    count = 0
    while True:
        there, frame = reader.read()
        if not there:
            break
        image = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        painted: Any = session.run(None, {"image": image[None]})[0]
        writer.write(cv2.cvtColor(painted[0], cv2.COLOR_RGB2BGR))
        count += 1
    writer.release()
    return count


def work(contestant: str, source: str) -> dict[str, float]:
    """One run: frames a second, from opening the file to closing the other, and peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / "out.mp4")
        started = time.perf_counter()
        if contestant == LOOP:
            frames = loop(source, target)
        else:
            engine, steady, name = CONTESTANTS[contestant]
            precision = "bf16" if "bf16" in contestant else "32"
            stylize = Stylizer(name, engine=engine, precision=precision)
            frames = stylize_video(source, target, stylize, steady=steady).frames
        seconds = time.perf_counter() - started
    return {"rate": frames / seconds, "megabytes": peak_megabytes()}


def steps(clip: Path) -> None:
    """Milliseconds of one core a frame, and what presets make of it."""
    reader = VideoReader(clip, None, Fraction(0), None, MAX_PIXELS)
    frames: list[Frame] = []
    cost = {"decoding": spent(lambda: frames.extend(reader.frames()))}
    stylizer = Stylizer(FILM_MODEL, threads=1)
    paintings: list[Frame] = []
    tasks = [Task(frame, stylizer.model, PaintOptions(detail=0)) for frame in frames]
    cost["network"] = spent(lambda: paintings.extend(Stream(stylizer).paint(tasks)))
    cost["telling scenes apart"] = spent(lambda: [thumbnail(frame.pixels) for frame in frames])
    default = ENCODERS["h264"]
    sizes = {}
    for preset in ("superfast", "veryfast"):
        ENCODERS["h264"] = replace(default, options=(("preset", preset),))
        target = clip.with_name(f"{preset}.mp4")

        def encode(target: Path = target) -> None:
            writer = VideoWriter(target, target, reader.clip)
            for painting in paintings:
                writer.write(painting)
            writer.finish()

        cost[f"encoding, {preset}"] = spent(encode)
        sizes[f"encoding, {preset}"] = f"{target.stat().st_size / 1e6:.2f}"
    ENCODERS["h264"] = default
    rows = {
        step: [f"{1000 * seconds / len(frames):.1f}", sizes.get(step, "")]
        for step, seconds in cost.items()
    }
    table(f"{reader.clip.width}x{reader.clip.height}", ("ms of one core a frame", "file, MB"), rows)


def spent(work: Callable[[], object]) -> float:
    """Seconds of processor time."""
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", nargs=2, metavar=("CONTESTANT", "CLIP"), help="one run")
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(work(*options.worker)))
        return
    with tempfile.TemporaryDirectory() as folder:
        for size, frames in SIZES.items():
            clip = Path(folder) / f"{size[0]}.mp4"
            make_clip(clip, size, frames)
            names = [LOOP, *(name for name in CONTESTANTS if has_bf16() or "bf16" not in name)]
            found = in_turns(
                names,
                options.rounds,
                lambda name, clip=clip: worker(__file__, "--worker", name, clip),  # type: ignore[misc]
            )
            rates = {name: [run["rate"] for run in runs] for name, runs in found.items()}
            rows = {
                name: [
                    shown(rates[name]),
                    f"{ratio(rates[name], rates[LOOP]):.2f}",
                    shown([run["megabytes"] for run in found[name]], 0),
                ]
                for name in names
            }
            table(f"{size[0]}x{size[1]}", ("frames a second", "to the loop", "peak, MB"), rows)
            make_clip(clip, size, 100)
            steps(clip)
        rows = {}
        for frames in (300, 1800):
            clip = Path(folder) / "long.mp4"
            make_clip(clip, (640, 360), frames)
            peaks = [worker(__file__, "--worker", n, clip)["megabytes"] for n in LONG]
            rows[f"{frames} frames of 640x360"] = [f"{peak:.0f}" for peak in peaks]
        table("peak, MB", LONG, rows)


if __name__ == "__main__":
    main()
