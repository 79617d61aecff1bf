"""`fast-nst optimize`: the reference path (Gatys et al. 2016) from file to file."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from fast_nst.commands.outputs import output_file
from fast_nst.commands.parsing import parse
from fast_nst.commands.progress import Progress
from fast_nst.commands.training_options import OptimizeOptions
from fast_nst.devices import (
    choose_device,
    choose_precision,
    describe_precision,
    explain_oom,
    to_image,
    to_tensor,
)
from fast_nst.errors import UserError, choose
from fast_nst.files import check_writable
from fast_nst.losses import PARTS, build_loss
from fast_nst.models.catalogue import is_style, style_names
from fast_nst.pictures.edit import keep_colors, resize_longest, to_array
from fast_nst.pictures.read import open_image, open_photograph, open_style
from fast_nst.pictures.write import WRITERS, check_writable_format, save_image
from fast_nst.reference.optimizer import (
    Iterate,
    OptimizationDiverged,
    Optimized,
    optimize,
)
from fast_nst.reference.settings import INITS
from fast_nst.stylize.stylizer import Stylizer


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Optimise one picture from file to file, with progress on standard error.

    Returns:
        The exit code, 0.

    Raises:
        UserError: An option or file cannot be used, or the loss diverged; then the best picture
            so far has been written.
    """
    options = parse(OptimizeOptions, argv, prog, description)
    options.output = output_file(options.output, options.content, WRITERS, ".png")
    _check_output(options)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    photo = resize_longest(open_image(options.content), options.size)
    style_size = options.style_size or min(photo.size)
    paths, shares = zip(*options.style_shares, strict=True)
    writer = _Writer(options, photo)
    failure = None
    with explain_oom("lower --size"):
        content = to_tensor(photo).to(device)
        enlarge = options.style_size is not None
        styles = [to_tensor(open_style(path, style_size, enlarge)).to(device) for path in paths]
        init = _initial_picture(options.init, photo)
        loss = build_loss(options, styles, shares)
        precision = choose_precision(options.precision, device)
        if options.precision == "auto" and not options.quiet:
            print(describe_precision(device), file=sys.stderr)
        with Progress(options.quiet) as progress:
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
                    precision=precision,
                    seed=options.seed,
                    on_progress=_Iterates(options, progress, writer),
                )
            except OptimizationDiverged as error:
                failure, result = error, error.result
    writer.final(result.picture)
    if failure is not None:
        raise UserError(
            f"{failure}: lower --lr, or --style-weight if that does not help. The best picture "
            f"until then is in {options.output!r}"
        )
    _report(options, result, photo.size, precision)
    return 0


def _check_output(options: OptimizeOptions) -> None:
    """Refuse, before the work, output paths that cannot or must not be written."""
    output = Path(options.output)
    check_writable_format(output)
    if output.exists() and not options.overwrite:
        raise UserError(f"{str(output)!r} exists: add --overwrite to replace it")
    check_writable(output)
    if options.save_every is None:
        return
    frames = _frames_folder(output)
    if frames.exists() and not frames.is_dir():
        raise UserError(f"{str(frames)!r} is a file, the frames need a folder of that name")
    if _frames_in(frames) and not options.overwrite:
        raise UserError(f"{str(frames)!r} holds frames: add --overwrite to replace them")


def _frames_in(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if re.fullmatch(r"\d{6}", path.stem)]


def _frames_folder(output: Path) -> Path:
    return output.with_name(f"{output.stem}_frames")


def _initial_picture(init: str, photo: Image.Image) -> str | Tensor:
    """The initial picture as `optimize` takes it: a name, or a tensor of the photograph's size."""
    if init in INITS:
        return init
    if Path(init).suffix.lower() == ".onnx" or is_style(init):
        return to_tensor(Stylizer(init, detail=0)(photo).convert("RGB"))
    if not Path(init).suffix and not Path(init).exists():
        choose("init", init, (*INITS, *style_names(), "an image file", "a model.onnx"))
    return to_tensor(open_photograph(Path(init)).resize(photo.size, Image.Resampling.LANCZOS))


class _Writer:
    """Writes the result and the frames."""

    def __init__(self, options: OptimizeOptions, photo: Image.Image) -> None:
        self.options = options
        self.photo = photo
        self.output = Path(options.output)
        self.frames = _frames_folder(self.output)
        self._has_frames = False

    def frame(self, item: Iterate, picture: Tensor) -> None:
        """One iterate, numbered through all scales."""
        number = item.scale * (self.options.steps + 1) + item.step  # each scale has its start
        path = self.frames / f"{number:06d}{self.output.suffix}"
        if not self._has_frames:  # those of a longer run would mix with the new ones
            for old in _frames_in(self.frames):
                old.unlink()
        self._has_frames = True
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


class _Iterates:
    """`on_progress` of `optimize`: shows every iterate, and writes those of `--save-every`."""

    def __init__(self, options: OptimizeOptions, progress: Progress, writer: _Writer) -> None:
        self.options = options
        self.progress = progress
        self.writer = writer

    def __call__(self, item: Iterate, picture: Tensor) -> bool:
        if self.options.save_every and item.step % self.options.save_every == 0:
            self.writer.frame(item, picture)
        if item.step == 0:  # a bar a scale
            self.progress.close()
        losses = {name: item.losses[name] for name in PARTS}
        size = f"{item.width}x{item.height}"
        return self.progress.update(item.step, self.options.steps, size, losses)


def _report(
    options: OptimizeOptions, result: Optimized, size: tuple[int, int], precision: str
) -> None:
    """Print the result's losses, as a line or as one JSON object."""
    best, last = result.best, result.history[-1]
    record = {
        "output": options.output,
        "size": size,
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
            f"{options.content} -> {options.output}  {size[0]}x{size[1]}  {parts}",
            file=sys.stderr,
        )
