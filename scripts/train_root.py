"""Train the root that every style descends from: a network that gives its input back.

    python scripts/train_root.py PHOTOS -o photograph.onnx

Two parts, from scratch: first the features of relu3_3, then, at a lower learning rate, those of
relu2_2; the mean absolute difference to the photograph, times 20, beside them in both. A root once
styles descend from it is never trained again: theirs would no longer mix with those of another.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from fast_nst import __version__
from fast_nst.commands.artifacts import report_artifacts
from fast_nst.commands.progress import Progress
from fast_nst.devices import autocast, choose_device, choose_precision, describe_precision
from fast_nst.files import write_atomically
from fast_nst.losses import content_loss
from fast_nst.networks import ImageTransformation, build_network
from fast_nst.stylize.graphs import with_metadata
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training.artifacts import inspect
from fast_nst.training.data import Batch, Photographs
from fast_nst.training.models import to_onnx
from fast_nst.training.module import one_cycle
from fast_nst.training.start import fingerprint
from fast_nst.vgg import VGG19

SIZE = 256  # px, of the crops


@dataclass(frozen=True)
class Part:
    """A stretch of training.

    Attributes:
        steps: Of one crop each.
        lr: Adam's peak learning rate.
        content_layer: Whose features should be the photograph's.
        difference_weight: Of the mean absolute difference to the photograph.
    """

    steps: int
    lr: float
    content_layer: str
    difference_weight: float = 20.0


PARTS = (Part(700, 3e-3, "relu3_3"), Part(1500, 2e-3, "relu2_2"))


def reconstruction_loss(vgg: nn.Module, picture: Tensor, photograph: Tensor, part: Part) -> Tensor:
    """Scalar; both pictures (N, 3, H, W) in [0, 1]."""
    layers = (part.content_layer,)
    with torch.no_grad():
        target = vgg(photograph, layers)[part.content_layer]
    features = vgg(picture, layers)[part.content_layer]
    content = content_loss(features, target) / target[0].numel()
    return content + part.difference_weight * (picture - photograph).abs().mean()


def train(photos: Path, parts: tuple[Part, ...], progress: Progress) -> ImageTransformation:
    """The network after all parts, on the CPU."""
    device = choose_device()
    precision = choose_precision("auto", device)
    print(describe_precision(device), file=sys.stderr)
    torch.manual_seed(0)
    network = build_network("fast").to(device).to(memory_format=torch.channels_last)
    vgg = VGG19([part.content_layer for part in parts]).to(device)
    steps = sum(part.steps for part in parts)
    crops = Photographs(photos, SIZE, 1, steps).train_dataloader()
    batches = iter(crops)
    done = 0
    for part in parts:
        adam = torch.optim.Adam(network.parameters(), lr=part.lr)
        for step in range(part.steps):
            adam.param_groups[0]["lr"] = part.lr * one_cycle(step, part.steps)
            photograph = _next_photograph(batches).to(device)
            with autocast(device, precision):
                loss = reconstruction_loss(vgg, network(photograph), photograph, part)
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            adam.step()
            done += 1
            if progress.show(done, steps, "training", {"loss": loss.item()}):
                sys.exit("interrupted: a root that is not finished is none")
    return network.cpu().eval()


def _next_photograph(batches: Iterator[tuple[Batch, list[str]]]) -> Tensor:
    batch, _ = next(batches)
    return (batch.photographs.float() / 255).contiguous(memory_format=torch.channels_last)


def main() -> None:
    """Train, look for artifacts, write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("photograph.onnx"))
    options = parser.parse_args()
    with Progress(unit="step") as progress:
        network = train(options.photos, PARTS, progress)
    metadata = {
        "title": "The photograph itself",
        "network": "fast",
        "recipe": json.dumps(
            {"start": "scratch", "parts": [dataclasses.asdict(part) for part in PARTS]}
        ),
        "root": fingerprint(network.state_dict()),
        "fast_nst": __version__,
    }
    data = to_onnx(network, metadata)
    measures = inspect(Stylizer(data))
    write_atomically(options.output, with_metadata(data, artifacts=json.dumps(measures)))
    report_artifacts(measures)
    print(f"wrote {options.output}")


if __name__ == "__main__":
    main()
