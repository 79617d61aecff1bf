"""End the bands that styles paint along the borders: minutes, without training for a style again.

    python scripts/mend_borders.py --paintings DIR --photos DIR --photos-source TEXT \
        --held-out DIR [--minutes 5] [--style NAME ...] [-o DIR]

VGG-19 pads with zeros, so that its features know where a picture ends. A network finds its own
borders by their reflections, and learns to paint a band there that answers those features. The
style paints none where the photograph, mirrored outwards, goes on. These paintings, cut to the
photograph, are the targets of its own weights, by the mean absolute difference, with the same
noise. A style of the package is written, to the package if no folder is given, if it comes nearer
to them and no image defect is worse.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from fast_nst.assets import SAMPLE_STYLE, STYLES
from fast_nst.commands.defects import report_defects
from fast_nst.commands.process import TerminationSignals
from fast_nst.commands.progress import Progress
from fast_nst.comparison.measure import find_style, model_recipe
from fast_nst.devices import choose_device, choose_precision, device_name, to_tensor
from fast_nst.errors import UserError, choose
from fast_nst.files import check_writable, write_atomically
from fast_nst.losses import build_loss
from fast_nst.models.graphs import with_metadata
from fast_nst.networks import ImageTransformation
from fast_nst.pictures.read import open_style
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training import timed
from fast_nst.training.checkpoints import joined_photographs
from fast_nst.training.data import Photographs
from fast_nst.training.defects import inspect
from fast_nst.training.distillation import distance, mean_loss, worse
from fast_nst.training.export import style_reference
from fast_nst.training.models import read_model, to_onnx

LR = 1e-3
MARGIN = 48  # px, mirrored outwards; a multiple of 4, the noise's cell
FRAME = 16  # px, whose difference is reported
VALIDATION_SIZE = 256  # px
_CELL = 4  # px
_MOST_STEPS = 10**7


@dataclass(frozen=True)
class Job:
    """A style to mend.

    Attributes:
        name: Its file's.
        painting: Its style image.
        target: The file to write.
    """

    name: str
    painting: Path
    target: Path


def plan(options: argparse.Namespace) -> list[Job]:
    """The styles that were asked for, checked before the first one is trained.

    Raises:
        UserError: A style or its painting is missing, a file cannot be written, or the size of the
            crops cannot be used.
    """
    if options.size <= MARGIN or options.size % _CELL:
        raise UserError(f"--size {options.size}: give a multiple of {_CELL} above {MARGIN}")
    names = sorted(path.stem for path in STYLES.glob("*.onnx"))
    jobs = []
    for name in [choose("style", name, names) for name in options.style or names]:
        model = STYLES / f"{name}.onnx"
        metadata = read_model(model).metadata
        is_sample = metadata["style"] == SAMPLE_STYLE.name
        painting = SAMPLE_STYLE if is_sample else find_style(metadata, model, options.paintings)
        jobs.append(Job(name, painting, options.output / model.name))
        check_writable(jobs[-1].target)
    return jobs


def target(teacher: ImageTransformation, photos: Tensor, noise: Tensor) -> Tensor:
    """The teacher's painting of photographs that go on behind their borders.

    Args:
        teacher: (N, 3, H, W) in [0, 1] and noise to the same.
        photos: (N, 3, H, W), H, W > `MARGIN` and multiples of 4.
        noise: (N, 1, H / 4, W / 4); around it, new noise is drawn.

    Returns:
        (N, 3, H, W), without gradient.
    """
    cells = MARGIN // _CELL
    count, _, height, width = noise.shape
    around = torch.randn(count, 1, height + 2 * cells, width + 2 * cells, device=noise.device)
    around[..., cells:-cells, cells:-cells] = noise
    with torch.no_grad():
        painted: Tensor = teacher(F.pad(photos, [MARGIN] * 4, mode="reflect"), around)
    return painted[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def frame_difference(
    network: ImageTransformation, teacher: ImageTransformation, photos: Tensor
) -> float:
    """How far the outermost `FRAME` px of paintings are from the targets, always with one noise.

    Args:
        network: (N, 3, H, W) in [0, 1] and noise to the same.
        teacher: As `target` takes it.
        photos: As `target` takes them.

    Returns:
        The mean absolute difference of the means of 4x4 px, in levels.
    """
    generator = torch.Generator().manual_seed(0)
    shape = (len(photos), 1, photos.shape[2] // _CELL, photos.shape[3] // _CELL)
    noise = torch.randn(shape, generator=generator)
    with torch.no_grad():
        difference = network(photos, noise) - target(teacher, photos, noise)
    areas = F.avg_pool2d(difference, _CELL).abs()
    inside = torch.zeros_like(areas, dtype=torch.bool)
    cells = FRAME // _CELL
    inside[..., cells:-cells, cells:-cells] = True
    return 255 * float(areas[~inside].mean())


def mend(job: Job, options: argparse.Namespace, progress: Progress) -> bool:
    """Train one style, and write it if it is better; whether it was written."""
    device = choose_device()
    teacher = read_model(STYLES / f"{job.name}.onnx")
    network = read_model(STYLES / f"{job.name}.onnx").network.to(device)
    network = network.to(memory_format=torch.channels_last)
    painter = teacher.network.to(device).requires_grad_(False).eval()
    recipe = model_recipe(teacher.metadata, job.name)
    loss = build_loss(recipe, to_tensor(open_style(job.painting, recipe.style_size)))
    held_out = Photographs(options.held_out, VALIDATION_SIZE, 1, 1).validation_photographs()
    photographs = Photographs(options.photos, options.size, options.batch_size, _MOST_STEPS)
    seconds = 60 * options.minutes
    done = timed.train_for(
        network,
        timed.crops(photographs, device, 0),
        lambda x, z: distance(network(x, z), target(painter, x, z)),
        seconds,
        LR,
        precision=choose_precision("auto", device),
        on_progress=lambda now, value: progress.update(
            round(now.worked), round(seconds), job.name, {"loss": value}
        ),
    )
    progress.close()
    if progress.stopped:
        return False
    network, painter = network.cpu().eval(), painter.cpu()
    photos = held_out.float() / 255
    before, after = (mean_loss(each, held_out, loss) for each in (painter, network))
    frames = [frame_difference(each, painter, photos) for each in (painter, network)]
    training = json.loads(teacher.metadata["training"])
    earlier = training.get("borders", {"steps": 0, "crops": 0})
    training["held_out"] = round(after, 4)
    training["borders"] = {
        "steps": earlier["steps"] + done.step,
        "crops": earlier["crops"] + done.step * options.batch_size,
        "lr": LR,
        "margin": MARGIN,
        "device": device_name(device),
    }
    metadata = {key: text for key, text in teacher.metadata.items() if key != "defects"}
    metadata["training"] = json.dumps(training)
    metadata["photographs"] = joined_photographs(options.photos_source, metadata["photographs"])
    data = to_onnx(network, metadata)
    measures = inspect(Stylizer(data, detail=0), style_reference(metadata))
    report_defects(measures)
    failures = worse(json.loads(teacher.metadata["defects"]), measures)
    is_better = frames[1] < frames[0] and not failures
    said = f"{job.name}: {done.step} steps; loss {before:.4f}, now {after:.4f}; the outermost "
    said += f"{FRAME} px differ by {frames[0]:.1f} levels, now {frames[1]:.1f}: "
    if is_better:
        write_atomically(job.target, with_metadata(data, defects=json.dumps(measures)))
    why = f"worse: {', '.join(failures)}" if failures else "no better"
    print(said + (f"wrote {job.target}" if is_better else f"not written, {why}"), flush=True)
    return is_better


def main() -> int:
    """Mend each style that was asked for; the exit code is 1 if one was not written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paintings", type=Path, required=True, metavar="DIR")
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR", help="to train on")
    parser.add_argument("--held-out", type=Path, required=True, metavar="DIR", help="for losses")
    source = "the training photographs' source and terms, kept in the models"
    parser.add_argument("--photos-source", required=True, metavar="TEXT", help=source)
    parser.add_argument("--style", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--minutes", type=float, default=5.0, metavar="M", help="for each style")
    parser.add_argument("--size", type=int, default=224, metavar="PX", help="of the crops")
    parser.add_argument("--batch-size", type=int, default=1, metavar="N")
    parser.add_argument("-o", "--output", type=Path, default=STYLES, metavar="DIR")
    options = parser.parse_args()
    written = []
    try:
        with TerminationSignals() as signals:
            for job in plan(options):
                with Progress(unit="s") as progress:
                    written.append(mend(job, options, progress))
                if progress.stopped:
                    return signals.exit_code(130)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0 if all(written) else 1


if __name__ == "__main__":
    sys.exit(main())
