"""What every model of ours takes and gives, and what to say of one that does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from fast_nst.errors import UserError

INPUT, OUTPUT = "image", "stylized"
KEEP = "keep"  # of networks that remember: how much the statistics count that they are given

# A loaded model that may have other inputs and outputs: by name in, in the model's order out.
Graph = Callable[[Mapping[str, npt.NDArray[Any]]], list[npt.NDArray[Any]]]


def cannot_load(name: str, error: Exception) -> UserError:
    """What to raise when an engine refuses a file, whose errors share no base class."""
    return UserError(f"{name} cannot be loaded as an ONNX model: {reason_of(error)}")


def reason_of(error: Exception) -> str:
    """An engine's error in part of a line, without the places in its sources."""
    words = re.sub(r"Exception from \S+:\d+:", " ", str(error))
    return " ".join(words.split())[:160]


# How an ONNX file says that a parameter lies in another one: the key of a string pair.
_EXTERNAL = b"\x0a\x08location\x12"


def check_self_contained(data: bytes, name: str) -> None:
    """Make sure that loading a model reads no other file; it is not trusted with naming one.

    Args:
        data: The model file.
        name: What to call it in an error.

    Raises:
        UserError: It names one, or is not to be told from one that does.
    """
    if _EXTERNAL in data:
        raise UserError(
            f"{name} cannot be loaded: it has parameters in other files, and a fast_nst model is "
            "one file: export it with fast-nst export"
        )


@dataclass(frozen=True)
class Tensor:
    """What goes in or comes out; a free length is None."""

    name: str
    type: str
    shape: Sequence[int | None]

    def __str__(self) -> str:
        lengths = ("free" if length is None else str(length) for length in self.shape)
        return f"{self.name} {self.type} ({', '.join(lengths)})"


def check_signature(model: str, inputs: Iterable[Tensor], outputs: Iterable[Tensor]) -> None:
    """Make sure that a model is one of ours: uint8 (N, H, W, 3) in and out, with free N, H, W.

    Args:
        model: What to call it in an error.
        inputs: What it takes.
        outputs: What it gives.

    Raises:
        UserError: It is another.
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
