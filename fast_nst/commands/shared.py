"""Options that several commands have: said once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fast_nst.assets import DEFAULT_MODEL
from fast_nst.errors import UserError
from fast_nst.models.catalogue import is_name, is_style
from fast_nst.options import option
from fast_nst.stylize.painting import MAX_STRENGTH


def model_option() -> Any:
    """Which network paints."""
    return option(
        "exported .onnx file, or a style's name: of the package's, or of a run in runs/; default: "
        + DEFAULT_MODEL.stem,
        None,
        "-m",
        metavar="MODEL",
    )


def strength_option(least: float = 0) -> Any:
    """How bold the style is."""
    photograph = "; 0 is the photograph itself" if least == 0 else ""
    return option(
        f"1 is the style as trained, above it bolder, below calmer{photograph}",
        1.0,
        metavar=f"{least:g}..{MAX_STRENGTH:g}",
        least=least,
        most=MAX_STRENGTH,
    )


def detail_option(default: float) -> Any:
    """How much of the photograph's fine structure comes back."""
    return option(
        "how much of the photograph's fine structure is put back on the painting, 0 to 1",
        default,
        metavar="0..1",
        least=0,
        most=1,
    )


def models_option() -> Any:
    """Which models a page offers, beside the gallery."""
    return option(
        "folder of .onnx files to offer, beside the gallery and the runs in runs/; read at the "
        "start",
        None,
        metavar="DIR",
    )


def runtime_option(without: str) -> Any:
    """Where the browser's ONNX Runtime lies.

    Args:
        without: What happens where it is not given.
    """
    return option(
        "folder with the npm package onnxruntime-web, which runs networks in the browser" + without,
        None,
        metavar="DIR",
    )


def _is_file(given: str) -> bool:
    return Path(given).exists()


def with_share(
    given: str, what: str, is_whole: Callable[[str], bool] = _is_file
) -> tuple[str, float]:
    """`NAME:SHARE` as the two; without a share it is 1.

    A colon that belongs to the name, as in `C:/wave.onnx`, is left alone.

    Args:
        given: The word.
        what: Stands before the share in the error.
        is_whole: Whether a word is a name as it stands; default: that of a file.

    Raises:
        UserError: The share is not above 0.
    """
    name, colon, share = given.rpartition(":")
    if not colon or is_whole(given):
        return given, 1.0
    try:
        value = float(share)
    except ValueError:
        return given, 1.0
    if not name or not 0 < value < math.inf:
        raise UserError(f"{given}: give {what} or {what}:SHARE with a share above 0")
    return name, value


def blend_of(given: Iterable[str], what: str) -> dict[str, float]:
    """Models as words of `NAME:SHARE` as a blend; what is named twice has both its shares.

    Raises:
        UserError: A share is not above 0.
    """
    blend: dict[str, float] = {}
    for word in given:
        name, share = with_share(word, what, _is_model)
        blend[name] = blend.get(name, 0.0) + share
    return blend


def _is_model(given: str) -> bool:
    return is_style(given) if is_name(given) else _is_file(given)


def quality_option() -> Any:
    """How well lossy files are written."""
    return option("of JPEG and WebP files, 1 to 100", 95, metavar="Q", least=1, most=100)
