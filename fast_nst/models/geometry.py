"""The geometry of a network, for painting in tiles and in bounded memory.

A network class declares its geometry (`networks.ImageTransformation.geometry`) and export writes it
into the model file. Older files have the geometry of the network that they name.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass

KEY = "geometry"  # in a model file's metadata
MIN_SIDE = 16  # px; the networks mirror smaller images outwards to it


@dataclass(frozen=True)
class NormMap:
    """The feature map that an instance norm normalizes.

    Attributes:
        stride: Pixels between two neighbouring positions.
        padding: Positions that the map has beyond the image, at each side.
    """

    stride: int
    padding: int = 0


@dataclass(frozen=True)
class Geometry:
    """Receptive field, stride and memory of a network.

    Attributes:
        halo: Distance in px beyond which no pixel affects another one, once the statistics of the
            norms are given; half the receptive field, rounded up to a multiple of `stride`.
        stride: Pixels between two positions of the coarsest feature map, which is also the grid of
            the noise; a tile has to begin at a multiple of it.
        norms: The maps of the instance norms, in the order in which an image passes them.
        bytes_per_pixel: Working memory of painting an image in one piece, see
            `benchmarks/large.py`.
    """

    halo: int
    stride: int
    norms: tuple[NormMap, ...] = ()
    bytes_per_pixel: int = 1000

    def working_memory(self, height: int, width: int) -> int:
        """Bytes that painting an image of `height` x `width` px in one piece takes."""
        return max(height, MIN_SIDE) * max(width, MIN_SIDE) * self.bytes_per_pixel

    def to_json(self) -> str:
        """For a model file's metadata."""
        return json.dumps(dataclasses.asdict(self))


_BLOCK = (NormMap(4, 1), NormMap(4))  # both convolutions of a block share one reflection
GEOMETRIES = {
    "fine": Geometry(
        halo=60,
        stride=4,
        norms=(NormMap(2, 1), NormMap(4), *(5 * _BLOCK), NormMap(2), NormMap(2), NormMap(1)),
        bytes_per_pixel=270,
    ),
    "fast": Geometry(
        halo=56, stride=4, norms=(NormMap(4), *(5 * (NormMap(4, 1),))), bytes_per_pixel=80
    ),
    "johnson": Geometry(
        halo=64,
        stride=4,
        norms=(NormMap(1), NormMap(2), *(11 * (NormMap(4),)), NormMap(2), NormMap(1)),
        bytes_per_pixel=1000,
    ),
}
# For files of other networks: without norms, so that they cannot be painted in tiles.
_UNKNOWN = Geometry(halo=64, stride=4)


def geometry_of(metadata: Mapping[str, str]) -> Geometry:
    """The geometry of a model, from its metadata; older files get that of their network.

    Raises:
        ValueError: The metadata are damaged.
    """
    text = metadata.get(KEY)
    if text is None:
        return GEOMETRIES.get(metadata.get("network", ""), _UNKNOWN)
    try:
        values = json.loads(text)
        norms = tuple(NormMap(**item) for item in values.pop("norms"))
        geometry = Geometry(**values, norms=norms)
        positive = [geometry.stride, geometry.bytes_per_pixel, *(norm.stride for norm in norms)]
        others = [geometry.halo, *(norm.padding for norm in norms)]
        if not all(type(value) is int for value in (*positive, *others)):
            raise TypeError("not all values are whole numbers")
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{KEY}: {error}") from error
    if min(positive) < 1 or min(others) < 0:
        raise ValueError(f"{KEY}: a value is too small")
    return geometry
