"""The inputs and outputs of a fast_nst model, and the errors of a file that has others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from fast_nst.errors import UserError

INPUT, OUTPUT = "image", "stylized"
EMA_DECAY = "ema_decay"  # input of `norm_stats.with_running_stats`

# A loaded graph of any signature: inputs by name to outputs in the graph's order.
Graph = Callable[[Mapping[str, npt.NDArray[Any]]], list[npt.NDArray[Any]]]


def cannot_load(name: str, error: Exception) -> UserError:
    """The error for a file that an engine refuses, whatever the engine raised."""
    return UserError(
        f"{name} cannot be loaded as an ONNX model ({reason_of(error)}): give a file that fast-nst "
        "train, blend or export has written"
    )


def reason_of(error: Exception) -> str:
    """An engine's error as part of a line, without the positions in its source code."""
    words = re.sub(r"Exception from \S+:\d+:", " ", str(error))
    return " ".join(words.split())[:160]


# The protobuf field that names the file of an external initializer.
_EXTERNAL = b"\x0a\x08location\x12"


def check_self_contained(data: bytes, name: str) -> None:
    """Refuse a model that would make the engine read other files, since models are not trusted.

    Args:
        data: The content of the model file.
        name: What error messages call it.

    Raises:
        UserError: The file may have external initializers.
    """
    if _EXTERNAL in data:
        raise UserError(
            f"{name} cannot be loaded: it has parameters in other files, and a fast_nst model is "
            "one file: export it with fast-nst export"
        )


@dataclass(frozen=True)
class Tensor:
    """An input or output of a graph; a dynamic dimension is None."""

    name: str
    type: str
    shape: Sequence[int | None]

    def __str__(self) -> str:
        lengths = ("free" if length is None else str(length) for length in self.shape)
        return f"{self.name} {self.type} ({', '.join(lengths)})"


def check_signature(model: str, inputs: Iterable[Tensor], outputs: Iterable[Tensor]) -> None:
    """Refuse a model that does not turn uint8 (N, H, W, 3) into the same, with dynamic N, H, W.

    Args:
        model: What error messages call it.
        inputs: Its inputs.
        outputs: Its outputs.

    Raises:
        UserError: It has other inputs or outputs.
    """
    for kind, expected, found in (
        ("input", INPUT, list(inputs)),
        ("output", OUTPUT, list(outputs)),
    ):
        fits = (
            len(found) == 1
            and found[0].name == expected
            and found[0].type == "uint8"
            and len(found[0].shape) == 4
            and found[0].shape[3] in (3, None)
            and list(found[0].shape[:3]) == [None, None, None]
        )
        if not fits:
            raise UserError(
                f"{model} has the {kind} {', '.join(map(str, found))}; a fast_nst model has one "
                f"{kind} {expected!r} of uint8 (N, H, W, 3) with free N, H, W: export it with "
                "fast-nst export"
            )
