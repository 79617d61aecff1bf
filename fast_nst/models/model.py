"""What a painting is made with: one model, or several with their shares."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

from fast_nst.errors import UserError
from fast_nst.models.catalogue import find_model
from fast_nst.options import plain

_MOST_BYTES = 10**9
Model = str | os.PathLike[str] | bytes


@dataclass(frozen=True)
class Part:
    """A model and its share.

    Attributes:
        name: What to call it in an error.
        data: The file.
        share: Of the whole, next to the other parts' shares.
    """

    name: str
    data: bytes
    share: float = 1.0


def parts_of(model: Model | Mapping[str, float] | None) -> list[Part]:
    """Read what a model's name, or a blend, stands for.

    Args:
        model: A style's name (see `models.catalogue`), a file or its bytes; several of these with
            their shares; None is the package's default style.

    Raises:
        UserError: A name means nothing, a file cannot be read, or the shares are no shares.
    """
    if not isinstance(model, Mapping):
        return [_read(model, 1.0)]
    if not model:
        raise UserError("a blend of nothing: give styles with their shares")
    shares = {name: plain(share) for name, share in model.items()}
    for name, share in shares.items():
        is_number = isinstance(share, Real) and not isinstance(share, bool)
        if not is_number or not 0 <= share < math.inf:
            raise UserError(f"the share of {name!r} is {share!r}: it must be a number from 0 up")
    used = {name: share for name, share in shares.items() if share > 0}
    if not used:
        raise UserError("all shares are 0: give one of them more")
    return [_read(name, float(share)) for name, share in used.items()]


def normalized(shares: Sequence[float]) -> list[float]:
    """Shares divided by their sum."""
    largest = max(shares)  # first by this, or the sum might overflow
    total = sum(share / largest for share in shares)
    return [share / largest / total for share in shares]


def _read(model: Model | None, share: float) -> Part:
    if isinstance(model, bytes):
        name, data = "the model", model
    else:
        path = find_model(model)
        name = repr(os.fspath(path))
        data = _content(path, name)
    if not data:
        raise UserError(f"{name} is empty: give an .onnx file")
    return Part(name, data, share)


def _content(path: Path, name: str) -> bytes:
    if path.is_dir():
        raise UserError(f"the model {name} is a folder: give the .onnx file in it")
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise UserError(f"{name} has {size // 10**6:,} MB: an exported style has less than 1")
        return path.read_bytes()
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"no model {name}: check the name") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the model {name}: {error}") from error
