"""Train the styles of the package again, one after the other, on whatever device there is.

    python scripts/train_gallery.py PAINTINGS PHOTOS -o gallery

PAINTINGS holds the images that `configs/` name. A style whose recipe has two parts has a file
NAME.first.yaml beside NAME.yaml; the second part goes on from the first. What is trained already is
left alone, what was interrupted goes on, and what fails is named at the end. With --gpu,
configs/gpu.yaml is laid over each.

With --steady the styles for video are made instead, NAME_steady: each goes on from the package's
NAME, its recipe's last part with configs/steady.yaml over it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from fast_nst.assets import SAMPLE_STYLE
from fast_nst.commands.artifacts import report_artifacts
from fast_nst.commands.parsing import parse
from fast_nst.commands.progress import Progress
from fast_nst.errors import UserError
from fast_nst.stylize.gallery import MODEL, STEADY
from fast_nst.training.checkpoints import CHECKPOINT, read_checkpoint
from fast_nst.training.run import train
from fast_nst.training.settings import TrainConfig

CONFIGS = Path(__file__).parents[1] / "configs"
OTHERS = ("quick", "gpu", "steady")  # which are no styles


def parts_of(name: str) -> list[Path]:
    """The files of a style's recipe, in the order of training."""
    files = (CONFIGS / f"{name}.first.yaml", CONFIGS / f"{name}.yaml")
    return [path for path in files if path.is_file()]


def train_style(name: str, options: argparse.Namespace, progress: Progress) -> Path:
    """All parts of one style, from its painting to its model file.

    Raises:
        UserError: A part cannot be trained.
        SystemExit: It was stopped.
    """
    checkpoint: Path | None = None
    for part in parts_of(name)[-1:] if options.steady else parts_of(name):
        folder = options.output / "runs" / f"{part.stem}{STEADY if options.steady else ''}"
        flags = ["--photos", str(options.photos), "--out", str(folder)]
        if options.steady:
            flags = ["--config", str(CONFIGS / "steady.yaml"), *flags, "--start", name]
        if options.gpu:
            flags = ["--config", str(CONFIGS / "gpu.yaml"), *flags]
        config = parse(TrainConfig, ["--config", str(part), *flags], "train_gallery.py", None)
        if config.style is not None:
            config.style = str(options.paintings / Path(config.style).name)
        if checkpoint is not None:
            config.start = str(checkpoint)
        checkpoint = folder / CHECKPOINT
        if checkpoint.is_file():
            if read_checkpoint(checkpoint).step >= config.steps:
                continue
            config = TrainConfig(resume=str(checkpoint))
        result = train(
            config,
            each=lambda step, steps, loss: progress.show(step, steps, name, {"loss": loss}),
        )
        progress.close()
        if progress.stopped:
            sys.exit("interrupted: the same command goes on from here")
        report_artifacts(result.artifacts)
    return folder / MODEL


def main() -> int:
    """Train what is missing; the exit code is 1 if a style failed."""
    names = sorted({path.stem.removesuffix(".first") for path in CONFIGS.glob("*.yaml")})
    names = [name for name in names if name not in OTHERS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paintings", type=Path, help=f"all but {SAMPLE_STYLE.name}")
    parser.add_argument("photos", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("gallery"))
    parser.add_argument("--styles", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--steady", action="store_true", help="make the styles for video")
    parser.add_argument("--gpu", action="store_true", help="lay configs/gpu.yaml over each")
    options = parser.parse_args()
    failures = []
    with Progress(unit="step") as progress:
        for name in options.styles:
            target = options.output / f"{name}{STEADY if options.steady else ''}.onnx"
            if target.exists():
                continue
            try:
                shutil.copyfile(train_style(name, options, progress), target)
            except UserError as error:
                failures.append(f"{name}: {error}")
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    print(f"{len(options.styles) - len(failures)} of {len(options.styles)} in {options.output}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
