"""Checkpoint to ONNX: one self-contained file, raw pixels in, raw pixels out, any size.

Nothing is written that ONNX's checker refuses or that paints other pixels than PyTorch does.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from fast_nst import __version__
from fast_nst.assets import SAMPLE_STYLE
from fast_nst.errors import UserError
from fast_nst.files import write_atomically
from fast_nst.stylize.engines import INPUT, OUTPUT
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training.checkpoints import Checkpoint, read_checkpoint, style_name

OPSET = 20
# (N, H, W): tiny, odd, narrow, a batch, and one of ordinary size.
PARITY_SIZES = ((1, 1, 1), (1, 2, 7), (1, 33, 17), (3, 40, 61), (1, 5, 300), (1, 240, 320))


class PixelNetwork(nn.Module):
    """A network between raw pixels: uint8 (N, H, W, 3) in and out."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Scale to [0, 1], stylize, scale back, round, clamp."""
        stylized = self.network(image.permute(0, 3, 1, 2).float() / 255)
        return (stylized * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter logs and warns of its own internals; people cannot act on either."""
    logger = logging.getLogger("torch.onnx")
    others = logging.getLogger("onnxscript")
    levels = logger.level, others.level
    logger.setLevel(logging.ERROR)
    others.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(levels[0])
        others.setLevel(levels[1])


def to_onnx(network: nn.Module, metadata: dict[str, str]) -> bytes:
    """Export and check a network.

    Args:
        network: (N, 3, H, W) in [0, 1] to the same.
        metadata: Written into the file as it is.

    Returns:
        The ONNX file: input `image`, output `stylized`, both uint8 (N, H, W, 3) with free N, H, W.

    Raises:
        UserError: The exported graph's pixels differ from PyTorch's, see `check_parity`.
    """
    pixels = PixelNetwork(network).eval()
    example = torch.zeros(2, 37, 45, 3, dtype=torch.uint8)
    free = torch.export.Dim.DYNAMIC
    with _quiet():
        program = torch.onnx.export(
            pixels,
            (example,),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes={"image": {0: free, 1: free, 2: free}},
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model = _tidy(program.model_proto)
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString()
    check_parity(data, pixels)
    return data


def _tidy(model: onnx.ModelProto) -> onnx.ModelProto:
    """Name the free dimensions, and drop the exporter's notes on where each node came from."""
    for value in (model.graph.input[0], model.graph.output[0]):
        for dimension, name in zip(value.type.tensor_type.shape.dim, ("N", "H", "W"), strict=False):
            dimension.dim_param = name
    del model.graph.value_info[:]
    for item in (*model.graph.input, *model.graph.output, *model.graph.node):
        del item.metadata_props[:]
        item.doc_string = ""
    del model.metadata_props[:]
    model.producer_name, model.producer_version = "fast_nst", __version__
    return model


def check_parity(model: bytes, pixels: nn.Module) -> None:
    """Compare ONNX Runtime with PyTorch on noise of several sizes.

    Raises:
        UserError: A pixel differs by more than one level; says where.
    """
    stylizer = Stylizer(model)
    rng = np.random.default_rng(0)
    for n, height, width in PARITY_SIZES:
        image = rng.integers(0, 256, (n, height, width, 3), dtype=np.uint8)
        with torch.no_grad():
            expected = pixels(torch.from_numpy(image)).numpy()
        actual = stylizer.run(image)
        if actual.shape != expected.shape:
            raise UserError(
                f"the exported graph turns {image.shape} into {actual.shape}, PyTorch into "
                f"{expected.shape}: nothing was written"
            )
        difference = np.abs(actual.astype(int) - expected.astype(int))
        if difference.max() > 1:
            i, y, x, channel = np.unravel_index(difference.argmax(), difference.shape)
            raise UserError(
                f"the exported graph differs from PyTorch by {difference.max()} levels on "
                f"{width}x{height} px (image {i} of {n}, x {x}, y {y}, channel {channel}): "
                "nothing was written"
            )


def model_metadata(checkpoint: Checkpoint) -> dict[str, str]:
    """What a model file says about itself: nothing that only the machine that trained it has."""
    config = checkpoint.config
    return {
        "title": config.title or style_name(config.style),
        "artist": config.artist,
        "licence": config.licence,
        "network": config.network,
        "recipe": json.dumps(config.recipe()),
        "style": (Path(config.style) if config.style else SAMPLE_STYLE).name,
        "style_sha256": checkpoint.style_sha256,
        "vgg": Path(checkpoint.vgg_source).name,
        "vgg_scales": json.dumps(checkpoint.vgg_scales),
        "fast_nst": __version__,
    }


def export(checkpoint: str | os.PathLike[str], output: str | os.PathLike[str]) -> None:
    """Write a checkpoint's network as an ONNX file.

    Args:
        checkpoint: What training saved.
        output: The file to write, ending in .onnx.

    Raises:
        UserError: Either cannot be used, or the exported graph does not paint as PyTorch does.
    """
    if Path(output).suffix.lower() != ".onnx":
        raise UserError(f"{os.fspath(output)!r} does not end in .onnx: name the model file so")
    if Path(output).is_dir():
        raise UserError(f"{os.fspath(output)!r} is a folder: name a file in it")
    saved = read_checkpoint(checkpoint)
    write_atomically(output, to_onnx(saved.network, model_metadata(saved)))
