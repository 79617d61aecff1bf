"""Sessions: an engine with a memory limit, for any model and image size, from any thread."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

import numpy as np

from fast_nst.engines.engine import Engine, EngineOptions, open_engine, open_graph
from fast_nst.engines.forks import after_fork
from fast_nst.errors import UserError
from fast_nst.models.geometry import Geometry, geometry_of
from fast_nst.models.model import Model
from fast_nst.models.signature import reason_of
from fast_nst.pictures.edit import Array
from fast_nst.stylize.tiles import (
    OnProgress,
    TiledNetwork,
    memory_of_tile,
    paint_in_tiles,
    pixels_per_tile,
)

_Opened = TypeVar("_Opened")


class MemoryBudget:
    """Working memory that several threads share; a thread waits until enough is free.

    Args:
        amount: Size in bytes.
    """

    def __init__(self, amount: int) -> None:
        self.amount = amount
        self._reset()
        after_fork(self, MemoryBudget._reset)

    def _reset(self) -> None:
        """Free everything, also in a forked process, where no thread has reserved memory."""
        self._left = self.amount
        self._released = threading.Condition()

    @contextlib.contextmanager
    def reserve(self, amount: int) -> Iterator[None]:
        """Reserve memory; an amount above the size reserves everything."""
        taken = min(amount, self.amount)
        with self._released:
            self._released.wait_for(lambda: self._left >= taken)
            self._left -= taken
        try:
            yield
        finally:
            with self._released:
                self._left += taken
                self._released.notify_all()


class Session:
    """Runs models on images of any size within a memory budget.

    Engines are cached by model and strength, with least-recently-used eviction. An image that needs
    more memory than the budget is painted in tiles, and a batch image by image.

    Args:
        options: Engine, device, threads and memory.
        capacity: Number of cached networks.
        share: Bytes that a cached network may keep between two images; default: all.
        budget: The memory budget, if other sessions share it.
    """

    def __init__(
        self,
        options: EngineOptions,
        capacity: int = 8,
        share: int | None = None,
        budget: MemoryBudget | None = None,
    ) -> None:
        self.options = options
        self._budget = budget or MemoryBudget(options.working_bytes)
        self._share = self._budget.amount if share is None else share
        self._capacity = capacity
        self._cache: dict[Hashable, Future[Any]] = {}  # least recently used first
        self._lock = threading.Lock()
        after_fork(self, Session._after_fork)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._cache = {key: opened for key, opened in self._cache.items() if opened.done()}

    def clone(self, threads: int, of: int = 1) -> Session:
        """Another session within the same budget, for a thread of its own.

        Args:
            threads: Threads per image.
            of: How many clones share the memory.
        """
        options = dataclasses.replace(self.options, threads=threads)
        return Session(options, self._capacity, self._budget.amount // of, self._budget)

    def cached(self, key: Hashable, open: Callable[[], _Opened]) -> _Opened:
        """The cached result of `open` for a key; threads that need the same one wait for it.

        Args:
            key: Everything that the result depends on.
            open: Called if the key is not cached; errors are raised, and not cached.
        """
        with self._lock:
            future = self._cache.pop(key, None)
            is_new = future is None
            if future is None:
                future = Future()
            self._cache[key] = future
            if len(self._cache) > self._capacity:
                del self._cache[next(iter(self._cache))]
        if is_new:
            try:
                future.set_result(open())
            except BaseException as error:
                with self._lock:
                    self._cache.pop(key, None)
                future.set_exception(error)
                future.exception()  # marks it as retrieved
                raise
        opened: _Opened = future.result()
        return opened

    def engine(self, model: Model, strength: float) -> Engine:
        """The engine of a model at a strength.

        Raises:
            UserError: The styles do not mix, or the engine refuses the file.
        """
        return self.cached(
            (model, strength),
            lambda: open_engine(*model.at(strength), self.options, self._share),
        )

    def run(
        self,
        model: Model,
        strength: float,
        images: Array,
        on_progress: OnProgress | None = None,
    ) -> Array:
        """Run the network alone; nothing of the photograph is added.

        Args:
            model: The style.
            strength: Strength of the parameters, from `Model.network_strength`.
            images: (N, H, W, 3) uint8.
            on_progress: For an image in tiles, see `tiles.paint_in_tiles`.

        Returns:
            (N, H, W, 3) uint8.

        Raises:
            UserError: The engine fails, usually out of memory, or the model changes the size.
        """
        count, height, width = images.shape[:3]
        engine = self.engine(model, strength)
        geometry = read_geometry(engine.metadata)
        memory = geometry.working_memory(height, width)
        available = self._budget.amount
        try:
            if memory > available:
                del engine
                with self._budget.reserve(memory_of_tile(geometry, available)):
                    painted = self._run_in_tiles(model, strength, images, geometry, on_progress)
            else:
                batches = np.array_split(images, 1 if count * memory <= available else count)
                memory *= len(batches[0])
                with self._budget.reserve(memory):
                    found = []
                    for batch in batches:
                        found.append(engine.run(batch, memory <= self._share))
                    painted = _joined(found)
        except UserError:
            raise
        except Exception as error:  # the engines' own errors share no base class
            raise UserError(
                f"cannot stylize {width}x{height} px, choose a smaller size: {reason_of(error)}"
            ) from error
        if painted.shape != images.shape:
            raise UserError(
                f"the model turns {images.shape} into {painted.shape}: a fast_nst model keeps the "
                "shape, export it with fast-nst export"
            )
        return painted

    def _run_in_tiles(
        self,
        model: Model,
        strength: float,
        images: Array,
        geometry: Geometry,
        on_progress: OnProgress | None,
    ) -> Array:
        with self._lock:  # frees the memory of the model's cached networks
            kept = [key for key in self._cache if not (isinstance(key, tuple) and model in key)]
            self._cache = {key: self._cache[key] for key in kept}
        network = TiledNetwork(
            *model.at(strength), geometry, lambda derived: open_graph(derived, self.options)
        )
        pixels = pixels_per_tile(geometry, self._budget.amount)
        is_reduced = self.options.statistics == "reduced"
        return _joined(
            [
                paint_in_tiles(image, network, pixels, is_reduced, on_progress)[None]
                for image in images
            ]
        )


def read_geometry(metadata: dict[str, str]) -> Geometry:
    """`geometry_of`, with a `UserError`.

    Raises:
        UserError: The metadata are damaged.
    """
    try:
        return geometry_of(metadata)
    except ValueError as error:
        raise UserError(f"the model's metadata are damaged: {error}: export it again") from error


def _joined(batches: list[Array]) -> Array:
    """Batches as one; a single one is not copied."""
    return batches[0] if len(batches) == 1 else np.concatenate(batches)
