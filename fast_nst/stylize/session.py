"""The networks that a stylizer runs, one for each strength, within a budget of memory."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Sequence

import numpy as np

from fast_nst.engines.engine import Engine, EngineOptions, open_engine, open_graph
from fast_nst.engines.forks import after_fork
from fast_nst.errors import UserError
from fast_nst.models.model import Part
from fast_nst.models.signature import reason_of
from fast_nst.pictures.edit import Array
from fast_nst.stylize.budget import Budget
from fast_nst.stylize.tiles import (
    OnTile,
    TiledNetwork,
    memory_of_a_tile,
    paint_in_tiles,
    pixels_in_tile,
    working_memory,
)

_KEPT_ENGINES = 8


class Session:
    """A model, or a blend of several, ready to run at any strength on pictures of any size.

    Args:
        parts: The models with their shares.
        options: What runs them, and in how much memory.
        budget: The memory, where others take of it too.
        share: What may be held between two pictures, in bytes; default: all.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        options: EngineOptions,
        budget: Budget | None = None,
        share: int | None = None,
    ) -> None:
        self._parts = parts
        self._options = options
        self._budget = budget or Budget(options.working_bytes)
        self._share = self._budget.amount if share is None else share
        # No lru_cache of a method: its cycle would keep networks until Python looks for cycles.
        self._engines: dict[float, Engine] = {}
        self._opening = threading.Lock()
        after_fork(self, Session._begin_anew)

    def _begin_anew(self) -> None:
        self._opening = threading.Lock()  # whoever held it is not in this process

    def clone(self, options: EngineOptions, of: int, parts: Sequence[Part]) -> Session:
        """Another one, for another thread or model, one of so many that share the memory."""
        return Session(parts, options, self._budget, self._budget.amount // of)

    def _file(self, strength: float) -> tuple[bytes, str]:
        """The model of a strength, and what to call it in an error."""
        first = self._parts[0]
        if len(self._parts) == 1 and strength == 1:
            return first.data, first.name
        from fast_nst.models.graphs import mix

        return mix(self._parts, strength), "the mixed model"

    def engine(self, strength: float) -> Engine:
        """The network of a strength, opened when it is first asked for.

        Raises:
            UserError: The models do not mix, or the engine refuses what they make.
        """
        with self._opening:
            engine = self._engines.pop(strength, None)
            if engine is None:
                data, name = self._file(strength)
                engine = open_engine(data, name, self._options, self._share)
            self._engines[strength] = engine  # what was used last stands last
            if len(self._engines) > _KEPT_ENGINES:
                del self._engines[next(iter(self._engines))]
            return engine

    def run(self, images: Array, strength: float, on_tile: OnTile | None = None) -> Array:
        """The bare network of a strength.

        Args:
            images: (N, H, W, 3) uint8.
            strength: Of the parameters.
            on_tile: See `tiles.paint_in_tiles`.

        Returns:
            (N, H, W, 3) uint8.

        Raises:
            UserError: The engine gives up, which is for want of memory, or the model does not
                keep the size.
        """
        try:
            painted = self._run(images, strength, on_tile)
        except UserError:
            raise
        except Exception as error:  # the engines' own errors share no base class
            size = f"{images.shape[2]}x{images.shape[1]}"
            raise UserError(
                f"cannot stylize {size} px, make it smaller with --size: {reason_of(error)}"
            ) from error
        if painted.shape != images.shape:
            raise UserError(
                f"the model turns {images.shape} into {painted.shape}: a fast_nst model keeps the "
                "shape, export it with fast-nst export"
            )
        return painted

    def _run(self, images: Array, strength: float, on_tile: OnTile | None) -> Array:
        count, height, width = images.shape[:3]
        network = self.engine(strength).metadata.get("network", "")
        each = working_memory(height, width, network)
        most = self._budget.amount
        if each > most:
            with self._budget.part(memory_of_a_tile(network, most)):
                return self._run_in_tiles(images, strength, network, on_tile)
        batches = np.array_split(images, 1 if count * each <= most else count)
        memory = len(batches[0]) * each
        with self._budget.part(memory):
            run = functools.partial(self.engine(strength).run, keep_memory=memory <= self._share)
            return _joined(map(run, batches))

    def _run_in_tiles(
        self, images: Array, strength: float, network: str, on_tile: OnTile | None
    ) -> Array:
        with self._opening:
            self._engines.clear()  # what they hold of earlier pictures would come on top
        tiled = TiledNetwork(
            *self._file(strength), lambda derived: open_graph(derived, self._options)
        )
        most = pixels_in_tile(self._budget.amount, network)
        reduced = self._options.statistics == "reduced"
        return _joined(
            paint_in_tiles(image, tiled, most, reduced, on_tile)[None] for image in images
        )


def _joined(parts: Iterable[Array]) -> Array:
    """Parts of a batch as one; a single one is not copied."""
    found = list(parts)
    return found[0] if len(found) == 1 else np.concatenate(found)
