"""The frames of a film, painted by a network that remembers.

An instance norm sees the whole picture: what comes into it at one end changes the colours at the
other, and from frame to frame they tremble. Here each norm's mean and variance are an exponential
average over the frames, which begins anew where the scene changes. What a frame is given is of two
frames before (in a scene's second frame, of the first), so that two can be painted at a time, with
the same result as one by one.
"""

from __future__ import annotations

import functools
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fast_nst.engines.engine import EngineOptions, open_graph_of_size
from fast_nst.errors import UserError
from fast_nst.models.model import Part, normalized
from fast_nst.models.signature import INPUT, KEEP, reason_of
from fast_nst.pictures.detail import check_detail
from fast_nst.pictures.edit import Array, from_array
from fast_nst.stylize.session import Session
from fast_nst.stylize.strength import (
    check_strength,
    finished,
    network_strength,
    reason_against_mixing,
)
from fast_nst.stylize.tiles import working_memory

REMEMBERED = 0.9  # of the statistics, from a frame to the next: a third of a second at 30 a second
LAG = 2  # frames, after which a frame's statistics are given to another
CUT = 24  # levels: the mean difference of two frames' thumbnails from which on they are two scenes
_THUMBNAIL = 32  # px, its longer side
_KEPT_NETWORKS = 4

State = list[npt.NDArray[np.float32]]
# A network of one look and size: a picture, statistics and how much they count to a painting and
# the picture's own statistics.
_Network = Callable[[Array, State, float], tuple[Array, State]]


@dataclass(frozen=True)
class Look:
    """What a frame should look like, in a film in which that changes.

    Attributes:
        strength: See `Stylizer`.
        share: Of the second style, from 0 to 1.
    """

    strength: float
    share: float = 0.0


@dataclass(frozen=True)
class Task:
    """A frame to paint.

    Attributes:
        pixels: (H, W, 3) uint8. The same array as the frame before's is not painted again.
        look: What it should look like.
        upcoming: What one of the next frames will: its network is made meanwhile.
    """

    pixels: Array
    look: Look
    upcoming: Look | None = None


class Memory:
    """The statistics that frames are given: averages of those of frames before, in one scene."""

    def __init__(self) -> None:
        self._averages: dict[int, State] = {}  # by how many of the scene's frames are in them
        self._begun = self._taken = 0  # frames of this scene
        self._of_old_scenes = 0  # frames begun, whose statistics are still to come
        self._wanted = 0  # which average the frame at hand is given
        self._thumbnail: npt.NDArray[np.float32] | None = None

    def see(self, pixels: Array) -> None:
        """The next frame: if a scene begins with it, the others are forgotten."""
        before, self._thumbnail = self._thumbnail, thumbnail(pixels)
        if is_cut(before, self._thumbnail):
            self._of_old_scenes += self._begun - self._taken
            self._begun = self._taken = 0
            self._averages.clear()
        # The second frame waits for the first: with its own statistics it would stand out.
        self._wanted = max(self._begun - LAG + 1, min(self._begun, 1))
        least = min(self._wanted, self._taken)
        self._averages = {n: kept for n, kept in self._averages.items() if n >= least}
        self._begun += 1

    @property
    def is_behind(self) -> bool:
        """Whether the frame has to wait for the statistics of another."""
        return self._taken < self._wanted

    def given(self) -> tuple[State, float]:
        """Statistics for the frame, and how much they count."""
        average = self._averages.get(self._wanted)
        return (average, REMEMBERED) if average else ([], 0.0)

    def take(self, own: State) -> None:
        """A frame's own statistics, in the order of the frames."""
        if self._of_old_scenes:
            self._of_old_scenes -= 1
            return
        average = self._averages.get(self._taken)
        if average and own:
            own = [
                np.float32(REMEMBERED) * old + np.float32(1 - REMEMBERED) * new
                for old, new in zip(average, own, strict=True)
            ]
        self._taken += 1
        self._averages[self._taken] = own or average or []


class Stream:
    """Paints frames in their order.

    Args:
        parts: The style, or a blend of several.
        options: What runs them, and in how much memory.
        second: Another style, to pass into.
        original_colors: See `Stylizer`.
        steady: Remember statistics; without, each frame is painted for itself.
        workers: Frames at a time, `LAG` at most.
        detail: See `Stylizer`.

    Raises:
        UserError: `detail` is out of range.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        options: EngineOptions,
        second: Sequence[Part] = (),
        original_colors: bool = False,
        steady: bool = True,
        workers: int = 1,
        detail: float = 0.0,
    ) -> None:
        check_detail(detail)
        self._parts, self._second = list(parts), list(second)
        self._options = options
        self._original_colors = original_colors
        self._steady = steady
        self._workers = workers
        self._detail = detail
        self._networks: OrderedDict[Any, Future[_Network]] = OrderedDict()

    def paint(self, tasks: Iterable[Task]) -> Generator[Array]:
        """Paint frames.

        With one worker, each painting comes before the next frame is taken.

        Yields:
            (H, W, 3) uint8, in the order of the frames.

        Raises:
            UserError: A frame is no picture, a look is out of range, or the memory does not
                suffice.
        """
        memory = Memory() if self._steady else None
        begun: deque[tuple[Future[tuple[Array, State]], bool]] = deque()  # and whether it is new
        last: Task | None = None

        def ended() -> Array:
            future, is_new = begun.popleft()
            painting, own = future.result()
            if memory is not None and is_new:
                memory.take(own)
            return painting

        with ThreadPoolExecutor(self._workers) as pool, ThreadPoolExecutor(1) as maker:
            try:
                future: Future[tuple[Array, State]]
                for task in tasks:
                    is_new = last is None or not _is_same(task, last)
                    if is_new:
                        _check(task)
                        if memory is not None:
                            memory.see(task.pixels)
                            while memory.is_behind:
                                yield ended()
                        future = self._begin(task, memory, pool, maker)
                        last = task
                    begun.append((future, is_new))
                    if len(begun) >= self._workers:
                        yield ended()
                while begun:
                    yield ended()
            finally:
                for waiting in self._networks.values():
                    waiting.cancel()

    def _begin(
        self,
        task: Task,
        memory: Memory | None,
        pool: ThreadPoolExecutor,
        maker: ThreadPoolExecutor,
    ) -> Future[tuple[Array, State]]:
        """Start on a frame; gives its painting and its own statistics."""
        pixels, look = task.pixels, task.look
        network = self._network(look, pixels.shape, maker)
        if task.upcoming is not None:
            self._network(task.upcoming, pixels.shape, maker)
        state, keep = ([], 0.0) if memory is None else memory.given()
        return pool.submit(self._painted, pixels, look, network, state, keep)

    def _painted(
        self,
        pixels: Array,
        look: Look,
        network: Future[_Network] | None,
        state: State,
        keep: float,
    ) -> tuple[Array, State]:
        if network is None:
            return pixels.copy(), []
        try:
            painting, own = network.result()(pixels, state, keep)
        except UserError:
            raise
        except Exception as error:  # the engines' own errors share no base class
            size = f"{pixels.shape[1]}x{pixels.shape[0]}"
            raise UserError(f"cannot stylize frames of {size}: {reason_of(error)}") from error
        of_network = self._of_network(look)
        unmixable = "" if of_network == look.strength else self._unmixable
        painting = finished(
            pixels,
            painting,
            look.strength,
            of_network,
            self._detail,
            self._original_colors,
            unmixable,
        )
        return painting, own

    @functools.cached_property
    def _unmixable(self) -> str:
        """See `strength.reason_against_mixing`."""
        return reason_against_mixing([*self._parts, *self._second])

    def _of_network(self, look: Look) -> float:
        is_alone = len(self._parts) == 1 and not self._second
        if is_alone and look.strength == 1:
            return 1.0
        return network_strength(is_alone, look.strength, self._unmixable)

    def _network(
        self, look: Look, shape: tuple[int, ...], maker: ThreadPoolExecutor
    ) -> Future[_Network] | None:
        """The network of a look, made in a thread of its own if it is not there."""
        if look.strength == 0:
            return None
        of_network = self._of_network(look)
        key = (of_network, look.share, shape)
        if key not in self._networks:
            self._networks[key] = maker.submit(self._open, of_network, look.share, shape)
            if len(self._networks) > _KEPT_NETWORKS:
                self._networks.popitem(last=False)
        self._networks.move_to_end(key)
        return self._networks[key]

    def _open(self, strength: float, share: float, shape: tuple[int, ...]) -> _Network:
        from fast_nst.models.graphs import load, metadata_of, mix
        from fast_nst.models.norm_stats import CARRIED, carrying_statistics, norms_of

        parts = passing(self._parts, self._second, share)
        if len(parts) == 1 and strength == 1:
            data, name = parts[0].data, parts[0].name
        else:
            data, name = mix(parts, strength), "the mixed model"
        model = load(data, name)
        height, width = shape[:2]
        memory = working_memory(height, width, metadata_of(model).get("network", ""))
        channels = [len(norm.weight) for norm in norms_of(model)]
        if self._workers * memory > self._options.working_bytes or not channels:
            runner = Session([Part(name, data)], self._options)
            return lambda pixels, _, __: (runner.run(pixels[None], 1.0)[0], [])
        names = [f"{kind}_{k}" for k in range(len(channels)) for kind in CARRIED]
        nothing = [np.zeros((1, count, 1, 1), np.float32) for count in channels for _ in CARRIED]
        shapes = {name: value.shape for name, value in zip(names, nothing, strict=True)}
        graph = open_graph_of_size(
            carrying_statistics(model).SerializeToString(),
            self._options,
            {INPUT: (1, height, width, 3), KEEP: (), **shapes},
            self._workers,
        )

        def run(pixels: Array, state: State, keep: float) -> tuple[Array, State]:
            feeds: dict[str, npt.NDArray[Any]] = dict(zip(names, state or nothing, strict=True))
            feeds |= {INPUT: pixels[None], KEEP: np.array(keep, np.float32)}
            painted, *own = graph(feeds)
            return painted[0], own

        return run


def _is_same(task: Task, last: Task) -> bool:
    return task.pixels is last.pixels and task.look == last.look


def passing(first: Sequence[Part], second: Sequence[Part], share: float) -> list[Part]:
    """Two blends as one.

    Args:
        first: With their shares.
        second: With theirs, which count next to each other only.
        share: Of the second, from 0 to 1.
    """
    blend = []
    for parts, part_of_all in ((first, 1 - share), (second, share)):
        if parts and part_of_all > 0:
            shares = normalized([part.share for part in parts])
            blend += [
                Part(part.name, part.data, part_of_all * own)
                for part, own in zip(parts, shares, strict=True)
            ]
    return blend


def thumbnail(pixels: Array) -> npt.NDArray[np.float32]:
    """A frame at a few pixels: (h, w, 3) float32, 0 to 255, the means of its parts."""
    factor = max(max(pixels.shape[:2]) // _THUMBNAIL, 1)
    return np.asarray(from_array(pixels).reduce(factor), np.float32)


def is_cut(before: npt.NDArray[np.float32] | None, after: npt.NDArray[np.float32]) -> bool:
    """Whether a new scene begins between two thumbnails."""
    if before is None or before.shape != after.shape:
        return True
    return bool(np.abs(after - before).mean() > CUT)


def _check(task: Task) -> None:
    """Refuse what cannot be painted.

    Raises:
        UserError: The frame is no picture, or the strength out of range.
    """
    check_strength(task.look.strength)
    pixels: Any = task.pixels
    is_picture = (
        isinstance(pixels, np.ndarray)
        and pixels.dtype == np.uint8
        and pixels.ndim == 3
        and pixels.shape[2] == 3
        and 0 not in pixels.shape
    )
    if not is_picture:
        shape = getattr(pixels, "shape", "")
        kind = getattr(pixels, "dtype", type(pixels).__name__)
        raise UserError(f"the frame is {kind} {shape}: give uint8 of shape (H, W, 3)")
