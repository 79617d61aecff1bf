"""The page's files and its configuration, shared by the service and the static site."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fast_nst.assets import DEFAULT_MODEL, SAMPLE_PHOTOGRAPHS, STARTS
from fast_nst.errors import UserError
from fast_nst.models.onnx_fields import Offset, initializer_offsets
from fast_nst.pictures.detail import DETAIL
from fast_nst.stylize.painting import (
    FADE_BELOW,
    LOST_DETAIL,
    MAX_STRENGTH,
    MAX_STROKE_SCALE,
    MIN_STROKE_SCALE,
)
from fast_nst.version import __version__
from fast_nst.web.models import Models, ServedModel
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
class PageFile:
    """A file of the page: content and media type."""

    data: bytes
    media_type: str


def page_files(
    models: Models, runtime: Runtime | None, service: Mapping[str, Any] | None
) -> dict[str, PageFile]:
    """Every file that the page may request, by its path relative to the page.

    Args:
        models: Models on offer.
        runtime: ONNX Runtime for the browser; None leaves out everything that runs there.
        service: The service's limits, for the page's config; None for a static site.
    """
    contents = {path.name: path.read_bytes() for path in PAGE.iterdir() if path.is_file()}
    samples = sorted(SAMPLE_PHOTOGRAPHS.glob("*.jpg"))
    contents |= {f"samples/{path.name}": path.read_bytes() for path in samples}
    config: dict[str, Any] = {
        "version": __version__,
        "default": DEFAULT_MODEL.stem,
        "styles": [model.described() for model in models.values() if model.is_listed],
        "samples": [f"samples/{path.name}" for path in samples],
        "most_strength": MAX_STRENGTH,
        "detail": DETAIL,
        "stroke_scale": [MIN_STROKE_SCALE, MAX_STROKE_SCALE],
        "service": service,
        "browser": None,
    }
    if runtime is not None:
        identity_models = {
            network: (f"roots/{network}.onnx", starts["photograph"].read_bytes())
            for network, starts in STARTS.items()
        }
        styles = {f"styles/{model.name}.onnx": model for model in models.values()}
        contents |= {path: model.part.data for path, model in styles.items()}
        contents |= {**dict(identity_models.values()), **runtime.files}
        config["browser"] = {
            "runtime": runtime.module,
            "fade_below": FADE_BELOW,
            "lost_detail": LOST_DETAIL,
            "roots": {
                network: {"file": path, "parameters": initializer_offsets(data)}
                for network, (path, data) in identity_models.items()
            },
            "files": {
                model.name: {
                    "file": path,
                    "network": model.network,
                    "parameters": _parameter_offsets(model),
                }
                for path, model in styles.items()
            },
        }
    config["paths"] = sorted([*contents, CONFIG])
    contents[CONFIG] = json.dumps(config, allow_nan=False).encode()
    return {
        path: PageFile(data, _MEDIA_TYPES[Path(path).suffix]) for path, data in contents.items()
    }


def _parameter_offsets(model: ServedModel) -> dict[str, Offset] | None:
    """The parameters' offsets in the model file; None if the page cannot blend the model."""
    if model.unmixable:
        return None
    try:
        return initializer_offsets(model.part.data)
    except UserError:
        return None
