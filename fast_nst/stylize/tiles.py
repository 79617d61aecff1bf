"""Images of any size in bounded memory: painted tile by tile, without visible seams.

Each tile is painted with a halo around it as wide as the network's receptive field reaches, aligned
to its coarsest feature map, and with the noise of its position. Its instance norms get the
statistics of the whole image, which are accumulated first, norm by norm, over the same tiles. The
only remaining difference to painting in one piece is rounding.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fast_nst.errors import UserError
from fast_nst.models.geometry import Geometry
from fast_nst.models.signature import INPUT, Graph
from fast_nst.pictures.edit import Array, from_array, resize_longest, to_array

if TYPE_CHECKING:
    from fast_nst.models.norm_stats import Norm  # imports onnx

Affine = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]

REDUCED_PIXELS = 1_000_000
_TILE_MEMORY = 1.75  # times that of painting in one piece, since scale and shift need maps too
_MAX_CORE = 1024  # px; larger tiles do not fit the CPU cache, and are slower
_MIN_CORE = 64
_TO_THE_END = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Span:
    """A tile's extent along one axis, in px, without and with its halo.

    Attributes:
        start: The first pixel of the tile.
        stop: The one after the last.
        outer_start: The first pixel of the tile with its halo.
        outer_stop: The one after the last.
        length: Length of the whole axis.
    """

    start: int
    stop: int
    outer_start: int
    outer_stop: int
    length: int

    @property
    def outer(self) -> slice:
        """The tile with its halo, in the image."""
        return slice(self.outer_start, self.outer_stop)

    @property
    def core(self) -> slice:
        """The tile, in the image."""
        return slice(self.start, self.stop)

    @property
    def inner(self) -> slice:
        """The tile, in the tile with its halo."""
        return slice(self.start - self.outer_start, self.stop - self.outer_start)

    def window(self, stride: int, padding: int) -> tuple[int, int]:
        """The tile's positions in a feature map of the tile with its halo.

        Args:
            stride: Pixels between two positions of the map.
            padding: Positions that the map has beyond the image, at each side. They belong to the
                tiles at the image's border.

        Returns:
            Begin and end, as of a Python slice.
        """
        return (
            self.inner.start // stride + padding if self.start > 0 else 0,
            self.inner.stop // stride + padding if self.stop < self.length else _TO_THE_END,
        )


Tile = tuple[Span, Span]  # rows, columns
OnProgress = Callable[[int, int], Any]


def spans(length: int, max_core: int, halo: int, stride: int) -> list[Span]:
    """Divide an axis into spans of about equal length.

    Args:
        length: Length of the axis, in px.
        max_core: Maximum length of a span without its halo, a multiple of `stride`.
        halo: Width of the halo at each side, a multiple of `stride`; it ends at the image's border.
        stride: Spans begin at its multiples.
    """
    count = math.ceil(length / max_core)
    step = math.ceil(length / count / stride) * stride
    return [
        Span(
            start,
            min(start + step, length),
            max(start - halo, 0),
            min(start + step + halo, length),
            length,
        )
        for start in range(0, length, step)
    ]


def pixels_per_tile(geometry: Geometry, memory: int) -> float:
    """The pixels that a tile with its halo may have in `memory` bytes of working memory."""
    return memory / (_TILE_MEMORY * geometry.bytes_per_pixel)


def memory_of_tile(geometry: Geometry, available: int) -> int:
    """Bytes of working memory that a tile takes, at most `available`."""
    largest = (_MAX_CORE + 2 * geometry.halo) ** 2 * _TILE_MEMORY * geometry.bytes_per_pixel
    return min(available, round(largest))


def tiles(height: int, width: int, max_pixels: float, geometry: Geometry) -> list[Tile]:
    """Divide an image into tiles.

    Args:
        height: In px.
        width: In px.
        max_pixels: Maximum pixels of a tile with its halo, down to a core of 64 px.
        geometry: Halo and stride of the network.
    """
    halo, stride = geometry.halo, geometry.stride
    core = min(max(math.sqrt(max_pixels) - 2 * halo, _MIN_CORE), _MAX_CORE)
    max_core = int(core) // stride * stride
    return list(
        itertools.product(
            spans(height, max_core, halo, stride), spans(width, max_core, halo, stride)
        )
    )


def paint_in_tiles(
    pixels: Array,
    network: TiledNetwork,
    max_pixels: float,
    reduced: bool = False,
    on_progress: OnProgress | None = None,
) -> Array:
    """Paint an image with only one tile of it in working memory.

    Args:
        pixels: (H, W, 3) uint8.
        network: The model.
        max_pixels: Maximum pixels of a tile with its halo.
        reduced: Take the norms' statistics from a copy of a megapixel, which is faster, and gives a
            slightly different picture.
        on_progress: Called after each pass of a tile through the network with the passes done and
            their total number.

    Returns:
        (H, W, 3) uint8.
    """
    height, width = pixels.shape[:2]
    parts = tiles(height, width, max_pixels, network.geometry)
    measured, measured_parts = pixels, parts
    if reduced and height * width > REDUCED_PIXELS:
        longest = round(max(height, width) * math.sqrt(REDUCED_PIXELS / (height * width)))
        measured = to_array(resize_longest(from_array(pixels), max(longest, 1)))
        measured_parts = tiles(measured.shape[0], measured.shape[1], max_pixels, network.geometry)
    total = len(network.norms) * len(measured_parts) + len(parts)
    done = itertools.count(1)

    def on_pass() -> None:
        if on_progress is not None:
            on_progress(next(done), total)

    affine = network.statistics(measured, measured_parts, on_pass)
    return network.paint(pixels, parts, affine, on_pass)


class TiledNetwork:
    """A model that paints in tiles. Its graphs are opened one at a time, when they are needed.

    Args:
        data: The content of an exported model file.
        name: What error messages call it.
        geometry: Of the model's network.
        open_graph: Loads a derived graph into an engine.

    Raises:
        UserError: The geometry is not that of the network.
    """

    def __init__(
        self, data: bytes, name: str, geometry: Geometry, open_graph: Callable[[bytes], Graph]
    ) -> None:
        from fast_nst.models.graphs import load
        from fast_nst.models.norm_stats import noise_tile_of, norms_of

        self._model = load(data, name)
        self._open_graph = open_graph
        self._noise = noise_tile_of(self._model)
        self.norms: list[Norm] = norms_of(self._model)
        self.geometry = geometry
        if len(self.norms) != len(geometry.norms):
            raise UserError(
                f"{name} cannot be painted in tiles, since its file does not state the receptive "
                "field of its network: export it with fast-nst export, or raise max_memory",
                "max_memory",
            )

    def statistics(
        self, pixels: Array, parts: list[Tile], on_pass: Callable[[], Any] = bool
    ) -> list[Affine]:
        """The scale and shift of each norm for an image, (C,) float32 each.

        Args:
            pixels: (H, W, 3) uint8.
            parts: The image's tiles.
            on_pass: Called after each tile, at each norm.
        """
        affine: list[Affine] = []
        for k, norm in enumerate(self.norms):
            graph = self._graph(until=k)
            feature_map = self.geometry.norms[k]
            sums, squares = np.zeros((2, len(norm.weight)))
            count = 0
            for part in parts:
                (top, bottom), (left, right) = (
                    span.window(feature_map.stride, feature_map.padding) for span in part
                )
                feeds = self._feeds(pixels, part, affine)
                feeds["window"] = np.array([top, left, bottom, right])
                found = graph(feeds)
                sums += found[0][0]
                squares += found[1][0]
                count += int(found[2])
                on_pass()
            mean = sums / count
            affine.append(norm.affine(mean, squares / count - mean**2))
        return affine

    def paint(
        self,
        pixels: Array,
        parts: list[Tile],
        affine: list[Affine],
        on_pass: Callable[[], Any] = bool,
    ) -> Array:
        """Paint an image.

        Args:
            pixels: (H, W, 3) uint8.
            parts: The image's tiles.
            affine: From `statistics`.
            on_pass: Called after each tile.
        """
        painting = np.empty_like(pixels)
        graph = self._graph()
        for part in parts:
            rows, columns = part
            painted = graph(self._feeds(pixels, part, affine))[0][0]
            painting[rows.core, columns.core] = painted[rows.inner, columns.inner]
            on_pass()
        return painting

    def _graph(self, until: int | None = None) -> Graph:
        from fast_nst.models.norm_stats import with_given_stats

        return self._open_graph(with_given_stats(self._model, until).SerializeToString())

    def _feeds(
        self, pixels: Array, part: Tile, affine: list[Affine]
    ) -> dict[str, npt.NDArray[Any]]:
        """The inputs of the derived graphs for a tile, without the window."""
        rows, columns = part
        inside = pixels[None, rows.outer, columns.outer]
        feeds: dict[str, npt.NDArray[Any]] = {INPUT: np.ascontiguousarray(inside)}
        if self._noise is not None:
            stride = self.geometry.stride
            places = [
                (span.outer_start // stride + np.arange(max(-(-length // stride), 4))) % period
                for span, length, period in zip(
                    part, inside.shape[1:3], self._noise.shape, strict=True
                )
            ]
            feeds["noise"] = self._noise[np.ix_(*places)]
        for k, (scale, shift) in enumerate(affine):
            feeds[f"scale_{k}"] = scale.reshape(1, -1, 1, 1)
            feeds[f"shift_{k}"] = shift.reshape(1, -1, 1, 1)
        return feeds
