"""A network as an ONNX file, and back: raw pixels in, raw pixels out, any size.

Every parameter is an initializer of the file, under its own name, so that models can be read back,
mixed and trained on: with exactly its value, or, of large convolutions, rounded to float16. Nothing
is written that ONNX's checker refuses or that gives other pixels than PyTorch does.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from fast_nst.errors import UserError
from fast_nst.models.geometry import KEY as GEOMETRY
from fast_nst.models.graphs import (
    NOISE_TILE,
    load,
    metadata_of,
    parameters,
    with_metadata,
)
from fast_nst.models.onnx_fields import PREFIX
from fast_nst.models.signature import INPUT, OUTPUT
from fast_nst.networks import ImageTransformation, build_network
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.version import __version__
from fast_nst.vgg import reference_photographs

OPSET = 20
# (N, H, W): tiny, odd, narrow, a batch, and one of ordinary size.
PARITY_SIZES = ((1, 1, 1), (1, 2, 7), (1, 33, 17), (3, 40, 61), (1, 5, 300), (1, 240, 320))


class ParityError(UserError):
    """An exported graph gives other pixels than PyTorch."""


class PixelNetwork(nn.Module):
    """A network between raw pixels: uint8 (N, H, W, 3) in and out."""

    def __init__(self, network: ImageTransformation) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Mirror while pixels are bytes, scale to [0, 1], paint, scale back, round, clamp, crop."""
        height, width = image.shape[1:3]
        x = self.network.mirror(image, axes=(1, 2))
        stylized = self.network.paint(x.permute(0, 3, 1, 2).float() / 255)
        pixels = (stylized * 255).round().clamp(0, 255).to(torch.uint8)
        return pixels.permute(0, 2, 3, 1)[:, :height, :width]


class _WithParameters(nn.Module):
    """A module as a function of its parameters too, for the exporter to leave them alone.

    It would fold what is small and constant, such as a scale, into what comes after.
    """

    def __init__(self, module: nn.Module, names: list[str]) -> None:
        super().__init__()
        self._call = (module,)  # in a tuple, or its parameters would be registered
        self._names = names

    def forward(self, image: Tensor, parameters: list[Tensor]) -> Tensor:
        """(N, H, W, 3) uint8 to the same."""
        named = dict(zip(self._names, parameters, strict=True))
        return torch.func.functional_call(self._call[0], named, (image,))


@contextlib.contextmanager
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


def to_onnx(network: ImageTransformation, metadata: dict[str, str], exact: bool = False) -> bytes:
    """Export and check a network.

    Args:
        network: (N, 3, H, W) in [0, 1] to the same.
        metadata: Written into the file, with the network's geometry.
        exact: Keep every weight as float32, also where the network's class wants float16.

    Returns:
        The ONNX file: input `image`, output `stylized`, both uint8 (N, H, W, 3) with free N, H, W.
        Its initializers include the network's state dict, `network.` before each name, and, if the
        network has noise, `noise_tile`.

    Raises:
        ParityError: The exported graph's pixels differ from PyTorch's, see `check_parity`.
    """
    if network.half_weights and not exact:
        with contextlib.suppress(ParityError):
            return _exported(network, metadata, half=True)
    return _exported(network, metadata, half=False)


def _exported(network: ImageTransformation, metadata: dict[str, str], half: bool) -> bytes:
    pixels = PixelNetwork(network).eval()
    tensors = {**dict(pixels.named_parameters()), **dict(pixels.named_buffers())}
    values = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    kind = (type(network), *values)
    if kind not in _GRAPHS:  # seconds; and the same for all weights
        _GRAPHS[kind] = _graph(pixels, values)
    model = onnx.load_model_from_string(_GRAPHS[kind])
    model = _tidy(_with_initializers(model, values, half))
    onnx.checker.check_model(model, full_check=True)
    data = with_metadata(
        model.SerializeToString(), **{**metadata, GEOMETRY: network.geometry.to_json()}
    )
    check_parity(data, pixels)
    return data


_GRAPHS: dict[tuple[object, ...], bytes] = {}


def _graph(pixels: PixelNetwork, values: dict[str, Tensor]) -> bytes:
    """The graph of a network, with all its tensors as inputs beside the image."""
    example = torch.zeros(2, 37, 45, 3, dtype=torch.uint8)
    free = torch.export.Dim.DYNAMIC
    with _quiet():
        program = torch.onnx.export(
            _WithParameters(pixels, list(values)).eval(),
            (example, list(values.values())),
            dynamo=True,
            input_names=[INPUT, *values],
            output_names=[OUTPUT],
            dynamic_shapes={
                "image": {0: free, 1: free, 2: free},
                "parameters": [None] * len(values),
            },
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    return program.model_proto.SerializeToString()


def _with_initializers(
    model: onnx.ModelProto, values: dict[str, Tensor], half: bool
) -> onnx.ModelProto:
    """Turn the inputs that are parameters into initializers.

    With `half`, the weights of convolutions are float16, and a node turns each into float32, which
    engines do once, when they load the file.
    """
    graph = model.graph
    image = graph.input[0]
    del graph.input[:]
    graph.input.append(image)
    halves = {name for name, value in values.items() if half and value.ndim == 4}
    arrays = {
        name: value.numpy().astype(np.float16) if name in halves else value.numpy()
        for name, value in values.items()
    }
    graph.initializer.extend(numpy_helper.from_array(a, name) for name, a in arrays.items())
    names = {name: f"{name}_float32" if name in halves else _file_name(name) for name in values}
    nodes = list(graph.node)
    for node in nodes:
        node.input[:] = [names.get(name, name) for name in node.input]
    for tensor in graph.initializer:
        tensor.name = _file_name(tensor.name)
    del graph.node[:]
    graph.node.extend(
        helper.make_node("Cast", [name], [names[name]], to=onnx.TensorProto.FLOAT)
        for name in sorted(halves)
    )
    graph.node.extend(nodes)
    return model


def _file_name(name: str) -> str:
    return NOISE_TILE if name == PREFIX + NOISE_TILE else name


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
    """Compare ONNX Runtime with PyTorch on noise of several sizes, and on photographs.

    Raises:
        ParityError: A pixel differs by more than one level; says where.
    """
    stylizer = Stylizer(model)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in PARITY_SIZES]
    photographs = reference_photographs().permute(0, 2, 3, 1)
    images.append((255 * photographs).round().byte().contiguous().numpy())
    for image in images:
        n, height, width = image.shape[:3]
        with torch.no_grad():
            expected = pixels(torch.from_numpy(image)).numpy()
        actual = stylizer.run(image)
        if actual.shape != expected.shape:
            raise ParityError(
                f"the exported graph turns {image.shape} into {actual.shape}, PyTorch into "
                f"{expected.shape}: nothing was written"
            )
        # Of a flat picture, as a single pixel is one, norms leave nothing but rounding errors, and
        # each makes those of the one before it hundreds of times larger.
        if (image == image[:, :1, :1]).all():
            continue
        difference = np.abs(actual.astype(int) - expected.astype(int))
        if difference.max() > 1:
            i, y, x, channel = np.unravel_index(difference.argmax(), difference.shape)
            raise ParityError(
                f"the exported graph differs from PyTorch by {difference.max()} levels on "
                f"{width}x{height} px (image {i} of {n}, x {x}, y {y}, channel {channel}): "
                "nothing was written"
            )


@dataclass(frozen=True)
class Model:
    """An exported file, read back.

    Attributes:
        network: In evaluation mode: (N, 3, H, W) in [0, 1] to the same.
        metadata: What the file says of itself.
    """

    network: ImageTransformation
    metadata: dict[str, str]


def read_model(path: str | os.PathLike[str]) -> Model:
    """The network in an exported file.

    Raises:
        UserError: The file is missing, damaged, not one of ours, or from before files held every
            parameter.
    """
    name = repr(os.fspath(path))
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise UserError(f"no model {name}: check the name") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the model {name}: {error}") from error
    model = load(data, name)
    metadata = metadata_of(model)
    if "network" not in metadata:
        raise UserError(f"{name} is no model that fast-nst wrote: it names no network")
    network = build_network(metadata["network"])
    found = parameters(model)
    try:
        state = {key: torch.from_numpy(found[key].copy()) for key in network.state_dict()}
        network.load_state_dict(state)
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        raise UserError(
            f"the weights of {name}, from fast_nst {metadata.get('fast_nst', '?')}, cannot be read "
            f"back by {__version__}: infer still paints with it, for anything else train it again"
        ) from error
    return Model(network.eval(), metadata)
