"""Seconds of the networks and of the optimizer: Johnson et al. 2016, table 1, on this CPU.

    python benchmarks/paper_table.py --style paintings/starry_night.jpg

The networks run through ONNX Runtime on raw pixels, as people use them; `johnson` has random
weights, on which its speed does not depend. The optimizer's seconds are those of `--iterations`
iterations times 100, 300 and 500, over their number: running 500 at 1024x1024 takes an hour here.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from pathlib import Path

import torch

from fast_nst.assets import DEFAULT_MODEL
from fast_nst.devices import to_tensor
from fast_nst.losses import build_loss
from fast_nst.models.catalogue import FAST
from fast_nst.networks import build_network
from fast_nst.pictures.edit import Array, to_array
from fast_nst.pictures.read import open_photograph, open_style
from fast_nst.reference.optimizer import optimize
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training.models import to_onnx
from fast_nst.training.settings import TrainConfig

ROOT = Path(__file__).parents[1]
COUNTS = (100, 300, 500)


def network_milliseconds(stylizer: Stylizer, pixels: Array, repeats: int) -> list[float]:
    for _ in range(2):
        stylizer.run(pixels)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        stylizer.run(pixels)
        times.append(1000 * (time.perf_counter() - started))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--style", type=Path, required=True)
    parser.add_argument("--photo", type=Path, default=ROOT / "fast_nst/assets/photos/astronaut.jpg")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--iterations", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    johnson = Stylizer(to_onnx(build_network("johnson").eval(), {}), threads=options.threads)
    networks = {
        "johnson": johnson,
        "fine": Stylizer(threads=options.threads, detail=0),
        "fast": Stylizer(f"{DEFAULT_MODEL.stem}{FAST}", threads=options.threads, detail=0),
    }
    style = to_tensor(open_style(options.style, TrainConfig().style_size))
    loss = build_loss(TrainConfig(), style)
    heads = [f"{count} it. (s)" for count in COUNTS]
    print(f"| size | {' (ms) | '.join(networks)} (ms) | {' | '.join(heads)} | 500 it. / network |")
    print("|---" * (3 + len(networks) + len(COUNTS) - 1) + "|")
    for size in options.sizes:
        photo = open_photograph(options.photo).resize((size, size))
        times = {
            name: network_milliseconds(network, to_array(photo)[None], options.repeats)
            for name, network in networks.items()
        }
        history = optimize(to_tensor(photo), None, loss, steps=options.iterations).history
        # The last iterate is scored without a gradient.
        each = [b.seconds - a.seconds for a, b in itertools.pairwise(history[:-1])]
        second = statistics.fmean(each)
        cells = [
            f"{statistics.median(t):.1f} ({min(t):.1f} to {max(t):.1f})" for t in times.values()
        ]
        ratios = [f"{1000 * 500 * second / statistics.median(t):,.0f}" for t in times.values()]
        seconds = [f"{count * second:.1f}" for count in COUNTS]
        row = [f"{size}x{size}", *cells, *seconds, " and ".join(ratios)]
        print("| " + " | ".join(row) + " |", flush=True)
        print(
            f"  a single iteration: {second:.3f} s ({min(each):.3f} to {max(each):.3f})", flush=True
        )


if __name__ == "__main__":
    main()
