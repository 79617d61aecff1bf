"""Milliseconds against loss on photographs that training did not see.

    fast-nst train --network johnson --style PAINTING --photos PHOTOS --out runs/johnson
    fast-nst train --style PAINTING --photos PHOTOS --out runs/fast
    python benchmarks/time_and_loss.py runs/johnson/model.onnx runs/fast/model.onnx \
        --style PAINTING --photos PHOTOS --plot inference.svg

The models are of one recipe; PHOTOS are those that all were trained on. Losses are means over the
photographs that training holds out, at the size of the crops; times are medians at 512 px, from
processes of their own in turns, with each engine.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from turns import in_turns, milliseconds, shown, table, worker

from fast_nst.comparison.measure import model_recipe
from fast_nst.devices import to_tensor
from fast_nst.losses import build_loss
from fast_nst.pictures.edit import from_array
from fast_nst.pictures.read import open_style
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training.data import Photographs

ENGINES = {"ONNX Runtime": "onnxruntime", "OpenVINO": "openvino"}
"""Their names on the plot, and in `Stylizer`."""


def one(model: str, engine: str, threads: str) -> float:
    """Milliseconds of a model, in this process."""
    stylize = Stylizer(model, engine=engine, threads=int(threads))
    pixels = np.random.default_rng(0).integers(0, 256, (1, 512, 512, 3), dtype=np.uint8)
    return milliseconds(lambda: stylize.run(pixels), 0.5)


@torch.no_grad()
def held_out_loss(model: Path, style: Path, photos: Path) -> float:
    stylize = Stylizer(model, detail=0)
    recipe = model_recipe(stylize.metadata, str(model))
    loss = build_loss(recipe, to_tensor(open_style(style, recipe.style_size)))
    totals = []
    for crop in Photographs(photos, recipe.size, 1, 1).validation_photographs():
        pixels = crop.permute(1, 2, 0).byte().numpy()
        photo, painting = (to_tensor(from_array(each)) for each in (pixels, stylize(pixels)))
        totals.append(loss(painting, loss.content_features(photo))["total"].item())
    return statistics.mean(totals)


def milliseconds_of(model: str, threads: int, engine: str) -> float:
    return worker(__file__, "--one", model, ENGINES[engine], threads)


def draw(points: Mapping[str, tuple[float, list[float]]], path: Path) -> None:
    """A colour for each model, with its loss and its milliseconds on each engine."""
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fast_nst"}):
        figure = Figure(figsize=(8, 4), layout="constrained")
        axes = figure.subplots()
        for number, (title, (loss, times)) in enumerate(points.items()):
            for engine, marker, found in zip(ENGINES, "os", times, strict=True):
                label = f"{title.replace('`', '')}, {engine}"
                axes.plot(found, loss, marker, ms=8, color=f"C{number}", label=label)
        axes.set_xscale("log")
        axes.set_ylim(0, 1.1 * max(loss for loss, _ in points.values()))
        axes.set_xlabel("milliseconds at 512 px, 2 threads")
        axes.set_ylabel("held-out loss")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower center")
        figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Print the table, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="of one recipe")
    parser.add_argument("--style", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--plot", type=Path, default=Path("inference.svg"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(*options.one)))
        return
    recipes = [model_recipe(Stylizer(model).metadata, model) for model in options.models]
    losses = {
        model: held_out_loss(Path(model), options.style, options.photos) for model in options.models
    }
    rows: dict[str, list[str]] = {}
    points: dict[str, tuple[float, list[float]]] = {}
    for model, recipe in zip(options.models, recipes, strict=True):
        title = f"`{recipe.network}` from {recipe.init}"
        measure = partial(milliseconds_of, model, options.threads)
        times = in_turns(ENGINES, options.rounds, measure)
        points[title] = (losses[model], [statistics.median(found) for found in times.values()])
        rows[title] = [f"{recipe.steps}", f"{losses[model]:.3f}", *map(shown, times.values())]
    heads = [f"{engine}, ms" for engine in ENGINES]
    table("model", ["steps", "held-out loss", *heads], rows)
    draw(points, options.plot)


if __name__ == "__main__":
    main()
