"""Frames a second, from file to file, next to a loop of OpenCV's.

    pip install opencv-python-headless
    python benchmarks/video.py

The loop reads a frame, paints it with ONNX Runtime and writes it, one after the other, with no
sound; OpenCV's wheel writes MPEG-4, which is cheaper than the H.264 that `fast-nst video` writes.
All in turns, a process each; medians with their range, and the ratio to the loop in the same round.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from turns import in_turns, peak_megabytes, ratio, shown, table, worker

from fast_nst import Stylizer
from fast_nst.assets import DEFAULT_MODEL, SAMPLE_PHOTOGRAPHS
from fast_nst.pictures.edit import resize
from fast_nst.pictures.read import open_photograph
from fast_nst.stylize.gallery import find_model, steady_name
from fast_nst.stylize.openvino_engine import has_bf16
from fast_nst.stylize.video import stylize_video
from fast_nst.videos.clip import Clip, Frame
from fast_nst.videos.write import VideoWriter

SIZES = {(640, 360): 600, (1280, 720): 200}  # px: frames
RATE = 30
LOOP = "OpenCV's loop"
CONTESTANTS = {
    "ONNX Runtime": ("onnxruntime", True),
    "ONNX Runtime, each frame for itself": ("onnxruntime", False),
    "OpenVINO": ("openvino", True),
    "OpenVINO, bf16": ("openvino", True),
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

    session = onnxruntime.InferenceSession(str(find_model(steady_name(DEFAULT_MODEL.stem))))
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
            engine, steady = CONTESTANTS[contestant]
            precision = "bf16" if "bf16" in contestant else "32"
            name = steady_name(DEFAULT_MODEL.stem)
            stylize = Stylizer(name, engine=engine, precision=precision)
            frames = stylize_video(source, target, stylize, steady=steady).frames
        seconds = time.perf_counter() - started
    return {"rate": frames / seconds, "megabytes": peak_megabytes()}


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
            names = [LOOP, *CONTESTANTS]
            if not has_bf16():
                names.remove("OpenVINO, bf16")
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


if __name__ == "__main__":
    main()
