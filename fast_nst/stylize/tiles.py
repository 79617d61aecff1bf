"""Pictures of any size in bounded memory: through the network tile by tile, without a seam.

Each tile is painted with a margin around it as wide as the network looks, at whole cells of its
coarsest map, with the noise that lies there; its instance norms get the statistics of the whole
picture, which were taken before, norm by norm, over the same tiles. All that is left between this
and a painting in one piece is rounding.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fast_nst.models.signature import INPUT, Graph
from fast_nst.pictures.edit import Array, from_array, resize_longest, to_array

Affine = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]

# Working memory in bytes a pixel, as benchmarks/large.py measures it, and some more.
BYTES_A_PIXEL = {"fast": 80, "fine": 270, "johnson": 1000}
_OF_A_TILE = 1.75  # times that: scale and shift take maps of their own
REDUCED_PIXELS = 1_000_000
_LARGEST_CORE = 1024  # px; larger ones are slower, for they leave the cache
_SMALLEST_CORE = 64
_MARGIN = 64  # px, of the networks that we have; only memory is reckoned with it
_SMALLEST_SIDE = 16  # px; the networks mirror smaller pictures outwards to it
_TO_THE_END = np.iinfo(np.int64).max


def working_memory(height: int, width: int, network: str) -> int:
    """Bytes that painting a picture in one piece takes.

    Args:
        height: In px.
        width: In px.
        network: Its name, as the model's metadata say; an unknown one is taken for a heavy one.
    """
    return max(height, _SMALLEST_SIDE) * max(width, _SMALLEST_SIDE) * bytes_a_pixel(network)


def bytes_a_pixel(network: str) -> int:
    """Of working memory, where a picture is painted in one piece; see `working_memory`."""
    return BYTES_A_PIXEL.get(network, max(BYTES_A_PIXEL.values()))


@dataclass(frozen=True)
class Span:
    """Part of an axis, in px: from start to stop, and with its margins.

    Attributes:
        start: The first pixel that is painted.
        stop: The one after the last.
        outer_start: The first pixel that the network is given.
        outer_stop: The one after the last.
        length: Of the whole axis.
    """

    start: int
    stop: int
    outer_start: int
    outer_stop: int
    length: int

    @property
    def outer(self) -> slice:
        """What the network is given of the picture."""
        return slice(self.outer_start, self.outer_stop)

    @property
    def core(self) -> slice:
        """What is kept, of the picture."""
        return slice(self.start, self.stop)

    @property
    def inner(self) -> slice:
        """What is kept, of what the network is given."""
        return slice(self.start - self.outer_start, self.stop - self.outer_start)

    def window(self, step: int, extra: int) -> tuple[int, int]:
        """The part of a map that counts, as the two ends of a Python slice.

        Args:
            step: Pixels between the map's cells.
            extra: Cells that the map has beyond the picture, at each side. They count at the
                picture's own border only.
        """
        return (
            self.inner.start // step + extra if self.start > 0 else 0,
            self.inner.stop // step + extra if self.stop < self.length else _TO_THE_END,
        )


Tile = tuple[Span, Span]
OnTile = Callable[[int, int], Any]


def spans(length: int, most: int, margin: int, cell: int) -> list[Span]:
    """An axis in parts of about equal length.

    Args:
        length: Of the axis, in px.
        most: Of a part without its margins, in px.
        margin: At each side, as far as there are pixels.
        cell: Parts begin at its multiples; `most` and `margin` are multiples too.
    """
    count = math.ceil(length / most)
    step = math.ceil(length / count / cell) * cell
    return [
        Span(
            start,
            min(start + step, length),
            max(start - margin, 0),
            min(start + step + margin, length),
            length,
        )
        for start in range(0, length, step)
    ]


def pixels_in_tile(memory: int, network: str) -> float:
    """How many pixels a tile may have, with its margins, in so many bytes of working memory."""
    return memory / (_OF_A_TILE * bytes_a_pixel(network))


def memory_of_a_tile(network: str, most: int) -> int:
    """Bytes that painting in tiles takes at a time, of so many that it may."""
    largest = (_LARGEST_CORE + 2 * _MARGIN) ** 2 * _OF_A_TILE * bytes_a_pixel(network)
    return min(most, round(largest))


def tiles(height: int, width: int, pixels: float, margin: int, cell: int) -> list[Tile]:
    """A picture in parts, (rows, columns) each, that have no more than so many pixels.

    Args:
        height: In px.
        width: In px.
        pixels: In a part, with its margins. There is a smallest part, whatever is asked for.
        margin: See `spans`.
        cell: See `spans`.
    """
    core = min(max(math.sqrt(pixels) - 2 * margin, _SMALLEST_CORE), _LARGEST_CORE)
    most = int(core) // cell * cell
    return list(
        itertools.product(
            spans(height, most, margin, cell),
            spans(width, most, margin, cell),
        )
    )


def paint_in_tiles(
    pixels: Array,
    network: TiledNetwork,
    most: float,
    reduced: bool = False,
    on_tile: OnTile | None = None,
) -> Array:
    """Paint a picture with no more than so much of it in work at a time.

    Args:
        pixels: (H, W, 3) uint8.
        network: What paints.
        most: Pixels in a tile, with its margins.
        reduced: Take the norms' statistics of a copy of `REDUCED_PIXELS`: faster, and another
            picture.
        on_tile: Told after each tile how many passes through the network are done, and of how many.

    Returns:
        (H, W, 3) uint8.
    """
    height, width = pixels.shape[:2]
    parts = tiles(height, width, most, network.margin, network.cell)
    measured, measured_parts = pixels, parts
    if reduced and height * width > REDUCED_PIXELS:
        longest = round(max(height, width) * math.sqrt(REDUCED_PIXELS / (height * width)))
        measured = to_array(resize_longest(from_array(pixels), max(longest, 1)))
        measured_parts = tiles(
            measured.shape[0], measured.shape[1], most, network.margin, network.cell
        )
    total = len(network.norms) * len(measured_parts) + len(parts)
    done = itertools.count(1)

    def one_more() -> None:
        if on_tile is not None:
            on_tile(next(done), total)

    affine = network.statistics(measured, measured_parts, one_more)
    return network.paint(pixels, parts, affine, one_more)


class TiledNetwork:
    """A model that paints in tiles. Its graphs are opened when they are needed, and let go then.

    Args:
        data: The model file, exported by us.
        name: What to call it in an error.
        open_graph: Makes a derived model file runnable.
    """

    def __init__(self, data: bytes, name: str, open_graph: Callable[[bytes], Graph]) -> None:
        from fast_nst.models.graphs import load
        from fast_nst.models.norm_stats import noise_tile_of, norms_of, reach_of

        self._model = load(data, name)
        self._open_graph = open_graph
        self._noise = noise_tile_of(self._model)
        self.norms = norms_of(self._model)
        self.margin, self.cell = reach_of(self._model)

    def statistics(
        self, pixels: Array, parts: list[Tile], on_tile: Callable[[], Any] = bool
    ) -> list[Affine]:
        """What each norm does to a picture: its scale and shift, (C,) float32 each.

        Args:
            pixels: (H, W, 3) uint8.
            parts: Of the picture.
            on_tile: Called after each part, at each norm.
        """
        affine: list[Affine] = []
        for k, norm in enumerate(self.norms):
            graph = self._graph(until=k)
            step, extra = self._map_at(k, graph)
            sums, squares = np.zeros((2, len(norm.weight)))
            count = 0
            for part in parts:
                (top, bottom), (left, right) = (span.window(step, extra) for span in part)
                feeds = self._feeds(pixels, part, affine)
                feeds["window"] = np.array([top, left, bottom, right])
                found = graph(feeds)
                sums += found[0][0]
                squares += found[1][0]
                count += int(found[2])
                on_tile()
            mean = sums / count
            affine.append(norm.affine(mean, squares / count - mean**2))
        return affine

    def paint(
        self,
        pixels: Array,
        parts: list[Tile],
        affine: list[Affine],
        on_tile: Callable[[], Any] = bool,
    ) -> Array:
        """(H, W, 3) uint8 to the same.

        Args:
            pixels: The picture.
            parts: Of it.
            affine: From `statistics`.
            on_tile: Called after each part.
        """
        painting = np.empty_like(pixels)
        graph = self._graph()
        for part in parts:
            rows, columns = part
            painted = graph(self._feeds(pixels, part, affine))[0][0]
            painting[rows.core, columns.core] = painted[rows.inner, columns.inner]
            on_tile()
        return painting

    def _graph(self, until: int | None = None) -> Graph:
        from fast_nst.models.norm_stats import with_statistics

        return self._open_graph(with_statistics(self._model, until).SerializeToString())

    def _map_at(self, k: int, graph: Graph) -> tuple[int, int]:
        """Of the map at a norm: pixels between its cells, and cells beyond the picture at a side.

        Found with two small pictures: a side of s px has s / step + 2 * extra cells.
        """
        affine = [(np.zeros_like(norm.weight),) * 2 for norm in self.norms[:k]]
        cells = []
        for side in (small := 8 * self.cell, large := 16 * self.cell):
            span = Span(0, side, 0, side, side)
            feeds = self._feeds(np.zeros((side, side, 3), np.uint8), (span, span), affine)
            feeds["window"] = np.array([0, 0, _TO_THE_END, _TO_THE_END])
            cells.append(math.isqrt(int(graph(feeds)[2])))
        step = (large - small) // (cells[1] - cells[0])
        return step, (cells[0] - small // step) // 2

    def _feeds(
        self, pixels: Array, part: Tile, affine: list[Affine]
    ) -> dict[str, npt.NDArray[Any]]:
        """What the derived graphs take for a part of a picture, but the window."""
        rows, columns = part
        inside = pixels[None, rows.outer, columns.outer]
        feeds: dict[str, npt.NDArray[Any]] = {INPUT: np.ascontiguousarray(inside)}
        if self._noise is not None:
            places = [
                (span.outer_start // self.cell + np.arange(max(-(-length // self.cell), 4)))
                % period
                for span, length, period in zip(
                    part, inside.shape[1:3], self._noise.shape, strict=True
                )
            ]
            feeds["noise"] = self._noise[np.ix_(*places)]
        for k, (scale, shift) in enumerate(affine):
            feeds[f"scale_{k}"] = scale.reshape(1, -1, 1, 1)
            feeds[f"shift_{k}"] = shift.reshape(1, -1, 1, 1)
        return feeds
