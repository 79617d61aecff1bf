"""Train the base that every style is initialised from, and its identity model.

    python scripts/train_base.py --paintings DIR --photos DIR --photos-source TEXT \
        -o starts [--minutes 20]

The base is trained from scratch against the mean Gram matrices of all paintings: it paints, but no
style in particular. The identity model, `photograph`, is trained from it for a tenth of the time,
by the mean absolute difference to its input: it stays near the base, so that styles trained from
the base can be strengthened and mixed by task arithmetic (see `models.graphs`). Once styles descend
from them, neither is trained again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fast_nst.assets import STARTS
from fast_nst.commands.defects import report_defects
from fast_nst.commands.progress import Progress
from fast_nst.devices import choose_device, choose_precision, describe_precision, to_tensor
from fast_nst.files import write_atomically
from fast_nst.losses import build_loss
from fast_nst.models.graphs import with_metadata
from fast_nst.networks import ImageTransformation, build_network
from fast_nst.pictures.find import find_images
from fast_nst.pictures.read import open_style
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training import timed
from fast_nst.training.data import Photographs
from fast_nst.training.defects import inspect
from fast_nst.training.initialization import fingerprint
from fast_nst.training.models import to_onnx
from fast_nst.training.settings import SCRATCH, Recipe
from fast_nst.version import __version__
from fast_nst.vgg import CREDIT

STYLE_SIZE = 448  # px
SHARE = 0.1  # of the base's time is for the identity model
PHOTOGRAPH_BATCH, PHOTOGRAPH_SIZE, PHOTOGRAPH_LR = 2, 160, 2e-3
_MOST_STEPS = 10**7


def difference(network: torch.nn.Module, photographs: Tensor, noise: Tensor) -> Tensor:
    """The mean absolute difference of photographs, (N, 3, H, W) in [0, 1], and the outputs."""
    painted: Tensor = network(photographs, noise)
    return (painted.float() - photographs).abs().mean()


def train_both(
    options: argparse.Namespace, progress: Progress
) -> dict[str, tuple[ImageTransformation, dict[str, Any]]]:
    """The base and the identity model, on the CPU, with their recipes."""
    device = choose_device()
    precision = choose_precision("auto", device)
    print(describe_precision(device), file=sys.stderr)
    torch.manual_seed(0)
    network = build_network(options.network).to(device).to(memory_format=torch.channels_last)
    paths = find_images(options.paintings)
    paintings = [to_tensor(open_style(path, options.style_size)).to(device) for path in paths]
    recipe = Recipe(network=options.network, init=SCRATCH, style_size=options.style_size)
    loss = build_loss(recipe, paintings).to(device)
    found: dict[str, tuple[ImageTransformation, dict[str, Any]]] = {}

    def part(name: str, seconds: float, lr: float, batch: int, size: int, step_loss: Any) -> None:
        photographs = Photographs(options.photos, size, batch, _MOST_STEPS, workers=0)

        def on_progress(at: timed.Progress, value: float) -> bool:
            return progress.update(round(at.worked), round(seconds), name, {"loss": value})

        done = timed.train_for(
            network,
            timed.crops(photographs, device, 0),
            step_loss,
            seconds,
            lr,
            precision=precision,
            on_progress=on_progress,
        )
        progress.close()
        if progress.stopped:
            sys.exit("interrupted: nothing is written of unfinished training")
        print(f"{name}: {done.step} steps in {done.worked:.0f} s", file=sys.stderr)
        kept = build_network(options.network).eval()
        kept.load_state_dict({key: value.cpu() for key, value in network.state_dict().items()})
        said = {"steps": done.step, "lr": lr, "batch_size": batch, "size": size}
        found[name] = kept, {**recipe.recipe(), **said, "precision": precision}

    part(
        "base",
        60 * options.minutes,
        recipe.lr,
        recipe.batch_size,
        options.size,
        lambda x, z: loss(network(x, z), loss.content_features(x))["total"],
    )
    part(
        "photograph",
        60 * options.minutes * SHARE,
        PHOTOGRAPH_LR,
        PHOTOGRAPH_BATCH,
        min(PHOTOGRAPH_SIZE, options.size),
        lambda x, z: difference(network, x, z),
    )
    return found


def main() -> None:
    """Train both, measure their image defects, and write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paintings", type=Path, required=True, metavar="DIR")
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    source = "their source and terms, kept in the models"
    parser.add_argument("--photos-source", required=True, metavar="TEXT", help=source)
    parser.add_argument("-o", "--output", type=Path, default=Path("starts"), metavar="DIR")
    parser.add_argument("--minutes", type=float, default=20.0, metavar="M")
    parser.add_argument("--network", choices=sorted(STARTS), default="fine")
    parser.add_argument("--size", type=int, default=Recipe.size, metavar="PX")
    parser.add_argument("--style-size", type=int, default=STYLE_SIZE, metavar="PX")
    options = parser.parse_args()
    with Progress(unit="s") as progress:
        networks = train_both(options, progress)
    root = fingerprint(networks["photograph"][0].state_dict())
    titles = {"base": "The base of all styles", "photograph": "The photograph itself"}
    for name, (network, recipe) in networks.items():
        metadata = {
            "title": titles[name],
            "network": options.network,
            "recipe": json.dumps(recipe),
            "start": json.dumps({"name": SCRATCH if name == "base" else "base", "recipe": {}}),
            "root": root,
            "model_license": "MIT",
            "photographs": options.photos_source,
            "credits": CREDIT,
            "fast_nst": __version__,
        }
        data = to_onnx(network, metadata, exact=True)
        measures = inspect(Stylizer(data, detail=0))
        target = options.output / f"{name}.onnx"
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, with_metadata(data, defects=json.dumps(measures)))
        report_defects(measures)
        print(f"wrote {target}")


if __name__ == "__main__":
    main()
