"""The report of a comparison: JSON, an HTML page and a contact sheet."""

from __future__ import annotations

import base64
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import onnxruntime
import PIL
import torch
from PIL import Image

from fast_nst.comparison import NUMBERS, PAGE, SHEET
from fast_nst.comparison.measure import (
    Comparison,
    Equivalent,
    Pictures,
    summarize,
)
from fast_nst.comparison.plots import loss_curves
from fast_nst.files import write_atomically
from fast_nst.losses import PARTS
from fast_nst.pictures.sheet import contact_sheet
from fast_nst.pictures.write import encode_image, save_image
from fast_nst.version import __version__

_HERE = Path(__file__).parent
_SHEET_HEIGHT = 220


def write_report(
    folder: Path,
    done: Sequence[tuple[Comparison, Pictures]],
    facts: dict[str, Any],
    style: Image.Image,
) -> None:
    """Write `NUMBERS`, `PAGE` and `SHEET`.

    Args:
        folder: Output folder; created if missing.
        done: Comparisons, at least one, with their images.
        facts: Model, style, settings and environment, for `report.json`.
        style: The style image.

    Raises:
        UserError: The folder is not writable.
    """
    record = as_json([item for item, _ in done], facts)
    rows = [[p.photograph, p.network, *p.milestones] for _, p in done]
    labels = ["photograph", "network", *(f"{m.steps} iterations" for m in done[0][0].milestones)]
    write_atomically(folder / NUMBERS, json.dumps(record, indent=1, allow_nan=False).encode())
    page = render_page(record, done, style)
    write_atomically(folder / PAGE, page.encode(errors="replace"))  # file names can be any bytes
    save_image(contact_sheet(rows, [labels], _SHEET_HEIGHT), folder / SHEET)


def render_page(
    record: dict[str, Any], done: Sequence[tuple[Comparison, Pictures]], style: Image.Image
) -> str:
    """Render the report as a self-contained HTML page.

    Args:
        record: The contents of `report.json`.
        done: Comparisons with their images.
        style: The style image.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["duration"] = format_seconds
    environment.filters["times"] = format_times
    return environment.get_template("report.html").render(
        record=record,
        summary=record["summary"],
        equivalent=format_equivalent_mean(record["summary"]),
        parts=PARTS,
        plot=loss_curves([item for item, _ in done]),
        style=_inline(style),
        rows=[
            {
                "numbers": asdict(item),
                "equivalent": format_equivalent(item.equivalent, item.milestones[-1].steps),
                "photograph": _inline(pictures.photograph),
                "network": _inline(pictures.network),
                "milestones": [_inline(picture) for picture in pictures.milestones],
            }
            for item, pictures in done
        ],
    )


def _inline(image: Image.Image) -> str:
    data = base64.b64encode(encode_image(image, "JPEG", 90)).decode()
    return f"data:image/jpeg;base64,{data}"


def format_seconds(seconds: float) -> str:
    """Three significant digits in the unit that fits: "4.21 ms", "1.50 s", "2.25 min"."""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.3g} min"


def format_times(ratio: float) -> str:
    """A ratio with thousands separators or two significant digits: "12,400", "0.43"."""
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"


def format_equivalent(equivalent: Equivalent, most: int) -> str:
    """A photograph's equivalent iterations: "18", ">500", "worse than the start"."""
    if equivalent.iterations is not None:
        return f"{equivalent.iterations:.0f}"
    return f">{most}" if equivalent.verdict == "never" else "worse than the start"


def format_equivalent_mean(summary: dict[str, Any]) -> str:
    """The mean equivalent iterations and standard deviation: "18 ± 3", "at least 230 ± 90"."""
    values = summary["equivalent_iterations"]
    bound = "" if values["bound"] == "about" else f"{values['bound']} "
    spread = f" ± {values['std']:.0f}" if summary["photographs"] > 1 else ""
    return f"{bound}{values['mean']:.0f}{spread}"


def environment(device: torch.device) -> dict[str, Any]:
    """The machine and the versions of the packages, on which the results depend."""
    accelerator = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "device": accelerator or device.type,
        "processor": _processor(),
        "torch_threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "fast_nst": __version__,
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def as_json(comparisons: Sequence[Comparison], facts: dict[str, Any]) -> dict[str, Any]:
    """The contents of `report.json`."""
    return {
        **facts,
        "summary": summarize(comparisons),
        "photographs": [asdict(item) for item in comparisons],
    }
