"""The page's files and its configuration, shared by the service and the static site."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fast_nst.assets import DEFAULT_MODEL, SAMPLE_PHOTOGRAPHS, STARTS
from fast_nst.errors import UserError
from fast_nst.models.onnx_fields import Offset, initializer_offsets
from fast_nst.pictures.detail import DETAIL
from fast_nst.pictures.read import open_image
from fast_nst.stylize.painting import (
    FADE_BELOW,
    LOST_DETAIL,
    MAX_STRENGTH,
    MAX_STROKE_SCALE,
    MIN_STROKE_SCALE,
)
from fast_nst.version import __version__
from fast_nst.web.models import Models, ServedModel
from fast_nst.web.offline import WORKER, service_worker, shell_version
from fast_nst.web.page_file import PageFile
from fast_nst.web.runtime import Runtime

PAGE = Path(__file__).parent / "page"
CONFIG = "config.json"
_SERVICE_ONLY = ("api.html", "api.js", "training.js", "loss_curve.js", "style_names.js")
_THUMBNAIL = 240  # longer side of a sample's, in px
_QUALITY = 80  # of its JPEG file


def page_files(
    models: Models, runtime: Runtime | None, service: Mapping[str, Any] | None
) -> dict[str, PageFile]:
    """Every file that the page may request, by its path relative to the page.

    Args:
        models: Models on offer.
        runtime: ONNX Runtime for the browser; None leaves out everything that runs there.
        service: The service's limits, for the page's config; None for a static site.
    """
    shell = {path.name: path.read_bytes() for path in PAGE.iterdir() if path.is_file()}
    if service is None:
        shell = {path: data for path, data in shell.items() if path not in _SERVICE_ONLY}
    photographs = sorted(SAMPLE_PHOTOGRAPHS.glob("*.jpg"))
    samples = {f"samples/{path.name}": path.read_bytes() for path in photographs}
    thumbnails = {f"samples/small/{path.name}": _thumbnail(path) for path in photographs}
    shell |= samples | thumbnails
    version = shell_version(shell)
    shell[WORKER] = service_worker(shell[WORKER], shell, list(samples)[1:])
    config: dict[str, Any] = {
        "version": __version__,
        "shell": version,
        "default": DEFAULT_MODEL.stem,
        "styles": [model.described() for model in models.values() if model.is_listed],
        "samples": list(samples),
        "sample_thumbnails": list(thumbnails),
        "most_strength": MAX_STRENGTH,
        "detail": DETAIL,
        "stroke_scale": [MIN_STROKE_SCALE, MAX_STROKE_SCALE],
        "service": service,
        "browser": None,
    }
    kept: dict[str, bytes] = {}
    if runtime is not None:
        kept |= runtime.files
        config["browser"] = {
            "runtime": runtime.builds,
            "fade_below": FADE_BELOW,
            "lost_detail": LOST_DETAIL,
            **_describe_models(models, kept),
        }
    config["paths"] = sorted([*shell, *kept, CONFIG])
    shell[CONFIG] = json.dumps(config, allow_nan=False, separators=(",", ":")).encode()
    files = [PageFile(path, data) for path, data in shell.items()]
    files += [PageFile(path, data, is_immutable=True) for path, data in kept.items()]
    return {file.path: file for file in files}


def _describe_models(models: Models, contents: dict[str, bytes]) -> dict[str, Any]:
    """The models' part of the browser's configuration; their files are added to `contents`.

    Parameters lie at the same offsets in most files of an architecture: each such layout is
    described once, under the name of its first model.
    """

    def add(folder: str, name: str, data: bytes) -> str:
        path = f"{folder}/{name}.{hashlib.sha256(data).hexdigest()[:16]}.onnx"
        contents[path] = data
        return path

    roots = {}
    for network, starts in STARTS.items():
        data = starts["photograph"].read_bytes()
        path = add("roots", network, data)
        roots[network] = {"file": path, "parameters": initializer_offsets(data)}
    files: dict[str, dict[str, Any]] = {}
    layouts: dict[str, dict[str, Offset]] = {}
    for model in models.values():
        offsets = _parameter_offsets(model)
        layout = None
        if offsets is not None:
            layout = next((name for name, found in layouts.items() if found == offsets), model.name)
            layouts[layout] = offsets
        files[model.name] = {
            "file": add("styles", model.name, model.part.data),
            "network": model.network,
            "parameters": layout,
        }
    return {"roots": roots, "layouts": layouts, "files": files}


def _thumbnail(photograph: Path) -> bytes:
    """A small copy of a sample as JPEG."""
    image = open_image(photograph)
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _parameter_offsets(model: ServedModel) -> dict[str, Offset] | None:
    """The parameters' offsets in the model file; None if the page cannot blend the model."""
    if model.unmixable:
        return None
    try:
        return initializer_offsets(model.part.data)
    except UserError:
        return None
