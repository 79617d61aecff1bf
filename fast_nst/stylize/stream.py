"""Films: frames painted in presentation order, with statistics averaged over time.

An instance norm normalizes by the statistics of the whole image: what enters a frame at one side
changes the colors at the other, and colors flicker from frame to frame. Here each norm uses an
exponential moving average (EMA) of the statistics over the frames of a scene. A frame gets the
average up to two frames before (the second frame of a scene that of the first), so that two frames
can be painted at a time, with the same result as one by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fast_nst.engines.engine import open_graph_of_size
from fast_nst.errors import UserError
from fast_nst.models.model import Model, WeightedModel
from fast_nst.models.signature import EMA_DECAY, INPUT, reason_of
from fast_nst.pictures.edit import Array, from_array
from fast_nst.stylize.painting import PaintOptions, finish
from fast_nst.stylize.session import Session, read_geometry
from fast_nst.videos.clip import Frame

if TYPE_CHECKING:
    from fast_nst.stylize.stylizer import Stylizer

DECAY = 0.9  # of the EMA, per frame: a time constant of a third of a second at 30 frames a second
LAG = 2  # frames between a frame and the last one in its average
SCENE_THRESHOLD = 24  # levels: mean difference of two frames' thumbnails at a scene change
_THUMBNAIL = 32  # px, longer side
_CACHED_NETWORKS = 4

Stats = list[npt.NDArray[np.float32]]
# (H, W, 3) uint8, averaged statistics and their decay to the painting and the frame's statistics.
_Network = Callable[[Array, Stats, float], tuple[Array, Stats]]


@dataclass(frozen=True)
class Task:
    """A frame to paint.

    Attributes:
        frame: The frame. If its pixels are the same array as the frame's before, and the rest of
            the task is equal, it is not painted again.
        model: The style.
        options: How it is painted; size and stroke scale are not used.
        next: Model and options of a frame to come, whose network is opened in the meantime.
    """

    frame: Frame
    model: Model
    options: PaintOptions
    next: tuple[Model, PaintOptions] | None = None


class RunningStats:
    """The averaged statistics that frames get, within one scene."""

    def __init__(self) -> None:
        self._averages: dict[int, Stats] = {}  # by the number of the scene's frames in them
        self._begun = self._done = 0  # frames of this scene
        self._of_old_scenes = 0  # frames begun, whose statistics are still to come
        self._wanted = 0  # which average the current frame gets
        self._thumbnail: npt.NDArray[np.float32] | None = None

    def begin(self, pixels: Array) -> None:
        """Begin with the next frame; if it begins a scene, the statistics are reset."""
        before, self._thumbnail = self._thumbnail, thumbnail(pixels)
        if is_scene_change(before, self._thumbnail):
            self._of_old_scenes += self._begun - self._done
            self._begun = self._done = 0
            self._averages.clear()
        # The second frame waits for the first: with its own statistics it would stand out.
        self._wanted = max(self._begun - LAG + 1, min(self._begun, 1))
        oldest = min(self._wanted, self._done)
        self._averages = {n: stats for n, stats in self._averages.items() if n >= oldest}
        self._begun += 1

    @property
    def is_waiting(self) -> bool:
        """Whether the current frame needs the statistics of one that is not done."""
        return self._done < self._wanted

    def current(self) -> tuple[Stats, float]:
        """The average for the current frame, and its weight."""
        average = self._averages.get(self._wanted)
        return (average, DECAY) if average else ([], 0.0)

    def update(self, own: Stats) -> None:
        """Add the statistics of a painted frame, in the order of the frames."""
        if self._of_old_scenes:
            self._of_old_scenes -= 1
            return
        average = self._averages.get(self._done)
        if average and own:
            own = [
                np.float32(DECAY) * old + np.float32(1 - DECAY) * new
                for old, new in zip(average, own, strict=True)
            ]
        self._done += 1
        self._averages[self._done] = own or average or []


class Stream:
    """Paints frames in presentation order.

    Args:
        stylizer: Its session runs the networks.
        steady: Average the statistics over the frames of a scene; without, each frame is painted
            independently.
        workers: Frames that are painted at a time, at most `LAG`; 2 give a higher frame rate, and
            more latency.
    """

    def __init__(self, stylizer: Stylizer, *, steady: bool = True, workers: int = 1) -> None:
        options = stylizer.session.options
        self._session = Session(options, _CACHED_NETWORKS)
        self._steady = steady
        self._workers = workers

    def paint(self, tasks: Iterable[Task]) -> Generator[Frame]:
        """Paint frames.

        With one worker, each painting comes before the next frame is taken.

        Yields:
            The frames in the same order, with their paintings as pixels.

        Raises:
            UserError: A frame is not uint8 (H, W, 3), a style does not mix, or memory does not
                suffice.
        """
        stats = RunningStats() if self._steady else None
        begun: deque[tuple[Task, Future[tuple[Array, Stats]], bool]] = deque()
        last: Task | None = None

        def next_done() -> Frame:
            task, future, is_new = begun.popleft()
            painting, own = future.result()
            if stats is not None and is_new:
                stats.update(own)
            return replace(task.frame, pixels=painting)

        with ThreadPoolExecutor(self._workers) as pool, ThreadPoolExecutor(1) as opener:
            try:
                future: Future[tuple[Array, Stats]]
                for task in tasks:
                    is_new = last is None or not _is_same(task, last)
                    if is_new:
                        check_frame(task.frame.pixels)
                        if stats is not None:
                            stats.begin(task.frame.pixels)
                            while stats.is_waiting:
                                yield next_done()
                        average, decay = ([], 0.0) if stats is None else stats.current()
                        if task.next is not None and task.next[1].strength > 0:
                            opener.submit(self._network, *task.next, task.frame.pixels.shape)
                        future = pool.submit(self._painted, task, average, decay)
                        last = task
                    begun.append((task, future, is_new))
                    if len(begun) >= self._workers:
                        yield next_done()
                while begun:
                    yield next_done()
            finally:
                opener.shutdown(wait=False, cancel_futures=True)

    def _painted(self, task: Task, average: Stats, decay: float) -> tuple[Array, Stats]:
        """The painting of a frame, and the statistics of its norms."""
        pixels = task.frame.pixels
        if task.options.strength == 0:
            return pixels.copy(), []
        network = self._network(task.model, task.options, pixels.shape)
        try:
            painted, own = network(pixels, average, decay)
        except UserError:
            raise
        except Exception as error:  # the engines' own errors share no base class
            size = f"{pixels.shape[1]}x{pixels.shape[0]}"
            raise UserError(f"cannot stylize frames of {size}: {reason_of(error)}") from error
        return finish(pixels, painted, task.model, task.options), own

    def _network(self, model: Model, options: PaintOptions, shape: tuple[int, ...]) -> _Network:
        strength = model.network_strength(options.strength)
        return self._session.cached(
            (model, strength, shape),
            lambda: open_network(self._session, model, strength, shape, self._workers),
        )


def open_network(
    session: Session, model: Model, strength: float, shape: tuple[int, ...], workers: int
) -> _Network:
    """A network for frames of one size that takes and returns the statistics of its norms.

    Where memory does not suffice for a frame in one piece, or the network has no norms, statistics
    are neither used nor returned.

    Args:
        session: Engine and memory.
        model: The style.
        strength: Of the parameters.
        shape: (H, W, 3) of the frames.
        workers: How many threads may run it at a time.

    Raises:
        UserError: The styles do not mix, or the engine refuses the model.
    """
    from fast_nst.models.graphs import load, metadata_of
    from fast_nst.models.norm_stats import STATS, norms_of, with_running_stats

    data, name = model.at(strength)
    graph = load(data, name)
    height, width = shape[:2]
    memory = read_geometry(metadata_of(graph)).working_memory(height, width)
    channels = [len(norm.weight) for norm in norms_of(graph)]
    if workers * memory > session.options.working_bytes or not channels:
        mixed, single = Model((WeightedModel(name, data),)), Session(session.options)
        return lambda pixels, _, __: (single.run(mixed, 1.0, pixels[None])[0], [])
    names = [f"{kind}_{k}" for k in range(len(channels)) for kind in STATS]
    zeros = [np.zeros((1, count, 1, 1), np.float32) for count in channels for _ in STATS]
    shapes = {name: value.shape for name, value in zip(names, zeros, strict=True)}
    opened = open_graph_of_size(
        with_running_stats(graph).SerializeToString(),
        session.options,
        {INPUT: (1, height, width, 3), EMA_DECAY: (), **shapes},
        workers,
    )

    def run(pixels: Array, average: Stats, decay: float) -> tuple[Array, Stats]:
        feeds: dict[str, npt.NDArray[Any]] = dict(zip(names, average or zeros, strict=True))
        feeds |= {INPUT: pixels[None], EMA_DECAY: np.array(decay, np.float32)}
        painted, *own = opened(feeds)
        return painted[0], own

    return run


def _is_same(task: Task, last: Task) -> bool:
    return (
        task.frame.pixels is last.frame.pixels
        and task.options == last.options
        and task.model == last.model
    )


def thumbnail(pixels: Array) -> npt.NDArray[np.float32]:
    """A frame scaled down by averaging to about 32 px: (h, w, 3) float32, 0 to 255."""
    factor = max(max(pixels.shape[:2]) // _THUMBNAIL, 1)
    return np.asarray(from_array(pixels).reduce(factor), np.float32)


def is_scene_change(before: npt.NDArray[np.float32] | None, after: npt.NDArray[np.float32]) -> bool:
    """Whether a new scene begins between two thumbnails; the first frame begins one too."""
    if before is None or before.shape != after.shape:
        return True
    return bool(np.abs(after - before).mean() > SCENE_THRESHOLD)


def check_frame(pixels: Any) -> None:
    """Check a frame.

    Raises:
        UserError: The frame is not a non-empty uint8 array of shape (H, W, 3).
    """
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
