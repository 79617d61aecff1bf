"""The frames of a film, painted one after the other by a network that remembers.

An instance norm sees the whole picture: what comes into it at one end changes the colours at the
other, and from frame to frame they tremble. Here each norm's mean and variance are an exponential
average over the frames, which begins anew where the scene changes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fast_nst.errors import UserError
from fast_nst.pictures.edit import Array, from_array
from fast_nst.stylize.engines import EngineOptions, open_graph_of_size
from fast_nst.stylize.parts import Part, normalized
from fast_nst.stylize.runner import Runner
from fast_nst.stylize.signature import INPUT, reason_of
from fast_nst.stylize.strength import check_strength, finished, network_strength
from fast_nst.stylize.tiles import working_memory

REMEMBERED = 0.9  # of the statistics, from a frame to the next: a third of a second at 30 a second
CUT = 24  # levels: the mean difference of two frames' thumbnails from which on they are two scenes
_THUMBNAIL = 32  # px, its longer side
_KEPT_NETWORKS = 3

State = list[npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Look:
    """What a frame should look like, in a film in which that changes.

    Attributes:
        strength: See `Stylizer`.
        share: Of the second style, from 0 to 1.
    """

    strength: float
    share: float = 0.0


# A network of one look and size: a picture, statistics and how much they count to painting and
# statistics.
_Network = Callable[[Array, State | None, float], tuple[Array, State | None]]


class Stream:
    """Paints frames in their order.

    Args:
        parts: The style, or a blend of several.
        options: What runs them, and in how much memory.
        unmixable: See `strength.reason_against_mixing`, of all parts.
        second: Another style, to pass into.
        original_colors: See `Stylizer`.
        steady: Remember statistics; without, each frame is painted for itself.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        options: EngineOptions,
        unmixable: str = "",
        second: Sequence[Part] = (),
        original_colors: bool = False,
        steady: bool = True,
    ) -> None:
        self._parts, self._second = list(parts), list(second)
        self._options = options
        self._unmixable = unmixable
        self._original_colors = original_colors
        self._steady = steady
        self._networks: OrderedDict[Any, Future[_Network]] = OrderedDict()
        self._ahead = ThreadPoolExecutor(1)
        self._state: State | None = None
        self._thumbnail: npt.NDArray[np.float32] | None = None
        self._last: tuple[Array, Look, Array] | None = None

    def paint(self, pixels: Array, look: Look, upcoming: Look | None = None) -> Array:
        """The next frame.

        Args:
            pixels: (H, W, 3) uint8. An array that was the last frame too is not painted again.
            look: What it should look like.
            upcoming: What one of the next frames will: its network is made meanwhile.

        Returns:
            (H, W, 3) uint8.

        Raises:
            UserError: It is no picture, a look is out of range, or the memory does not suffice.
        """
        if self._last is not None and pixels is self._last[0] and look == self._last[1]:
            return self._last[2]
        _check(pixels)
        check_strength(look.strength)
        painting = self._painted(pixels, look, upcoming)
        self._last = (pixels, look, painting)
        return painting

    def _painted(self, pixels: Array, look: Look, upcoming: Look | None) -> Array:
        strength = look.strength
        network = None if strength == 0 else self._network(look, pixels.shape)
        if upcoming is not None and upcoming.strength > 0:
            self._network(upcoming, pixels.shape)
        keep = self._keep(pixels)
        if network is None:
            return pixels.copy()
        try:
            painting, self._state = network.result()(pixels, self._state, keep)
        except UserError:
            raise
        except Exception as error:  # the engines' own errors share no base class
            size = f"{pixels.shape[1]}x{pixels.shape[0]}"
            raise UserError(f"cannot stylize frames of {size}: {reason_of(error)}") from error
        of_network = self._of_network(look)
        unmixable = "" if of_network == strength else self._unmixable
        return finished(pixels, painting, strength, of_network, self._original_colors, unmixable)

    def _of_network(self, look: Look) -> float:
        is_alone = len(self._parts) == 1 and not self._second
        if is_alone and look.strength == 1:
            return 1.0
        return network_strength(is_alone, look.strength, self._unmixable)

    def _keep(self, pixels: Array) -> float:
        """How much of the statistics is carried into this frame."""
        if not self._steady:
            return 0.0
        before, self._thumbnail = self._thumbnail, thumbnail(pixels)
        return 0.0 if is_cut(before, self._thumbnail) else REMEMBERED

    def _network(self, look: Look, shape: tuple[int, ...]) -> Future[_Network]:
        """The network of a look, made in another thread if it is not there."""
        of_network = self._of_network(look)
        key = (of_network, look.share, shape)
        if key not in self._networks:
            self._networks[key] = self._ahead.submit(self._open, of_network, look.share, shape)
            if len(self._networks) > _KEPT_NETWORKS:
                self._networks.popitem(last=False)
        self._networks.move_to_end(key)
        return self._networks[key]

    def _open(self, strength: float, share: float, shape: tuple[int, ...]) -> _Network:
        from fast_nst.stylize.graphs import load, metadata_of, mix
        from fast_nst.stylize.statistics import carrying_statistics, norms_of

        parts = passing(self._parts, self._second, share)
        if len(parts) == 1 and strength == 1:
            data, name = parts[0].data, parts[0].name
        else:
            data, name = mix(parts, strength), "the mixed model"
        model = load(data, name)
        height, width = shape[:2]
        network = metadata_of(model).get("network", "")
        channels = [len(norm.weight) for norm in norms_of(model)]
        is_large = working_memory(height, width, network) > self._options.working_bytes
        if is_large or not channels:
            runner = Runner([Part(name, data)], self._options)
            return lambda pixels, _, __: (runner.run(pixels[None], 1.0)[0], None)
        statistics = [(1, count, 1, 1) for count in channels for _ in range(2)]
        names = [f"{kind}_{k}" for k in range(len(channels)) for kind in ("mean", "variance")]
        shapes: dict[str, Sequence[int]] = {
            INPUT: (1, height, width, 3),
            "keep": (),
            **dict(zip(names, statistics, strict=True)),
        }
        graph = open_graph_of_size(
            carrying_statistics(model).SerializeToString(), self._options, shapes
        )
        nothing: State = [np.zeros(count, np.float32) for count in statistics]

        def run(pixels: Array, state: State | None, keep: float) -> tuple[Array, State]:
            carried, share = (nothing, 0.0) if state is None else (state, keep)
            feeds: dict[str, npt.NDArray[Any]] = dict(zip(names, carried, strict=True))
            feeds |= {INPUT: pixels[None], "keep": np.array(share, np.float32)}
            painted, *taken = graph(feeds)
            return np.array(painted[0]), [np.array(values) for values in taken]

        return run

    def close(self) -> None:
        """End the thread that makes networks."""
        self._ahead.shutdown(cancel_futures=True)


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


def _check(pixels: Any) -> None:
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
