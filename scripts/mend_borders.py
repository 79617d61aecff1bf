"""End the bands that styles paint along the borders: minutes, without training for a style again.

    python scripts/mend_borders.py --paintings DIR --photos DIR --photos-source TEXT \
        --held-out DIR [--minutes 5] [--style NAME ...] [-o DIR]

VGG-19 pads with zeros, so that its features know where a picture ends. A network finds its own
borders by their reflections, and learns to paint there what answers those features: a frame. The
style itself paints none where the photograph, mirrored outwards, goes on. These paintings, cut to
the photograph, are the targets of its own weights, by the mean absolute difference, with the same
noise. Each style is written to the output with its losses on the photographs held out; those of the
package are the default for both.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import ImageOps
from torch import Tensor

from fast_nst.assets import SAMPLE_STYLE, STYLES
from fast_nst.commands.defects import report_defects
from fast_nst.commands.process import TerminationSignals
from fast_nst.commands.progress import Progress
from fast_nst.devices import choose_device, choose_precision, to_tensor
from fast_nst.errors import UserError, choose
from fast_nst.files import write_atomically
from fast_nst.loss_settings import LossSettings
from fast_nst.losses import PerceptualLoss, build_loss
from fast_nst.models.graphs import with_metadata
from fast_nst.networks import ImageTransformation
from fast_nst.pictures.read import open_photograph, open_style
from fast_nst.pictures.write import WRITERS
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training import timed
from fast_nst.training.checkpoints import style_digest
from fast_nst.training.data import Photographs
from fast_nst.training.defects import inspect
from fast_nst.training.distillation import distance
from fast_nst.training.export import style_reference
from fast_nst.training.models import read_model, to_onnx

LR = 1e-3
MARGIN = 48  # px, mirrored outwards; a multiple of 4, the noise's cell
FRAME = 16  # px, whose difference is reported
_MOST_STEPS = 10**7


def target(teacher: ImageTransformation, photos: Tensor, noise: Tensor) -> Tensor:
    """The teacher's painting of photographs that go on behind their borders.

    Args:
        teacher: (N, 3, H, W) in [0, 1] and noise to the same.
        photos: (N, 3, H, W), H, W > `MARGIN` and multiples of 4.
        noise: (N, 1, H / 4, W / 4); around it, new noise is drawn.

    Returns:
        (N, 3, H, W), without gradient.
    """
    cells = MARGIN // 4
    count, _, height, width = noise.shape
    around = torch.randn(count, 1, height + 2 * cells, width + 2 * cells, device=noise.device)
    around[..., cells:-cells, cells:-cells] = noise
    with torch.no_grad():
        painted: Tensor = teacher(F.pad(photos, [MARGIN] * 4, mode="reflect"), around)
    return painted[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def frame_difference(
    network: ImageTransformation, teacher: ImageTransformation, photos: Tensor
) -> float:
    """Levels between a painting's frame, and the one painted with a margin. The means of 4x4 px."""
    noise = torch.randn(len(photos), 1, photos.shape[2] // 4, photos.shape[3] // 4)
    with torch.no_grad():
        difference = network(photos, noise) - target(teacher, photos, noise)
    areas = F.avg_pool2d(difference, 4).abs()
    inside = torch.zeros_like(areas, dtype=torch.bool)
    cells = FRAME // 4
    inside[..., cells:-cells, cells:-cells] = True
    return 255 * float(areas[~inside].mean())


@torch.no_grad()
def mean_loss(network: ImageTransformation, photos: Tensor, loss: PerceptualLoss) -> float:
    """The mean total loss of photographs, painted with the noise of inference."""
    losses = [
        loss(network(photo), loss.content_features(photo))["total"].item()
        for photo in torch.split(photos, 1)
    ]
    return sum(losses) / len(losses)


def read_loss(metadata: Mapping[str, str], paintings: Path) -> PerceptualLoss:
    """The loss that a style was trained for.

    Raises:
        UserError: No painting has the SHA-256 that the metadata name.
    """
    recipe = json.loads(metadata["recipe"])
    files = [path for path in sorted(paintings.glob("*")) if path.suffix in WRITERS]
    sha256 = metadata["style_sha256"]
    found = [path for path in [SAMPLE_STYLE, *files] if style_digest(str(path)) == sha256]
    if not found:
        raise UserError(f"{str(paintings)!r} has no painting {metadata['title']!r} (by SHA-256)")
    settings = LossSettings(**{name: recipe[name] for name in LossSettings.__dataclass_fields__})
    return build_loss(settings, to_tensor(open_style(found[0], recipe["style_size"])))


def photographs_in(folder: Path, size: int) -> Tensor:
    """(N, 3, size, size) in [0, 1]: the middle of each photograph of a folder."""
    photos = [open_photograph(path) for path in sorted(folder.glob("*.jpg"))]
    return torch.cat([to_tensor(ImageOps.fit(photo, (size, size))) for photo in photos])


def mend(name: str, options: argparse.Namespace, progress: Progress) -> tuple[bytes, str]:
    """The model file, and what to say of it."""
    device = choose_device()
    model = read_model(STYLES / f"{name}.onnx")
    network = read_model(STYLES / f"{name}.onnx").network.to(device)
    network = network.to(memory_format=torch.channels_last)
    teacher = model.network.to(device).requires_grad_(False).eval()
    loss = read_loss(model.metadata, options.paintings)
    held_out = photographs_in(options.held_out, 256)
    photographs = Photographs(options.photos, options.size, options.batch_size, _MOST_STEPS)
    seconds = 60 * options.minutes
    done = timed.train_for(
        network,
        timed.crops(photographs, device, 0),
        lambda x, z: distance(network(x, z), target(teacher, x, z)),
        seconds,
        LR,
        precision=choose_precision("auto", device),
        on_progress=lambda now, value: progress.update(
            round(now.worked), round(seconds), name, {"loss": value}
        ),
    )
    progress.close()
    network, teacher = network.cpu().eval(), teacher.cpu()
    losses = [mean_loss(painter, held_out, loss) for painter in (teacher, network)]
    frames = [frame_difference(painter, teacher, held_out) for painter in (teacher, network)]
    training = json.loads(model.metadata["training"])
    crops = done.step * options.batch_size
    training["held_out"] = round(losses[1], 4)
    training["borders"] = {"steps": done.step, "crops": crops, "lr": LR, "margin": MARGIN}
    dropped = {key: text for key, text in model.metadata.items() if key != "defects"}
    before, own = model.metadata["photographs"], options.photos_source
    seen = own if own == before else f"{own}; initial weights: {before}"
    metadata = {**dropped, "training": json.dumps(training), "photographs": seen}
    data = to_onnx(network, metadata)
    measures = inspect(Stylizer(data, detail=0), style_reference(metadata))
    report_defects(measures)
    said = f"{name}: {done.step} steps; loss {losses[0]:.4f}, now {losses[1]:.4f}; the outermost "
    said += f"{FRAME} px differ by {frames[0]:.1f} levels, now {frames[1]:.1f}"
    return with_metadata(data, defects=json.dumps(measures)), said


def main() -> int:
    """Mend each style that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paintings", type=Path, required=True, metavar="DIR")
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR", help="to train on")
    parser.add_argument("--held-out", type=Path, required=True, metavar="DIR", help="no others")
    source = "the photographs' source and terms, kept in the models"
    parser.add_argument("--photos-source", required=True, metavar="TEXT", help=source)
    parser.add_argument("--style", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--minutes", type=float, default=5.0, metavar="M", help="for each style")
    parser.add_argument("--size", type=int, default=224, metavar="PX", help="of the crops")
    parser.add_argument("--batch-size", type=int, default=1, metavar="N")
    parser.add_argument("-o", "--output", type=Path, default=STYLES, metavar="DIR")
    options = parser.parse_args()
    names = sorted(path.stem for path in STYLES.glob("*.onnx"))
    try:
        for name in [choose("style", name, names) for name in options.style or names]:
            with TerminationSignals(), Progress(unit="s") as progress:
                data, said = mend(name, options, progress)
            write_atomically(options.output / f"{name}.onnx", data)
            print(said, flush=True)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
