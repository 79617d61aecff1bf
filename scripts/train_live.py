"""Distil a style into the network `fast`, for video and the camera: minutes, without VGG-19.

    python scripts/train_live.py --photos DIR --photos-source TEXT [--minutes 10] [--style NAME ...]

The teacher is the style in the package, and its paintings are the targets: the network `fast`,
from its own weights where the package has them, else from its base, is trained by the mean absolute
difference, of the pixels and of the means of 4x4 of them, with the same noise for both. Without a
name every style is distilled, one after the other.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

from fast_nst.assets import LIVE_STYLES, STARTS, STYLES
from fast_nst.commands.defects import report_defects
from fast_nst.commands.progress import Progress
from fast_nst.devices import choose_device, choose_precision, device_name
from fast_nst.errors import UserError, choose
from fast_nst.files import write_atomically
from fast_nst.models.catalogue import FAST
from fast_nst.models.graphs import with_metadata
from fast_nst.networks import ImageTransformation
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training import timed
from fast_nst.training.checkpoints import joined_photographs
from fast_nst.training.data import Photographs
from fast_nst.training.defects import inspect
from fast_nst.training.distillation import distance
from fast_nst.training.export import style_reference
from fast_nst.training.models import read_model, to_onnx
from fast_nst.version import __version__

NETWORK = "fast"
LR = 2e-3
_MOST_STEPS = 10**7


def describe(
    teacher: dict[str, str],
    start: dict[str, str],
    name: str,
    batch_size: int,
    size: int,
    steps: int,
) -> dict[str, str]:
    """The metadata of a distilled model.

    Args:
        teacher: The teacher's metadata: the style, and the loss that its recipe was trained for.
        start: The metadata of the model that the training starts from.
        name: The style's.
        batch_size: Crops a step.
        size: Of the crops, px.
        steps: That were done.
    """
    recipe = json.loads(teacher["recipe"])
    changed = {
        "network": NETWORK,
        "start": name,
        "steps": steps,
        "batch_size": batch_size,
        "size": size,
        "lr": LR,
    }
    training = {"steps": steps, "crops": steps * batch_size, "distilled_from": name}
    dropped = ("defects", "training", "start", "root")
    return {
        **{key: text for key, text in teacher.items() if key not in dropped},
        "network": NETWORK,
        "recipe": json.dumps({**recipe, **changed}),
        "start": json.dumps({"name": name, "recipe": recipe}),
        "root": start["root"],
        "training": json.dumps(training),
        "fast_nst": __version__,
    }


def distil(
    name: str, options: argparse.Namespace, progress: Progress
) -> tuple[ImageTransformation, dict[str, str]]:
    """The network on the CPU, and its metadata."""
    device = choose_device()
    model = read_model(STYLES / f"{name}.onnx")
    teacher = model.network.to(device).requires_grad_(False).eval()
    own = LIVE_STYLES / f"{name}{FAST}.onnx"
    start = read_model(own if own.is_file() else STARTS[NETWORK]["base"])
    student = start.network.to(device).to(memory_format=torch.channels_last)
    photographs = Photographs(options.photos, options.size, options.batch_size, _MOST_STEPS)
    seconds = 60 * options.minutes
    done = timed.train_for(
        student,
        timed.crops(photographs, device, 0),
        lambda x, z: distance(student(x, z), teacher(x, z)),
        seconds,
        LR,
        precision=choose_precision("auto", device),
        on_progress=lambda now, value: progress.update(
            round(now.worked), round(seconds), name, {"loss": value}
        ),
    )
    progress.close()
    metadata = describe(
        model.metadata, start.metadata, name, options.batch_size, options.size, done.step
    )
    before = start.metadata.get("photographs", "")
    metadata["photographs"] = joined_photographs(options.photos_source, before)
    training = {"seconds": round(done.worked), "device": device_name(device)}
    metadata["training"] = json.dumps({**json.loads(metadata["training"]), **training})
    return student.cpu().eval(), metadata


def write(network: ImageTransformation, metadata: dict[str, str], target: Path) -> dict[str, float]:
    """Write the model, with the measures of its defects, which are returned."""
    data = to_onnx(network, metadata)
    measures = inspect(Stylizer(data, detail=0), style_reference(metadata))
    write_atomically(target, with_metadata(data, defects=json.dumps(measures)))
    return measures


def main() -> int:
    """Distil each style that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    source = "their source and terms, kept in the models"
    parser.add_argument("--photos-source", required=True, metavar="TEXT", help=source)
    parser.add_argument("--style", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--minutes", type=float, default=10.0, metavar="M", help="for each style")
    parser.add_argument("--size", type=int, default=256, metavar="PX")
    parser.add_argument("--batch-size", type=int, default=1, metavar="N")
    parser.add_argument("-o", "--output", type=Path, default=LIVE_STYLES, metavar="DIR")
    options = parser.parse_args()
    names = sorted(path.stem for path in STYLES.glob("*.onnx"))
    try:
        for name in [choose("style", name, names) for name in options.style or names]:
            with Progress(unit="s") as progress:
                network, metadata = distil(name, options, progress)
            target = options.output / f"{name}{FAST}.onnx"
            report_defects(write(network, metadata, target))
            print(f"wrote {target}")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
