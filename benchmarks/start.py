"""What a style is after 30, 60 and 120 seconds, by where its training started.

    python benchmarks/start.py --styles paintings/olive_trees.jpg fast_nst/assets/sample_style.jpg \
        --photos my_photographs --sheet docs/start.jpg

One run a painting and a start, with the default settings and as many steps as fit in the last of
the times; each picture and loss is of the weights at that second. The losses are means over the
photographs that training holds out, at the size of the crops; seconds are those of the training
loop without validation. Take paintings that the average was not made of.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning as L
import torch
from PIL import Image

from fast_nst.devices import to_tensor
from fast_nst.losses import build_loss
from fast_nst.networks import ImageTransformation, build_network
from fast_nst.pictures.read import open_photograph, open_style
from fast_nst.pictures.sheet import contact_sheet
from fast_nst.pictures.write import save_image
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training.data import Photographs
from fast_nst.training.models import to_onnx
from fast_nst.training.run import fit
from fast_nst.training.settings import TrainConfig

ROOT = Path(__file__).parents[1]
NETWORK = "fine"
STARTS = ("scratch", "photograph", "base")
PROBE = 24  # steps, the first third of which warms up


class Watch(L.Callback):
    """Keeps the weights, and the steps done, at given seconds of training."""

    def __init__(self, seconds: list[int]) -> None:
        self.seconds = list(seconds)
        self.kept: dict[int, tuple[int, dict[str, torch.Tensor]]] = {}
        self.marks: list[float] = []

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        """Once a step."""
        self.marks.append(time.perf_counter())
        while self.seconds and self.marks[-1] - self.marks[0] >= self.seconds[0]:
            self._keep(trainer, module)

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """What is left is the end's."""
        while self.seconds:
            self._keep(trainer, module)

    def _keep(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        state = {
            name.removeprefix("network."): value.detach().clone().contiguous()
            for name, value in module.state_dict().items()
        }
        self.kept[self.seconds.pop(0)] = (trainer.global_step, state)


def run(watch: Watch, folder: Path, **settings: Any) -> None:
    quiet = {"logger": False, "limit_val_batches": 0}
    fit(TrainConfig(out=str(folder), network=NETWORK, **settings), {"callbacks": [watch], **quiet})


def held_out_loss(network: ImageTransformation, config: TrainConfig, photos: Path) -> float:
    style = to_tensor(open_style(Path(config.style or ""), config.style_size))
    loss = build_loss(config, style)
    data = Photographs(photos, config.size, 1, 1)
    totals = []
    with torch.no_grad():
        for crop in data.validation_photographs():
            photo = crop[None] / 255
            totals.append(loss(network(photo), loss.content_features(photo))["total"].item())
    return sum(totals) / len(totals)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--styles", type=Path, nargs="+", required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--seconds", type=int, nargs="+", default=[30, 60, 120])
    parser.add_argument("--shown", type=Path, default=ROOT / "fast_nst/assets/photos/chelsea.jpg")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--sheet", type=Path, default=Path("start.jpg"))
    options = parser.parse_args()
    common = {"photos": str(options.photos), "precision": options.precision}
    shown = open_photograph(options.shown, 480)
    heads = [f"{seconds} s" for seconds in options.seconds]
    print(f"| painting | start | steps | {' | '.join(heads)} |")
    print("|---" * (3 + len(heads)) + "|")
    pictures: list[list[Image.Image]] = []
    labels: list[list[str]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folders = (Path(temporary) / str(i) for i in itertools.count())
        probe = Watch([])
        run(probe, next(folders), style=str(options.styles[0]), steps=PROBE, **common)
        marks = probe.marks[PROBE // 3 :]
        pace = (marks[-1] - marks[0]) / (len(marks) - 1)
        steps = int(options.seconds[-1] / pace)
        for style, start in itertools.product(options.styles, STARTS):
            watch = Watch(options.seconds)
            settings = {"style": str(style), "init": start, "steps": steps, **common}
            run(watch, next(folders), **settings)
            losses, row = [], []
            for _, state in watch.kept.values():
                network = build_network(NETWORK).eval()
                network.load_state_dict(state)
                losses.append(
                    held_out_loss(
                        network, TrainConfig(style=str(style), network=NETWORK), options.photos
                    )
                )
                row.append(Stylizer(to_onnx(network, {}))(shown))
            done = [str(count) for count, _ in watch.kept.values()]
            cells = " | ".join(f"{loss:.3f}" for loss in losses)
            print(f"| {style.stem} | {start} | {', '.join(done)} | {cells} |", flush=True)
            pictures.append(row)
            labels.append([f"{style.stem}, from {start}: {head}" for head in heads])
    save_image(contact_sheet(pictures, labels, height=240), options.sheet, quality=88)


if __name__ == "__main__":
    main()
