"""Options that several commands have: said once."""

from __future__ import annotations

from typing import Any

from fast_nst.assets import DEFAULT_MODEL
from fast_nst.options import option
from fast_nst.stylize.engines import MOST_THREADS


def model_option() -> Any:
    """Which network paints."""
    return option(
        "exported .onnx file, or a style's name: of the package's, or of a run in runs/; default: "
        + DEFAULT_MODEL.stem,
        None,
        "-m",
        metavar="MODEL",
    )


def threads_option(of: str = "") -> Any:
    """How many threads work on a picture."""
    help_text = f"CPU threads{of}; default: one a core"
    return option(help_text, None, metavar="N", least=1, most=MOST_THREADS)


def quality_option() -> Any:
    """How well lossy files are written."""
    return option("of JPEG and WebP files, 1 to 100", 95, metavar="Q", least=1, most=100)
