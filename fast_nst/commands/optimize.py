"""The reference path on files: what `fast-nst optimize` reads, shows and writes."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from fast_nst.devices import (
    PRECISIONS,
    choose_device,
    choose_precision,
    memory_explained,
    to_image,
    to_tensor,
)
from fast_nst.errors import UserError, choose
from fast_nst.files import check_place
from fast_nst.interrupt import stop_on_interrupt
from fast_nst.losses import PARTS, build_loss
from fast_nst.options import option, positional
from fast_nst.pictures.edit import keep_colors, resize_longest, to_array
from fast_nst.pictures.read import open_image, open_photograph, open_style
from fast_nst.pictures.write import check_writable_format, save_image
from fast_nst.reference.optimizer import (
    LEARNING_RATES,
    OPTIMIZERS,
    STARTS,
    STEPS,
    Iterate,
    OptimizationDiverged,
    Optimized,
    optimize,
)
from fast_nst.stylize.engines import MOST_THREADS
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training.settings import like_training

_RATES = ", ".join(f"{rate:g} for {name}" for name, rate in LEARNING_RATES.items())


@dataclass
class OptimizeOptions:
    """What `fast-nst optimize` can be told; its flags are made from these fields."""

    content: str = positional("the photograph", metavar="CONTENT")
    style: list[str] = option(
        "style image, or several, each with its share: --style a.jpg:0.7 --style b.jpg:0.3",
        metavar="STYLE[:SHARE]",
        repeat=True,
    )
    output: str = option("image file to write", MISSING, "-o", metavar="OUT")
    steps: int = option("updates, at each scale", STEPS)
    size: int = option("longer side of the result, in px", 512, metavar="PX")
    style_size: int | None = option(
        "shorter side of the style image, in px; default: that of the result", None, metavar="PX"
    )
    scales: int = option("coarse to fine: 3 makes a quarter, a half and the whole size", 1)
    init: str = option(
        "where to start: content, noise, an image, or an exported .onnx model to refine its "
        "painting",
        "content",
    )
    keep_colors: bool = option("keep the photograph's colours, paint its light and dark", False)
    content_weight: float = like_training("content_weight")
    style_weight: float = like_training("style_weight")
    tv_weight: float = like_training("tv_weight")
    content_layers: list[str] = like_training("content_layers")
    style_layers: list[str] = like_training("style_layers")
    vgg: str = like_training("vgg")
    pooling: str = like_training("pooling")
    optimizer: str = option(f"method: {' or '.join(OPTIMIZERS)}", "lbfgs")
    lr: float | None = option(f"step length; default: {_RATES}", None)
    seed: int = option("seed of --init noise", 0)
    precision: str = option(
        f"arithmetic: {', '.join(PRECISIONS)}; auto is bf16 where the hardware has it", "auto"
    )
    device: str = option("auto, cpu, cuda, cuda:1, mps", "auto")
    threads: int | None = option("CPU threads; default: one a core", None, metavar="N")
    save_every: int | None = option(
        "write a frame every N updates, into the folder OUT_frames", None, metavar="N"
    )
    quality: int = option("of JPEG and WebP files, 1 to 100", 95, metavar="Q")
    overwrite: bool = option("replace the output file if it exists", False)
    json: bool = option("print the result's losses as one JSON object on standard output", False)
    quiet: bool = option("print nothing but errors", False, "-q")

    def __post_init__(self) -> None:
        """Refuse what can be refused without looking at a file.

        Raises:
            UserError: A value is out of its range.
        """
        if not self.output:
            raise UserError("no output: add -o FILE")
        for name in ("steps", "size", "scales", "threads", "save_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"--{name.replace('_', '-')} is {value}: it must be at least 1")
        if self.style_size is not None and self.style_size < 1:
            raise UserError(f"--style-size is {self.style_size}: it must be at least 1")
        if self.lr is not None and not 0 < self.lr < math.inf:
            raise UserError(f"--lr is {self.lr:g}: it must be a number above 0")
        if not 1 <= self.quality <= 100:
            raise UserError(f"--quality is {self.quality}: it must be from 1 to 100")
        if (self.threads or 1) > MOST_THREADS:
            raise UserError(f"--threads is {self.threads}: it must be at most {MOST_THREADS}")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"--seed is {self.seed}: it must be between 0 and {2**32 - 1}")
        choose("optimizer", self.optimizer, OPTIMIZERS)
        choose("precision", self.precision, PRECISIONS)
        self.style_shares  # noqa: B018, it raises what is wrong with them
        if self.init not in STARTS and not Path(self.init).suffix:
            choose("start", self.init, (*STARTS, "an image file", "a model.onnx"))

    @property
    def style_shares(self) -> list[tuple[Path, float]]:
        """Each style image with its share."""
        return [_style_and_share(given) for given in self.style]


def _style_and_share(given: str) -> tuple[Path, float]:
    path, colon, share = given.rpartition(":")
    if Path(given).exists() or not colon:
        return Path(given), 1.0
    try:
        value = float(share)
    except ValueError:  # the colon belongs to the name
        return Path(given), 1.0
    if not path or not 0 < value < math.inf:
        raise UserError(f"--style {given}: give IMAGE or IMAGE:SHARE with a share above 0")
    return Path(path), value


def run_optimize(options: OptimizeOptions) -> int:
    """Optimise one picture from file to file, with progress on standard error.

    Returns:
        The exit code, 0.

    Raises:
        UserError: Something cannot be used, or the loss exploded; the best picture until then
            has been written.
    """
    _check_output(options)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    photo = resize_longest(open_image(options.content), options.size)
    style_size = options.style_size or min(photo.size)
    paths, shares = zip(*options.style_shares, strict=True)
    writer = _Writer(options, photo)
    failure = None
    with memory_explained("lower --size"):
        content = to_tensor(photo).to(device)
        styles = [to_tensor(open_style(path, style_size)).to(device) for path in paths]
        init = _start(options.init, photo)
        loss = build_loss(options, styles, shares)
        with _Progress(options) as progress, stop_on_interrupt(progress.stop):

            def each(item: Iterate, picture: Tensor) -> bool:
                if options.save_every and item.step % options.save_every == 0:
                    writer.frame(item, picture)
                return progress.update(item)

            try:
                result = optimize(
                    content,
                    styles,
                    loss,
                    init=init if isinstance(init, str) else init.to(device),
                    steps=options.steps,
                    scales=options.scales,
                    optimizer=options.optimizer,
                    lr=options.lr,
                    precision=options.precision,
                    seed=options.seed,
                    callback=each,
                )
            except OptimizationDiverged as error:
                failure, result = error, error.result
    writer.final(result.picture)
    if failure is not None:
        raise UserError(
            f"{failure}: lower --lr, or --style-weight if that does not help. The best picture "
            f"until then is in {options.output!r}"
        )
    _report(options, result, choose_precision(options.precision, device))
    return 0


def _check_output(options: OptimizeOptions) -> None:
    """Refuse, before the work, places that cannot or must not be written."""
    output = Path(options.output)
    check_writable_format(output)
    if output.is_dir():
        raise UserError(f"{str(output)!r} is a folder: name a file in it")
    if output.exists() and not options.overwrite:
        raise UserError(f"{str(output)!r} exists: add --overwrite to replace it")
    check_place(output)
    if options.save_every is None:
        return
    frames = _frames_folder(output)
    if frames.exists() and not frames.is_dir():
        raise UserError(f"{str(frames)!r} is a file, the frames need a folder of that name")
    old = [path for path in frames.glob("*") if re.fullmatch(r"\d{6}", path.stem)]
    if old and not options.overwrite:
        raise UserError(f"{str(frames)!r} holds frames: add --overwrite to replace them")
    for path in old:  # those of a longer run would mix with the new ones
        path.unlink()


def _frames_folder(output: Path) -> Path:
    return output.with_name(f"{output.stem}_frames")


def _start(init: str, photo: Image.Image) -> str | Tensor:
    """The start as `optimize` takes it: a name, or a picture of the photograph's size."""
    if init in STARTS:
        return init
    if Path(init).suffix.lower() == ".onnx":
        return to_tensor(Stylizer(init)(photo).convert("RGB"))
    return to_tensor(open_photograph(Path(init)).resize(photo.size, Image.Resampling.LANCZOS))


class _Writer:
    """Turns tensors into files as the options say."""

    def __init__(self, options: OptimizeOptions, photo: Image.Image) -> None:
        self.options = options
        self.photo = photo
        self.output = Path(options.output)
        self.frames = _frames_folder(self.output)

    def frame(self, item: Iterate, picture: Tensor) -> None:
        """One iterate, numbered through all scales."""
        number = item.scale * (self.options.steps + 1) + item.step  # each scale has its start
        path = self.frames / f"{number:06d}{self.output.suffix}"
        save_image(self._finish(to_image(picture)), path, self.options.quality)

    def final(self, picture: Tensor) -> None:
        """The result, in the photograph's size whatever scale the run came to."""
        image = to_image(picture).resize(self.photo.size, Image.Resampling.LANCZOS)
        save_image(self._finish(image), self.output, self.options.quality)

    def _finish(self, image: Image.Image) -> Image.Image:
        photo = self.photo.resize(image.size, Image.Resampling.LANCZOS)
        if self.options.keep_colors:
            image = Image.fromarray(keep_colors(to_array(photo), to_array(image)))
        if photo.mode == "RGBA":
            image.putalpha(photo.getchannel("A"))
        return image


class _Progress:
    """A bar a scale, with every part of the loss; silent if asked to be."""

    def __init__(self, options: OptimizeOptions) -> None:
        self.options = options
        self.stopped = False
        self._scale = -1
        self._bar: Any = None

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def stop(self) -> None:
        """End the run after the update at hand."""
        self.stopped = True

    def update(self, item: Iterate) -> bool:
        """Show an iterate, and say whether to stop."""
        if self.options.quiet:
            return self.stopped
        if item.scale != self._scale or item.step == 0:
            from tqdm import tqdm

            self.__exit__()
            self._scale = item.scale
            size = f"{item.width}x{item.height}"
            self._bar = tqdm(total=self.options.steps, desc=size, unit="it", file=sys.stderr)
        self._bar.update(item.step - self._bar.n)
        self._bar.set_postfix({name: f"{item.losses[name]:.4g}" for name in PARTS}, refresh=False)
        return self.stopped


def _report(options: OptimizeOptions, result: Optimized, precision: str) -> None:
    """Say in a line, or in one JSON object, what came of it."""
    best, last = result.best, result.history[-1]
    record = {
        "output": options.output,
        "size": [best.width, best.height],
        "steps": len(result.history) - 1 - last.scale,
        "seconds": round(last.seconds, 2),
        "precision": precision,
        "restarts": result.restarts,
        "losses": {name: best.losses[name] for name in PARTS},
    }
    if options.json:
        print(json.dumps(record), flush=True)
    elif not options.quiet:
        parts = "  ".join(f"{name} {best.losses[name]:.4f}" for name in PARTS)
        if len(result.history) < options.scales * (options.steps + 1):
            print(f"stopped after {record['steps']} updates", file=sys.stderr)
        print(
            f"{options.content} -> {options.output}  {best.width}x{best.height}  {parts}",
            file=sys.stderr,
        )
