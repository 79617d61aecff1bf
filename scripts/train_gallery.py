"""Train the gallery's styles on, one a call, and keep what is better.

    python scripts/train_gallery.py --paintings DIR --photos DIR --photos-source TEXT \
        [--minutes 120] [--style NAME]

The style that has seen the fewest crops is trained for one cycle, fitted to the minutes: from its
own weights, or from the base where the gallery has none of `fine` yet. Its file is replaced only if
the validation loss is lower and no defect is worse; a sheet of six photographs shows both. Time in
which the process is stopped (SIGSTOP) does not count. SIGTERM and Ctrl-C end the
cycle early, with what there is; what a crash interrupts goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from fast_nst.assets import SAMPLE_STYLE, STYLES
from fast_nst.commands.defects import report_defects
from fast_nst.commands.process import TerminationSignals
from fast_nst.commands.progress import Progress
from fast_nst.devices import (
    choose_device,
    choose_precision,
    describe_precision,
    device_name,
    to_tensor,
)
from fast_nst.errors import UserError, choose
from fast_nst.files import write_atomically
from fast_nst.losses import build_loss
from fast_nst.models.graphs import with_metadata
from fast_nst.networks import ImageTransformation, build_network
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_photograph, open_style
from fast_nst.pictures.sheet import contact_sheet
from fast_nst.pictures.write import save_image
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training import timed
from fast_nst.training.checkpoints import Checkpoint, style_digest, style_path
from fast_nst.training.data import Photographs
from fast_nst.training.defects import inspect, reference_of
from fast_nst.training.distillation import mean_loss, worse
from fast_nst.training.export import model_metadata
from fast_nst.training.initialization import Initialization, load_initialization
from fast_nst.training.models import read_model, to_onnx
from fast_nst.training.settings import BASE, TrainConfig

CONFIGS = Path(__file__).parents[1] / "configs"
OTHERS = ("quick", "gpu", "steady")  # which are no styles
FIRST = ("udnie", "the_scream", "starry_night", "great_wave", "composition_vii")
NETWORK = "fine"
MATURE, MATURE_LR = 3000, 1e-3  # crops, after which the learning rate is lower
GPU_BATCH = 4
SHOWN = 6  # photographs on the sheet
SAY_EVERY, KEEP_EVERY = 300.0, 300.0  # seconds
_MOST_STEPS = 10**7


@dataclass(frozen=True)
class Style:
    """A style of the gallery, as it is before the training.

    Attributes:
        name: Its file's.
        config: Its recipe, with its painting.
        initialization: Its weights.
        training: What its file says of its training so far.
    """

    name: str
    config: TrainConfig
    initialization: Initialization
    training: Mapping[str, Any]

    @property
    def crops(self) -> int:
        """Training crops that it has seen."""
        return int(self.training.get("crops", 0))


def read_style(name: str, options: argparse.Namespace) -> Style:
    """A style by its name.

    Raises:
        UserError: Its config or its file cannot be used.
    """
    given = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    painting = given.pop("style")
    style = SAMPLE_STYLE if painting is None else options.paintings / Path(painting).name
    on_gpu = choose_device().type == "cuda"
    file, training = STYLES / f"{name}.onnx", {}
    config = TrainConfig(
        **{**given, "year": str(given["year"]), "network": NETWORK, "size": options.size},
        style=str(style),
        photos=str(options.photos),
        photos_source=options.photos_source,
        init=BASE,
        batch_size=options.batch_size or (GPU_BATCH if on_gpu else 1),
    )
    if options.style_size is not None:
        config = dataclasses.replace(config, style_size=options.style_size)
    if file.is_file():
        metadata = read_model(file).metadata
        if metadata["network"] == NETWORK:
            config.init = str(file)
            training = json.loads(metadata.get("training", "{}"))
    if options.lr is not None:
        config = dataclasses.replace(config, lr=options.lr)
    elif training.get("crops", 0) >= MATURE:
        config.lr = MATURE_LR
    return Style(name, config, load_initialization(config), training)


def choose_style(options: argparse.Namespace) -> Style:
    """The style that was asked for, or the one with the fewest crops."""
    names = [path.stem for path in CONFIGS.glob("*.yaml") if path.stem not in OTHERS]
    if options.style is not None:
        return read_style(choose("style", options.style, names), options)
    names.sort(key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
    return min((read_style(name, options) for name in names), key=lambda style: style.crops)


def trained(
    style: Style, options: argparse.Namespace, progress: Progress
) -> tuple[ImageTransformation, timed.Progress, float, float]:
    """One cycle: the network on the CPU, its progress, the validation loss before and after."""
    config, device = style.config, choose_device()
    precision = choose_precision("auto", device)
    print(describe_precision(device), file=sys.stderr)
    photographs = Photographs(options.photos, config.size, config.batch_size, _MOST_STEPS)
    loss = build_loss(
        config, to_tensor(open_style(style_path(config.style), config.style_size)).to(device)
    )
    torch.manual_seed(0)
    network = read_network(style).to(device).to(memory_format=torch.channels_last)
    before = mean_loss(network, photographs.validation_photographs(), loss)
    seconds = 60 * options.minutes
    kept = options.output / f"{style.name}.ckpt"
    at = _resumed(kept, network, seconds)
    print(
        f"{style.name}: {style.crops} crops so far, validation loss {before:.4f}", file=sys.stderr
    )
    said = saved = time.monotonic()

    def on_progress(now: timed.Progress, value: float) -> bool:
        nonlocal said, saved
        if time.monotonic() - said > SAY_EVERY:
            said = time.monotonic()
            share = 100 * now.worked / seconds
            progress.log(f"{style.name}: step {now.step}, {share:.0f} %, loss {value:.3f}")
        if time.monotonic() - saved > KEEP_EVERY:
            saved = time.monotonic()
            _keep(kept, network, now, seconds)
        return progress.update(round(now.worked), round(seconds), style.name, {"loss": value})

    first = style.crops // config.batch_size + at.step  # crops that it has not seen in this order
    done = timed.train_for(
        network,
        timed.crops(photographs, device, first),
        lambda x, z: loss(network(x, z), loss.content_features(x))["total"],
        seconds,
        config.lr,
        precision=precision,
        progress=at,
        on_progress=on_progress,
    )
    progress.close()
    after = mean_loss(network, photographs.validation_photographs(), loss)
    kept.unlink(missing_ok=True)
    return network.cpu().eval(), done, before, after


def read_network(style: Style) -> ImageTransformation:
    """A network with the style's weights."""
    network = build_network(NETWORK)
    assert style.initialization.state is not None
    network.load_state_dict(style.initialization.state)
    return network.eval()


def _keep(path: Path, network: torch.nn.Module, at: timed.Progress, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    torch.save(
        {**dataclasses.asdict(at), "network": network.state_dict(), "of": seconds}, temporary
    )
    temporary.replace(path)


def _resumed(path: Path, network: torch.nn.Module, seconds: float) -> timed.Progress:
    """Where an interrupted cycle of the same length is, with its weights; else the beginning."""
    if not path.is_file():
        return timed.Progress()
    saved = torch.load(path, map_location="cpu", weights_only=True)
    if saved.pop("of") != seconds:
        return timed.Progress()
    network.load_state_dict(saved.pop("network"))
    return timed.Progress(**saved)


def file_of(
    style: Style, network: ImageTransformation, done: timed.Progress, after: float
) -> tuple[bytes, dict[str, float]]:
    """The model file, and the defects that its paintings have."""
    config = style.config
    painting = open_style(style_path(config.style), config.style_size)
    loss = build_loss(config, to_tensor(painting))
    reference = reference_of(to_array(painting))
    record = {**style.initialization.record(), "name": style.name if style.training else BASE}
    checkpoint = Checkpoint(
        network,
        dataclasses.replace(config, init=record["name"], steps=done.step),
        done.step,
        loss.vgg.source,
        loss.vgg.scales,
        style_digest(config.style),
        record,
        style.initialization.identity_sha256,
        style_reference=reference,
    )
    so_far = style.training
    devices = dict.fromkeys([*so_far.get("device", "").split(", "), device_name(choose_device())])
    training = {
        "steps": so_far.get("steps", 0) + done.step,
        "crops": style.crops + done.step * config.batch_size,
        "seconds": round(so_far.get("seconds", 0) + done.worked),
        "device": ", ".join(filter(None, devices)),
        "held_out": round(after, 4),
    }
    metadata = {
        **model_metadata(checkpoint),
        "model_license": "MIT",
        "training": json.dumps(training),
    }
    data = to_onnx(network, metadata)
    measures = inspect(Stylizer(data, detail=0), reference)
    return with_metadata(data, defects=json.dumps(measures)), measures


def sheet(before: Stylizer, after: Stylizer, photographs: list[Path], target: Path) -> None:
    """Photographs, and their paintings before and after, a row each."""
    photos = [open_photograph(path, 640) for path in photographs[:SHOWN]]
    rows = [[photo, before(photo), after(photo)] for photo in photos]
    labels = [["photograph", "before", "after"]]
    save_image(contact_sheet(rows, labels=labels, height=400), target)


def run(options: argparse.Namespace) -> int:
    """Train one style, and say what became of it."""
    style = choose_style(options)
    options.output.mkdir(parents=True, exist_ok=True)
    with TerminationSignals(), Progress(unit="s") as progress:
        network, done, before, after = trained(style, options, progress)
    target = STYLES / f"{style.name}.onnx"
    painting = open_style(style_path(style.config.style), style.config.style_size)
    reference = reference_of(to_array(painting))
    data, measures = file_of(style, network, done, after)
    start = Stylizer(to_onnx(read_network(style), {}), detail=0)
    earlier = inspect(start, reference)
    photographs = Photographs(options.photos, style.config.size, 1, 1)
    pictures = options.output / f"{style.name}.jpg"
    sheet(start, Stylizer(data, detail=0), photographs.validation_paths, pictures)
    report_defects(measures)
    said = f"{style.name}: {done.step} steps in {done.worked:.0f} s, validation loss {before:.4f}"
    failures = worse(earlier, measures)
    if after < before and not failures:
        write_atomically(target, data)
        print(f"{said} before, {after:.4f} now: wrote {target}; look at {pictures}")
        return 0
    write_atomically(options.output / f"{style.name}.onnx", data)
    why = f"worse: {', '.join(failures)}" if failures else "no better"
    print(f"{said} before, {after:.4f} now, {why}: the style stays as it is; look at {pictures}")
    return 1


def main() -> int:
    """Train one style on; the exit code is 1 if its file stays as it was."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paintings", type=Path, required=True, metavar="DIR")
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    source = "their source and terms, kept in the model"
    parser.add_argument("--photos-source", required=True, metavar="TEXT", help=source)
    parser.add_argument("--minutes", type=float, default=120.0, metavar="M")
    parser.add_argument("--style", metavar="NAME", help="default: the one with the fewest crops")
    parser.add_argument("--size", type=int, default=TrainConfig.size, metavar="PX")
    parser.add_argument("--style-size", type=int, metavar="PX", help="default: its config's")
    lr = f"default: its config's; {MATURE_LR} after {MATURE} crops"
    parser.add_argument("--lr", type=float, metavar="LR", help=lr)
    parser.add_argument("--batch-size", type=int, metavar="N", help=f"default: 1; GPU: {GPU_BATCH}")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/gallery"), metavar="DIR")
    try:
        return run(parser.parse_args())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
