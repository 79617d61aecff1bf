"""Checkpoint to model file, with all that the file should say of itself."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from fast_nst.errors import UserError
from fast_nst.files import write_atomically
from fast_nst.models.graphs import with_metadata
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training.checkpoints import (
    Checkpoint,
    read_checkpoint,
    readable,
    style_name,
    style_path,
)
from fast_nst.training.defects import Reference, inspect
from fast_nst.training.models import read_model, to_onnx
from fast_nst.version import __version__
from fast_nst.vgg import CREDIT


def model_metadata(checkpoint: Checkpoint) -> dict[str, str]:
    """What a model file says about itself: nothing that only the machine that trained it has."""
    config = checkpoint.config
    reference = checkpoint.style_reference
    said = {
        "title": config.title or style_name(config.style),
        "artist": config.artist,
        "year": config.year,
        "licence": config.licence,
        "network": config.network,
        "recipe": json.dumps(config.recipe()),
        "start": json.dumps(checkpoint.initialization),
        "root": checkpoint.identity_sha256,
        "style": style_path(config.style).name,
        "style_sha256": checkpoint.style_sha256,
        **({} if reference is None else {"style_reference": reference.to_json()}),
        "vgg": Path(checkpoint.vgg_source).name,
        "vgg_scales": json.dumps(checkpoint.vgg_scales),
        "credits": CREDIT,
        "photographs": checkpoint.photographs,
        "fast_nst": __version__,
    }
    return {name: readable(value) for name, value in said.items()}


def style_reference(metadata: Mapping[str, str]) -> Reference | None:
    """What a model's paintings are compared with; an older model's metadata has nothing.

    Raises:
        UserError: It is damaged.
    """
    text = metadata.get("style_reference")
    if text is None:
        return None
    try:
        return Reference.from_json(text)
    except ValueError as error:
        raise UserError(f"the model's style_reference cannot be read: {error}") from error


def export(source: str | os.PathLike[str], output: str | os.PathLike[str]) -> dict[str, float]:
    """Write a checkpoint's network as an ONNX file, or an exported one's again.

    What `defects.inspect` sees in its paintings is kept in the file.

    Args:
        source: What training saved; or a model file, whose weights and metadata are kept, and whose
            graph is written as today.
        output: The file to write, ending in .onnx.

    Returns:
        The measures of `defects.inspect`; `defects.faults` says what is wrong with them.

    Raises:
        UserError: Either cannot be used, or the exported graph does not paint as PyTorch does.
    """
    if Path(output).suffix.lower() != ".onnx":
        raise UserError(f"{os.fspath(output)!r} does not end in .onnx: name the model file so")
    if Path(output).is_dir():
        raise UserError(f"{os.fspath(output)!r} is a folder: name a file in it")
    if Path(source).suffix.lower() == ".onnx":
        model = read_model(source)
        network, metadata = model.network, {**model.metadata, "fast_nst": __version__}
        metadata.pop("artifacts", None)  # what `defects` was called
    else:
        saved = read_checkpoint(source)
        network, metadata = saved.network, model_metadata(saved)
    data = to_onnx(network, metadata)
    measures = inspect(Stylizer(data, detail=0), style_reference(metadata))
    write_atomically(output, with_metadata(data, defects=json.dumps(measures)))
    return measures
