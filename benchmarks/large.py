"""Large pictures: time and memory by size, and what painting in tiles changes.

    python benchmarks/large.py [--style composition_vii_fast] [--megapixels 6 12 ...]

prints, for a sample photograph enlarged to several sizes, whole `fast-nst infer` processes
from JPEG to JPEG, in turns: seconds a megapixel of painting, and the peak memory beside what it may
be, which is --max-memory + 0.5 GB + 6 bytes a pixel. Then how far the painting in tiles is from the
one in one piece at 6 megapixels, in three styles (`johnson`, whose weights are random, at 1.5), and
how far the one with reduced statistics is from that; also on a mosaic of photographs at their own
size, which has as much fine detail as a picture can have. At last the working memory in bytes a
pixel, in one piece and in tiles, on which `stylize/tiles.py` decides.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from turns import in_turns, peak_megabytes, resident_megabytes, shown, table, worker

from fast_nst.assets import DEFAULT_MODEL, SAMPLE_PHOTOGRAPHS
from fast_nst.commands.main import main as fast_nst
from fast_nst.engines.engine import EngineOptions, open_engine, open_graph
from fast_nst.models.catalogue import FAST, find_model, style_files
from fast_nst.models.geometry import geometry_of
from fast_nst.models.graphs import load, metadata_of
from fast_nst.pictures.edit import Array, resize, to_array
from fast_nst.pictures.read import open_image
from fast_nst.stylize.tiles import TiledNetwork, paint_in_tiles, pixels_per_tile, tiles

MEGAPIXELS = (6, 12, 14, 24, 48, 100)
COMPARED = ("composition_vii", "the_scream", "udnie")
MEMORY = EngineOptions().working_bytes


def size_of(megapixels: float) -> tuple[int, int]:
    """Width and height, 4 to 3."""
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    return width, round(width * 3 / 4)


def photograph(megapixels: float) -> Array:
    return to_array(resize(open_image(SAMPLE_PHOTOGRAPHS / "coffee.jpg"), size_of(megapixels)))


def mosaic(megapixels: float) -> Array:
    """The sample photographs at their own size, over and over."""
    width, height = size_of(megapixels)
    photos = [open_image(path) for path in sorted(SAMPLE_PHOTOGRAPHS.glob("*.jpg"))]
    side = min(min(photo.size) for photo in photos)
    canvas = Image.new("RGB", (width, height))
    for place, (top, left) in enumerate(np.ndindex(-(-height // side), -(-width // side))):
        part = photos[place % len(photos)].crop((0, 0, side, side))
        canvas.paste(part, (left * side, top * side))
    return to_array(canvas)


def infer(folder: str, megapixels: str, how: str, style: str) -> dict[str, Any]:
    """A whole run, in this process."""
    source, target = Path(folder, f"{megapixels}.jpg"), Path(folder, "out.jpg")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        options = ["--json", "--quiet", "--overwrite", "--statistics", how, "--style", style]
        code = fast_nst(["infer", str(source), "-o", str(target), *options])
    assert code == 0
    return {**json.loads(said.getvalue()), "peak": peak_megabytes()}


def memory(model: str, engine: str, megapixels: str) -> float:
    """Bytes a pixel that painting takes; `engine` may be tiles."""
    data, (width, height) = Path(model).read_bytes(), size_of(float(megapixels))
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    if engine == "tiles":
        network = tiled(data)
        parts = tiles(height, width, float("inf"), network.geometry)
        largest = max(pixels[rows.outer, columns.outer].size // 3 for rows, columns in parts)
        before = resident_megabytes()
        network.paint(pixels, parts, network.statistics(pixels, parts))
        return (peak_megabytes() - before - pixels.nbytes / 2**20) * 2**20 / largest
    loaded = open_engine(data, model, EngineOptions(engine=engine))
    before = resident_megabytes()
    loaded.run(pixels[None])
    return (peak_megabytes() - before) * 2**20 / (pixels.size / 3)


def tiled(data: bytes) -> TiledNetwork:
    options, geometry = EngineOptions(), geometry_of(metadata_of(load(data, "the model")))
    return TiledNetwork(data, "the model", geometry, lambda graph: open_graph(graph, options))


def difference(first: Array, second: Array) -> str:
    found = np.abs(first.astype(np.int16) - second)
    return f"{found.mean():.4f}, {found.max()}"


def print_runs(folder: Path, rounds: int, style: str, sizes: list[int]) -> None:
    contestants = {}
    for megapixels in sizes:
        pixels = Image.fromarray(photograph(megapixels))
        pixels.save(folder / f"{megapixels}.jpg", quality=90)
        for how in ("exact", "reduced"):
            contestants[f"{megapixels} MP, {how}"] = (megapixels, how)
    found = in_turns(
        contestants,
        rounds,
        lambda name: worker(__file__, "infer", folder, *contestants[name], style),
    )
    rows = {}
    for name, runs in found.items():
        megapixels = contestants[name][0]
        if not runs[0]["in_tiles"] and name.endswith("reduced"):
            continue
        seconds = [run["milliseconds"] / 1000 / megapixels for run in runs]
        allowed = (MEMORY + 0.5e9 + 6e6 * megapixels) / 2**20
        rows[name] = [
            "tiles" if runs[0]["in_tiles"] else "one piece",
            shown(seconds, 4),
            f"{statistics.median(run['peak'] for run in runs):.0f}",
            f"{allowed:.0f}",
        ]
    table("picture", ["painted in", "s a megapixel", "peak, MiB", "allowed, MiB"], rows)


def print_differences(models: dict[str, Path]) -> None:
    rows = {}
    for name, path in models.items():
        data = path.read_bytes()
        megapixels = 1.5 if name == "johnson" else 6
        most = pixels_per_tile(tiled(data).geometry, MEMORY)
        cells = []
        for pixels in (photograph(megapixels), mosaic(megapixels)):
            loaded = open_engine(data, name, EngineOptions(engine="onnxruntime"))
            whole = loaded.run(pixels[None])[0]
            del loaded
            exact = paint_in_tiles(pixels, tiled(data), most)
            reduced = paint_in_tiles(pixels, tiled(data), most, reduced=True)
            cells += [difference(exact, whole), difference(reduced, exact)]
        rows[name] = cells
    heads = ["tiles from one piece", "reduced from exact", "mosaic: tiles", "mosaic: reduced"]
    table("levels: mean, most", heads, rows)


def print_memory(johnson: Path) -> None:
    rows = {}
    fast = find_model(f"{DEFAULT_MODEL.stem}{FAST}")
    for name, path, sizes in (
        ("fine", DEFAULT_MODEL, (1, 4, 12)),
        ("fast", fast, (1, 4, 12)),
        ("johnson", johnson, (0.5, 1)),
    ):
        for engine in ("onnxruntime", "openvino"):
            taken = [worker(__file__, "memory", path, engine, size) for size in sizes]
            rows[f"`{name}`, {engine}"] = [shown(taken, 0)]
        rows[f"`{name}`, tiles"] = [
            shown([worker(__file__, "memory", path, "tiles", sizes[-1])], 0)
        ]
    table("working memory", ["bytes a pixel"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--style", default=f"{DEFAULT_MODEL.stem}{FAST}", help="that is timed")
    parser.add_argument("--megapixels", type=int, nargs="+", default=MEGAPIXELS)
    options = parser.parse_args()
    from fast_nst.networks import build_network
    from fast_nst.training.models import to_onnx

    with tempfile.TemporaryDirectory() as folder:
        johnson = Path(folder, "johnson.onnx")
        johnson.write_bytes(to_onnx(build_network("johnson").eval(), {"network": "johnson"}))
        print_runs(Path(folder), options.rounds, options.style, list(options.megapixels))
        models = {path.stem: path for path in style_files() if path.stem in COMPARED}
        print_differences({**models, "johnson": johnson})
        print_memory(johnson)


if __name__ == "__main__":
    kind, *rest = sys.argv[1:] or [""]
    workers: dict[str, Callable[..., object]] = {"infer": infer, "memory": memory}
    if kind in workers:
        print(json.dumps(workers[kind](*rest)))
    else:
        main()
