"""The state of a training, as the page shows it."""

from __future__ import annotations

from dataclasses import dataclass, field

_POINTS = 200  # of the curve of losses, at most


@dataclass
class TrainingState:
    """The state of the last training.

    Attributes:
        state: none, starting, training, exporting; or how it ended: done, stopped (the style is
            kept), cancelled (nothing is kept), failed.
        name: The style's name.
        title: The style's title.
        elapsed: Seconds since the start; after the end, the duration.
        left: Estimated seconds to the last step; None before the first step and after the last.
        losses: Seconds of training, and the mean loss since the point before.
        painting: Number of the latest live painting; 0 without one.
        error: Why it failed.
    """

    state: str = "none"
    name: str = ""
    title: str = ""
    elapsed: float = 0.0
    left: float | None = None
    losses: list[tuple[float, float]] = field(default_factory=list)
    painting: int = 0
    error: str = ""

    @property
    def runs(self) -> bool:
        """Whether the training has not ended."""
        return self.state in ("starting", "training", "exporting")


@dataclass
class StartedTraining(TrainingState):
    """The state of a training that has just started.

    Attributes:
        token: With `serve --allow-training`, what the one who started it gives to see its
            painting, and to stop or cancel it.
    """

    token: str = ""


class Curve:
    """Losses over time: means of equal numbers of values, which double when there are many points.

    Attributes:
        points: Seconds and loss.
    """

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []
        self._each = 1
        self._pending: list[float] = []

    def add(self, seconds: float, loss: float) -> None:
        """Add a value."""
        self._pending.append(loss)
        if len(self._pending) < self._each:
            return
        self.points.append((seconds, round(sum(self._pending) / self._each, 4)))
        self._pending.clear()
        if len(self.points) >= _POINTS:
            pairs = zip(self.points[::2], self.points[1::2], strict=False)
            self.points = [(late, (a + b) / 2) for (_, a), (late, b) in pairs]
            self._each *= 2
