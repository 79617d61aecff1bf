"""How low a network's loss can get on a photograph that it is trained on alone.

    python benchmarks/network_limits.py --style paintings/starry_night.jpg

Nothing is generalised: all steps of the training are spent on one picture. What is left between
this loss and the optimizer's is what the network cannot express, or Adam cannot find in so many
steps; no recipe with more photographs or more steps on each will do better at equal length.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from fast_nst.comparison.measure import equivalent_iterations
from fast_nst.devices import autocast, choose_device, choose_precision, to_image, to_tensor
from fast_nst.losses import build_loss
from fast_nst.networks import NETWORKS, build_network
from fast_nst.pictures.read import open_photograph, open_style
from fast_nst.reference.optimizer import optimize
from fast_nst.training.module import one_cycle
from fast_nst.training.settings import TrainConfig

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--style", type=Path, required=True)
    parser.add_argument("--style-size", type=int, default=384)
    parser.add_argument("--tv-weight", type=float, default=0.15)
    parser.add_argument(
        "--photos",
        type=Path,
        nargs="+",
        default=[ROOT / f"fast_nst/assets/photos/{name}.jpg" for name in ("chelsea", "rocket")],
    )
    parser.add_argument("--networks", nargs="+", default=sorted(NETWORKS))
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--iterations", type=int, default=200)
    options = parser.parse_args()
    device = choose_device()
    precision = choose_precision("auto", device)
    config = TrainConfig(tv_weight=options.tv_weight)
    style = to_tensor(open_style(options.style, options.style_size)).to(device)
    loss = build_loss(config, style)
    print("| photograph | network | s | total loss | iterations with that loss |")
    print("|---|---|---|---|---|")
    for path in options.photos:
        photo = to_tensor(open_photograph(path, options.size)).to(device)
        photo = photo.contiguous(memory_format=torch.channels_last)
        features = loss.content_features(photo)
        history = optimize(photo, None, loss, steps=options.iterations).history
        curve = [item.losses["total"] for item in history]
        for name in options.networks:
            torch.manual_seed(0)
            network = build_network(name).to(device).to(memory_format=torch.channels_last)
            adam = torch.optim.Adam(network.parameters(), lr=config.lr)
            started = time.perf_counter()
            for step in range(options.steps):
                adam.param_groups[0]["lr"] = config.lr * one_cycle(step, options.steps)
                with autocast(device, precision):
                    total = loss(network(photo), features)["total"]
                adam.zero_grad()
                total.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                adam.step()
            seconds = time.perf_counter() - started
            with torch.no_grad():
                painting = to_tensor(to_image(network(photo))).to(device)
                total = loss(painting, features)["total"]
            found = equivalent_iterations(curve, total.item())
            shown = f"{found.iterations:.0f}" if found.iterations is not None else found.verdict
            print(f"| {path.stem} | {name} | {seconds:.0f} | {total:.3f} | {shown} |", flush=True)
        print(f"| {path.stem} | optimizer, {options.iterations} iterations | | {curve[-1]:.3f} | |")


if __name__ == "__main__":
    main()
