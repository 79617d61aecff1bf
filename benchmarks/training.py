"""What training costs: images a second, where a step's time goes, seconds to a held-out loss.

    python benchmarks/training.py --style PAINTING --photos PHOTOS

prints images a second of two loops, in turns, each in a process of its own: the one that
implementations of Johnson et al. 2016 usually have, and `fast-nst train`, for the networks
`johnson` and `fast`, with the same crop, batch, layers and loss; and where a step's time goes.

    python benchmarks/training.py --style PAINTING --photos PHOTOS --reach 8

trains `johnson` from scratch in the usual loop for eight minutes, then `fast` from scratch, from
the photograph and from its base, the average of styles, in runs of several lengths, each with a
schedule of its own, and prints the seconds in the loop and the loss on the photographs that no run
saw.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from turns import in_turns, ratio, shown, table, worker

from fast_nst.devices import (
    autocast,
    choose_device,
    choose_precision,
    describe_precision,
    to_tensor,
)
from fast_nst.losses import PerceptualLoss, build_loss
from fast_nst.networks import build_network
from fast_nst.pictures.read import open_style
from fast_nst.training.checkpoints import read_checkpoint
from fast_nst.training.data import Batch, Photographs
from fast_nst.training.initialization import load_initialization
from fast_nst.training.module import StyleTransfer
from fast_nst.training.run import fit
from fast_nst.training.settings import TrainConfig

NETWORKS = ("johnson", "fast")
LOOPS = {"usual": "usual loop", "ours": "`fast-nst train`"}
STARTS = ("scratch", "photograph", "base")
USUAL_RATE = 1e-3  # Johnson et al. 2016, 4: Adam, batches of four
WARM_UP = 5  # steps


class Resized(Dataset[Tensor]):
    """Whole photographs, as the usual loop reads them: shorter side scaled, middle cut out."""

    def __init__(self, paths: list[Path], size: int) -> None:
        self.paths = paths
        self.transform = transforms.Compose(
            [transforms.Resize(size), transforms.CenterCrop(size), transforms.ToTensor()]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> Tensor:
        with Image.open(self.paths[i]) as photo:
            return self.transform(photo.convert("RGB"))


def usual_loss(loss: PerceptualLoss, paintings: Tensor, photographs: Tensor) -> Tensor:
    """`PerceptualLoss`, as it is usually computed: both pictures to the deepest layer."""
    found, wanted = loss.vgg(paintings, loss.layers), loss.vgg(photographs, loss.layers)
    total = torch.zeros((), device=paintings.device)
    for layer in loss.content.layers:
        difference = torch.nn.functional.mse_loss(found[layer], wanted[layer])
        total = total + loss.content.weight * difference / 2 / len(loss.content.layers)
    for layer in loss.style.layers:
        flat = found[layer].flatten(2)
        gram = flat.bmm(flat.transpose(1, 2)) / flat.shape[2]
        style = (gram - loss.style.get_buffer(f"gram_{layer}")).square().sum() / len(gram)
        share = loss.style.weight / len(loss.style.layers) / (4 * flat.shape[1] ** 2)
        total = total + share * style / loss.style.get_buffer(f"energy_{layer}")
    down = (paintings[..., 1:, :] - paintings[..., :-1, :]).abs().sum()
    right = (paintings[..., :, 1:] - paintings[..., :, :-1]).abs().sum()
    return total + loss.tv.weight * (down + right) / paintings[:, 0].numel()


def usual_steps(
    config: TrainConfig, loss: PerceptualLoss, device: torch.device
) -> Iterator[torch.nn.Module]:
    """The usual loop: float32, one process that loads and trains; the network after each step."""
    torch.manual_seed(config.seed)
    network = build_network(config.network).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=USUAL_RATE)
    data = Photographs(Path(str(config.photos)), config.size, 1, 1)  # what is held out stays so
    loader = DataLoader(
        Resized(data.training_paths, config.size), config.batch_size, shuffle=True, drop_last=True
    )
    while True:
        for batch in loader:
            photographs = batch.to(device)
            optimizer.zero_grad()
            total = usual_loss(loss, network(photographs), photographs)
            total.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total.item()  # what a progress bar shows
            yield network


def loss_of(config: TrainConfig, device: torch.device) -> PerceptualLoss:
    return build_loss(
        config, to_tensor(open_style(Path(str(config.style)), config.style_size)).to(device)
    )


def images_a_second(config: TrainConfig, loop: str, seconds: float) -> float:
    """Of one loop, in this process; loading, logging and progress included."""
    times: list[float] = []

    def is_enough(*_: object) -> bool:
        times.append(time.perf_counter())
        return len(times) > WARM_UP and times[-1] - times[WARM_UP - 1] > seconds

    if loop == "usual":
        device = choose_device()
        for _ in usual_steps(config, loss_of(config, device), device):
            if is_enough():
                break
    else:
        with tempfile.TemporaryDirectory() as folder:
            whole = {"limit_val_batches": 0}  # the usual loop has no validation
            fit(TrainConfig(**{**config.as_dict(), "out": folder}), whole, on_progress=is_enough)
    times = times[WARM_UP - 1 :]
    return config.batch_size * (len(times) - 1) / (times[-1] - times[0])


def parts_of_a_step(config: TrainConfig, seconds: float) -> dict[str, float]:
    """Median milliseconds of each part of a step of ours, the device waited for after each."""
    device = choose_device()
    precision = choose_precision(config.precision, device)
    loss = loss_of(config, device)
    module = StyleTransfer(config, loss, load_initialization(config)).to(device)
    network, optimizer = module.network, module.configure_optimizers()
    data = Photographs(Path(str(config.photos)), config.size, config.batch_size, 10_000)
    times: dict[str, list[float]] = {}
    clock = time.perf_counter()

    def lap(part: str) -> None:
        nonlocal clock
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.setdefault(part, []).append(1000 * (time.perf_counter() - clock))
        clock = time.perf_counter()

    batches = iter(data.train_dataloader())
    started = time.perf_counter()
    while time.perf_counter() - started < seconds or len(times.get("optimizer", ())) < 2 * WARM_UP:
        clock = time.perf_counter()
        read, _ = next(batches)
        lap("photographs: read, crop")
        bytes_, noise = read.photographs.to(device), read.noise.to(device)
        batch = data.on_after_batch_transfer(read._replace(photographs=bytes_, noise=noise), 0)
        assert isinstance(batch, Batch)
        lap("to the device")
        with autocast(device, precision):
            painted = network(batch.photographs, batch.noise)
            lap("network")
            content = loss.content_features(batch.photographs)
            lap("VGG-19, photograph")
            seen = painted.detach().requires_grad_()
            features = loss.vgg(seen, loss.layers)
            lap("VGG-19, painting")
            leaves = {name: value.detach().requires_grad_() for name, value in features.items()}
            total = loss.of_features(seen, leaves, content)["total"]
            lap("Gram matrices and losses")
        names = list(features)
        direct, *wanted = torch.autograd.grad(total, [seen, *(leaves[name] for name in names)])
        lap("their gradient")
        (through,) = torch.autograd.grad([features[name] for name in names], seen, wanted)
        lap("VGG-19, gradient")
        painted.backward(direct + through)
        lap("network, gradient")
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        lap("optimizer")
    return {part: statistics.median(found[WARM_UP:]) for part, found in times.items()}


@torch.no_grad()
def held_out_loss(config: TrainConfig, network: torch.nn.Module, loss: PerceptualLoss) -> float:
    crops = Photographs(Path(str(config.photos)), config.size, 1, 1).validation_photographs()
    device = next(network.parameters()).device
    totals = []
    for crop in crops:
        photo = crop[None].to(device).float() / 255
        totals.append(loss(network(photo), loss.content_features(photo))["total"].item())
    return statistics.mean(totals)


def reach(config: TrainConfig, minutes: float, lengths: list[int]) -> None:
    """Seconds and held-out losses, of the usual recipe as it goes, and of whole runs of ours."""
    device = choose_device()
    loss = loss_of(config, device)
    usual = TrainConfig(**{**config.as_dict(), "network": "johnson", "batch_size": 4, "size": 256})
    rows: dict[str, list[str]] = {}
    spent, judge_at = 0.0, 60.0
    steps = usual_steps(usual, loss, device)
    for count in itertools.count(1):
        started = time.perf_counter()
        network = next(steps)
        spent += time.perf_counter() - started
        if spent >= judge_at or spent >= 60 * minutes:
            found = held_out_loss(usual, network, loss)
            name = f"usual loop, `johnson` from scratch, {count} steps"
            rows[name] = [f"{spent:.0f}", f"{found:.3f}"]
            print(name, *rows[name], flush=True)
            judge_at *= 2
        if spent >= 60 * minutes:
            break
    for start, length in itertools.product(STARTS, lengths):
        given = {**config.as_dict(), "init": start, "steps": length}
        with tempfile.TemporaryDirectory() as folder:
            run = TrainConfig(
                **{**given, "out": folder, "network": "fast", "batch_size": 1, "size": 224}
            )
            fitted = fit(run, {"limit_val_batches": 0})  # judged below, as the usual loop is
            painter = read_checkpoint(fitted.best).network.to(device)
            found = held_out_loss(usual, painter, loss)
        name = f"`fast-nst train`, `fast` from {start}, {length} steps"
        rows[name] = [f"{fitted.seconds:.0f}", f"{found:.3f}"]
        print(name, *rows[name], flush=True)
    table("run", ["seconds", "held-out loss"], rows)


def speed(config: TrainConfig, rounds: int, call: Callable[..., Any]) -> None:
    rows: dict[str, list[str]] = {}
    for network in NETWORKS:
        found = in_turns(LOOPS, rounds, functools.partial(call, network))
        for loop, name in LOOPS.items():
            times = f"{ratio(found[loop], found['usual']):.2f}"
            rows[f"`{network}`, {name}"] = [shown(found[loop]), times]
    table("network, loop", ["images a second", "times the usual"], rows)
    parts = {network: call(network, "parts") for network in NETWORKS}
    table(
        "part of a step, ms",
        [f"`{network}`" for network in NETWORKS],
        {
            part: [f"{parts[network][part]:.1f}" for network in NETWORKS]
            for part in parts[NETWORKS[0]]
        },
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--style", required=True)
    parser.add_argument("--photos", required=True)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=15, help="of each turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reach", type=float, metavar="MINUTES")
    parser.add_argument("--lengths", type=int, nargs="+", default=[150, 300, 600], metavar="STEPS")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    config = TrainConfig(
        style=options.style,
        photos=options.photos,
        batch_size=options.batch_size,
        size=options.size,
        steps=100_000,
    )
    if options.one:
        network, what = options.one
        config.network = network
        if what == "parts":
            print(json.dumps(parts_of_a_step(config, options.seconds)))
        else:
            print(json.dumps(images_a_second(config, what, options.seconds)))
        return
    print(describe_precision(choose_device()), flush=True)
    if options.reach:
        reach(config, options.reach, options.lengths)
        return
    given = ["--style", options.style, "--photos", options.photos, "--seconds", options.seconds]
    given += ["--batch-size", options.batch_size, "--size", options.size]
    call = functools.partial(worker, __file__, *given, "--one")
    speed(config, options.rounds, call)


if __name__ == "__main__":
    main()
