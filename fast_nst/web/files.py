"""The page's files and what it is told: the same for the service and for a static site."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fast_nst.assets import DEFAULT_MODEL, SAMPLE_PHOTOGRAPHS, STARTS
from fast_nst.errors import UserError
from fast_nst.models.initializers import Place, parameter_places
from fast_nst.pictures.detail import DETAIL
from fast_nst.stylize.strength import FADE_BELOW, MOST_STRENGTH
from fast_nst.stylize.strokes import LEAST_STROKE_SCALE, LOST_DETAIL, MOST_STROKE_SCALE
from fast_nst.version import __version__
from fast_nst.web.models import Models
from fast_nst.web.runtime import Runtime

PAGE = Path(__file__).parent / "page"
CONFIG = "config.json"
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".jpg": "image/jpeg",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
}


@dataclass(frozen=True)
class File:
    """A file that the page may ask for."""

    data: bytes
    media_type: str


def page_files(
    models: Models, runtime: Runtime | None, service: Mapping[str, Any] | None
) -> dict[str, File]:
    """Everything that the page may ask for, by the path that it asks for it by.

    Args:
        models: What it offers.
        runtime: What runs networks in the browser; None if nothing does.
        service: What the page is told of the service behind it; None if there is none.
    """
    contents = {path.name: path.read_bytes() for path in PAGE.iterdir() if path.is_file()}
    samples = sorted(SAMPLE_PHOTOGRAPHS.glob("*.jpg"))
    contents |= {f"samples/{path.name}": path.read_bytes() for path in samples}
    told: dict[str, Any] = {
        "version": __version__,
        "default": DEFAULT_MODEL.stem,
        "styles": [model.described() for model in models.values() if model.is_listed],
        "samples": [f"samples/{path.name}" for path in samples],
        "most_strength": MOST_STRENGTH,
        "detail": DETAIL,
        "stroke_scale": [LEAST_STROKE_SCALE, MOST_STROKE_SCALE],
        "service": service,
        "browser": None,
    }
    if runtime is not None:
        roots = {
            network: (f"roots/{network}.onnx", starts["photograph"].read_bytes())
            for network, starts in STARTS.items()
        }
        parts = {f"styles/{model.name}.onnx": model for model in models.values()}
        contents |= {path: model.part.data for path, model in parts.items()}
        contents |= {**dict(roots.values()), **runtime.files}
        told["browser"] = {
            "runtime": runtime.module,
            "fade_below": FADE_BELOW,
            "lost_detail": LOST_DETAIL,
            "roots": {
                network: {"file": path, "parameters": parameter_places(data)}
                for network, (path, data) in roots.items()
            },
            "files": {
                model.name: {
                    "file": path,
                    "network": model.network,
                    "parameters": _places(model.unmixable, model.part.data),
                }
                for path, model in parts.items()
            },
        }
    told["paths"] = sorted([*contents, CONFIG])
    contents[CONFIG] = json.dumps(told, allow_nan=False).encode()
    return {path: File(data, _MEDIA_TYPES[Path(path).suffix]) for path, data in contents.items()}


def _places(unmixable: str, data: bytes) -> dict[str, Place] | None:
    """Where the parameters lie; None for a file that the page cannot mix."""
    if unmixable:
        return None
    try:
        return parameter_places(data)
    except UserError:
        return None
