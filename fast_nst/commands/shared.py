"""Options and checks that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fast_nst.assets import DEFAULT_MODEL
from fast_nst.errors import UserError
from fast_nst.models.catalogue import is_name, is_style
from fast_nst.options import option
from fast_nst.pictures.write import QUALITY
from fast_nst.stylize.painting import MAX_STRENGTH


def model_option() -> Any:
    """--model, the network."""
    return option(
        "exported .onnx file, or the name of a style (fast-nst styles lists them); default: "
        + DEFAULT_MODEL.stem,
        None,
        "-m",
        metavar="MODEL",
    )


def strength_option(least: float = 0) -> Any:
    """--strength, from `least`."""
    photograph = "; 0 is the photograph itself" if least == 0 else ""
    return option(
        f"strength of the style: 1 as trained, above bolder, below calmer{photograph}",
        1.0,
        metavar=f"{least:g}..{MAX_STRENGTH:g}",
        least=least,
        most=MAX_STRENGTH,
    )


def detail_option(default: float) -> Any:
    """--detail."""
    return option(
        "share of the photograph's fine structure to add to the painting, 0 to 1",
        default,
        metavar="0..1",
        least=0,
        most=1,
    )


def models_option() -> Any:
    """--models."""
    return option(
        "folder of .onnx files to offer besides those that fast-nst styles lists; read at startup",
        None,
        metavar="DIR",
    )


def webgpu_option() -> Any:
    """--webgpu."""
    return option("add ONNX Runtime for GPUs, 27 MB, to paint in browsers with WebGPU", False)


def runtime_option(without: str) -> Any:
    """--runtime.

    Args:
        without: Appended to the help: what happens without the flag.
    """
    return option(
        "folder of the npm package onnxruntime-web, which runs models in the browser" + without,
        None,
        metavar="DIR",
    )


def _is_file(name: str) -> bool:
    return Path(name).exists()


def with_weight(
    argument: str, what: str, is_name_alone: Callable[[str], bool] = _is_file
) -> tuple[str, float]:
    """Split `NAME:WEIGHT`; the weight defaults to 1.

    A colon inside the name, as in `C:/wave.onnx`, does not split.

    Args:
        argument: The argument.
        what: What a name denotes, for the error.
        is_name_alone: Whether an argument is a name without a weight; default: existing files are.

    Raises:
        UserError: The weight is not positive and finite, or the name is empty.
    """
    name, colon, weight = argument.rpartition(":")
    if not colon or is_name_alone(argument):
        return argument, 1.0
    try:
        value = float(weight)
    except ValueError:
        return argument, 1.0
    if not name or not 0 < value < math.inf:
        raise UserError(f"{argument}: give {what} or {what}:WEIGHT with a weight above 0")
    return name, value


def blend_of(arguments: Iterable[str], what: str) -> dict[str, float]:
    """Parse arguments `NAME:WEIGHT` to name -> weight; the weights of equal names are added.

    Raises:
        UserError: See `with_weight`; or a name is empty.
    """
    blend: dict[str, float] = {}
    for argument in arguments:
        name, weight = with_weight(argument, what, _is_model)
        if not name:
            raise UserError(f"a style has no name: give {what}, or an .onnx file")
        blend[name] = blend.get(name, 0.0) + weight
    return blend


def _is_model(argument: str) -> bool:
    return is_style(argument) if is_name(argument) else _is_file(argument)


def refuse_existing(target: Path) -> None:
    """Keep an output from replacing an existing file.

    Raises:
        UserError: The target exists.
    """
    if target.is_dir():
        raise UserError(f"{str(target)!r} is a folder: name a file in it")
    if target.exists():
        raise UserError(f"{str(target)!r} exists: add --overwrite to replace it")


def quality_option() -> Any:
    """--quality."""
    return option("quality of JPEG and WebP, 1 to 100", QUALITY, metavar="Q", least=1, most=100)
