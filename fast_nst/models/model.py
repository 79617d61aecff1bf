"""Models: a style, or a blend of several, read from files and ready for any engine."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

from fast_nst.errors import UserError
from fast_nst.models.catalogue import find_model
from fast_nst.models.onnx_fields import read_metadata
from fast_nst.numeric import plain

_MAX_BYTES = 10**9
ModelSource = str | os.PathLike[str] | bytes


@dataclass(frozen=True)
class WeightedModel:
    """A model file and its weight in a blend.

    Attributes:
        name: What error messages call it.
        data: The content of the .onnx file.
        weight: At least 0, relative to the weights of the other models.
    """

    name: str
    data: bytes
    weight: float = 1.0

    @property
    def metadata(self) -> dict[str, str]:
        """The file's metadata: title, artist, licence, network, recipe and more."""
        return read_metadata(self.data)


@dataclass(frozen=True)
class Model:
    """A style, or a blend of several styles.

    Attributes:
        parts: The styles and their weights; at least one.
    """

    parts: tuple[WeightedModel, ...]

    @classmethod
    def read(cls, source: ModelSource | Mapping[str, float] | None) -> Model:
        """Read what a style's name, or a blend, stands for.

        Args:
            source: A style's name (see `models.catalogue`), an .onnx file or its content; a mapping
                of names to weights for a blend; None is the package's default style.

        Raises:
            UserError: There is no such style, a file cannot be read, or a weight is not a number
                of at least 0.
        """
        if not isinstance(source, Mapping):
            return cls((_read(source, 1.0),))
        if not source:
            raise UserError("the blend is empty: give styles with their weights")
        weights = {name: plain(weight) for name, weight in source.items()}
        for name, weight in weights.items():
            is_number = isinstance(weight, Real) and not isinstance(weight, bool)
            if not is_number or not 0 <= weight < math.inf:
                raise UserError(
                    f"the weight of {name!r} is {weight!r}: it must be a number of at least 0"
                )
        used = {name: weight for name, weight in weights.items() if weight > 0}
        if not used:
            raise UserError("all weights are 0: give at least one above 0")
        return cls(tuple(_read(name, float(weight)) for name, weight in used.items()))

    def __str__(self) -> str:
        if len(self.parts) == 1:
            return self.parts[0].name
        return f"{{{', '.join(f'{part.name}: {part.weight:.3g}' for part in self.parts)}}}"

    @property
    def unmixable(self) -> str:
        """Why the model does not mix with the identity model of its network; "" if it does.

        Such a model paints at strength 1 only, and its painting is cross-faded with the photograph
        below that.
        """
        return _reason_against_mixing(tuple((part.name, part.data) for part in self.parts))

    def network_strength(self, strength: float) -> float:
        """The strength that the network's parameters get, for pictures of this strength.

        Args:
            strength: Of the picture, from 0 to 1.5.

        Returns:
            `strength`; or 1, where a single style does not mix and the rest is a cross-fade.

        Raises:
            UserError: The styles do not mix, and this strength or their number would need it.
        """
        is_single = len(self.parts) == 1
        if is_single and strength == 1:  # the file as it is, which need not mix
            return 1.0
        if not self.unmixable:
            return float(strength)
        if is_single and strength < 1:
            return 1.0
        if is_single:
            raise UserError(f"strength {strength:g} is above 1, and {self.unmixable}")
        raise UserError(f"this blend is not possible: {self.unmixable}")

    def at(self, strength: float) -> tuple[bytes, str]:
        """The model file of a strength, and what error messages call it.

        Args:
            strength: From `network_strength`.

        Raises:
            UserError: The styles do not mix.
        """
        if len(self.parts) == 1 and strength == 1:
            return self.parts[0].data, self.parts[0].name
        from fast_nst.models.graphs import mix

        return mix(self.parts, strength), "the mixed model"

    def blended(self, other: Model, weight: float) -> Model:
        """Two blends as one, of which `other` has `weight`, from 0 to 1, and this one the rest."""
        blend = []
        for model, own in ((self, 1 - weight), (other, weight)):
            if own > 0:
                weights = normalized(part.weight for part in model.parts)
                blend += [
                    WeightedModel(part.name, part.data, own * share)
                    for part, share in zip(model.parts, weights, strict=True)
                ]
        return Model(tuple(blend))


@functools.lru_cache(maxsize=8)  # weights do not matter: one result for all steps of a fade
def _reason_against_mixing(files: tuple[tuple[str, bytes], ...]) -> str:
    from fast_nst.models.graphs import NoCommonBase, read_styles

    try:
        read_styles([WeightedModel(*file) for file in files])
    except NoCommonBase as error:
        return str(error)
    return ""


def normalized(weights: Iterable[float]) -> list[float]:
    """Weights divided by their sum."""
    given = list(weights)
    largest = max(given)  # the sum of the weights might overflow
    total = sum(weight / largest for weight in given)
    return [weight / largest / total for weight in given]


def check_source(source: object) -> None:
    """Check the type of a style.

    Raises:
        UserError: It is neither a name, a file nor its content.
    """
    if not isinstance(source, str | os.PathLike | bytes | None):
        raise UserError(
            f"the style is {source!r}: give a name, an .onnx file, its content, or a mapping of "
            "these to weights"
        )


def _read(source: ModelSource | None, weight: float) -> WeightedModel:
    check_source(source)
    if isinstance(source, bytes):
        name, data = "the model", source
    else:
        path = find_model(source)
        name = repr(os.fspath(path))
        data = _content(path, name)
    if not data:
        raise UserError(f"{name} is empty: give an .onnx file")
    return WeightedModel(name, data, weight)


def _content(path: Path, name: str) -> bytes:
    if path.is_dir():
        raise UserError(f"the model {name} is a folder: give the .onnx file in it")
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise UserError(f"{name} has {size // 10**6:,} MB: an exported style has less than 1")
        return path.read_bytes()
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"no model {name}: check the name") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the model {name}: {error}") from error
