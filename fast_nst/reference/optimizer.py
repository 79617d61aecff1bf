"""The reference path: the pixels of one picture, optimised until a `PerceptualLoss` is low.

Gatys et al. 2016, "Image Style Transfer Using Convolutional Neural Networks", with the projection
of Johnson et al. 2016 (section 4.1): after each update the picture is clipped to what can be shown.
It takes and returns tensors; files and the terminal are the commands' business.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from fast_nst.devices import autocast, choose_precision
from fast_nst.errors import UserError, choose
from fast_nst.losses import PARTS, PerceptualLoss
from fast_nst.reference.settings import INITS, LEARNING_RATES, OPTIMIZERS, STEPS

SMALLEST_SCALE = 32  # px, of the coarsest scale's longer side
DIVERGED = 1000  # times the loss at the start,
_NEGLIGIBLE = 1e-3  # or times this, should it start at its minimum

_SMALLER = 0.1  # factor of the learning rate after a restart
# Mean change of a value in L-BFGS's first update: enough to measure curvature by, in bf16 too.
_FIRST_STEP = 0.01
# As good as torch's 100 in our runs; at 1024 px those are 2.5 GB.
_LBFGS_HISTORY = 20


@dataclass(frozen=True)
class Iterate:
    """The losses of one picture on the way.

    Attributes:
        step: Updates done at this scale; 0 is the initial picture.
        scale: 0 is the coarsest.
        width: Of the picture, in px.
        height: Of the picture, in px.
        seconds: Since the start, without the time spent in `on_progress`.
        losses: "content", "style", "tv" and "total", as `PerceptualLoss` weights them.
    """

    step: int
    scale: int
    width: int
    height: int
    seconds: float
    losses: dict[str, float]


@dataclass(frozen=True)
class Optimized:
    """What `optimize` found.

    Attributes:
        picture: (1, 3, H, W), RGB in [0, 1]: the best of the last scale that was begun.
        best: Its losses.
        history: Every iterate in order, without those that diverged before a restart.
        restarts: Restarts with smaller steps after divergence: at most 1 at each scale.
    """

    picture: Tensor
    best: Iterate
    history: list[Iterate]
    restarts: int


class OptimizationDiverged(UserError):
    """The loss diverged, with smaller steps too.

    Attributes:
        result: The best picture until then.
    """

    def __init__(self, message: str, result: Optimized) -> None:
        super().__init__(message)
        self.result = result


OnProgress = Callable[[Iterate, Tensor], bool | None]


def optimize(
    content: Tensor,
    style: Tensor | Sequence[Tensor] | None,
    loss: PerceptualLoss,
    *,
    init: str | Tensor = "content",
    steps: int = STEPS,
    scales: int = 1,
    optimizer: str = "lbfgs",
    lr: float | None = None,
    precision: str = "auto",
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> Optimized:
    """Change a picture's pixels, step by step, until `loss` is low.

    With several scales the picture is first made small and then, each time twice as large, from
    the enlarged result; the style images shrink and grow with it, so that large structures are
    laid out while VGG-19 can still see them whole.

    Args:
        content: The photograph, (1, 3, H, W), RGB in [0, 1], on the device to work on.
        style: The style image or images, (1, 3, H_s, W_s), at the size that goes with the
            photograph's; None takes the one that `loss` was made for, which will do for one scale.
        loss: Layers, weights and shares, on the same device.
        init: The initial picture: "content", "noise" (uniform in [0, 1]), or a tensor
            (1, 3, h, w).
        steps: Updates at each scale. An update of L-BFGS costs one gradient, as one of Adam does:
            a line search (strong Wolfe) gave the same loss an update at twice the cost.
        scales: 1 is the photograph's size alone.
        optimizer: "lbfgs" or "adam".
        lr: Step length; default: that of `LEARNING_RATES`.
        precision: "32", "bf16" (the losses and Gram matrices stay float32), or "auto", which is
            bf16 where the hardware has it.
        seed: Of the noise.
        on_progress: Called with every iterate and its picture (1, 3, h, w), which it must not
            change; returning true ends the run.

    Returns:
        The best picture of the last scale, and the history.

    Raises:
        UserError: An argument is out of its range.
        OptimizationDiverged: The loss was not finite, or a thousand times that of the start,
            and again after a restart with a tenth of the step length.
    """
    _check(content, style, steps, scales, lr)
    choose("optimizer", optimizer, OPTIMIZERS)
    precision = choose_precision(precision, content.device)
    rate = LEARNING_RATES[optimizer] if lr is None else lr
    picture = _initial_picture(init, content, seed)
    run = _Run(on_progress)
    for scale in range(scales):
        factor = 0.5 ** (scales - 1 - scale)
        photograph = _resize(content, factor)
        picture = _resize_to(picture, photograph.shape[-2:])
        scaled_loss = loss
        if style is not None:
            styles = [style] if isinstance(style, Tensor) else style
            scaled_loss = loss.with_style([_resize(image, factor) for image in styles])

        pictures = partial(
            iterates, picture, photograph, scaled_loss, optimizer, steps=steps, precision=precision
        )
        if not run.descend(scale, pictures(lr=rate)):
            run.restart(scale)
            if not run.descend(scale, pictures(lr=rate * _SMALLER)):
                raise OptimizationDiverged(
                    f"the loss exploded at {photograph.shape[-1]}x{photograph.shape[-2]} px, after "
                    "a restart with smaller steps too",
                    run.result(),
                )
        picture = run.best_picture
        if run.stopped:
            break
    return run.result()


def iterates(
    start: Tensor,
    photograph: Tensor,
    loss: PerceptualLoss,
    optimizer: str,
    lr: float,
    steps: int,
    precision: str,
) -> Iterator[tuple[Tensor, dict[str, float]]]:
    """The picture after 0, 1, ... `steps` updates, with its losses.

    Args:
        start: (1, 3, H, W), RGB in [0, 1].
        photograph: The same shape and range.
        loss: On their device.
        optimizer: "lbfgs" or "adam".
        lr: Step length.
        steps: Updates.
        precision: "32" or "bf16".
    """
    # torch's first L-BFGS step changes all values together by 1 of these units. That they are a
    # power of two makes the change of scale exact.
    unit = 1.0
    if optimizer == "lbfgs":
        unit = 2.0 ** round(math.log2(_FIRST_STEP * start.numel()))
    variable = (start / unit).contiguous().requires_grad_()
    method = _method(optimizer, variable, lr)
    with autocast(start.device, precision):
        features = loss.content_features(_channels_last(photograph))
    for step in range(steps + 1):
        last = step == steps
        with torch.set_grad_enabled(not last), autocast(start.device, precision):
            picture = variable * unit
            parts = loss(_channels_last(picture), features)
        total = parts["total"]
        yield picture.detach(), {name: parts[name].item() for name in PARTS}
        if not last:
            # Times the number of values, so that L-BFGS's thresholds see gradients of ordinary
            # size: the loss is a mean over them.
            (gradient,) = torch.autograd.grad(total * start.numel(), variable)
            variable.grad = gradient.contiguous()
            before = variable.detach().clone()
            method.step(lambda: total.detach())  # noqa: B023, it is called at once
            with torch.no_grad():
                variable.clamp_(0, 1 / unit)  # the projection
            if isinstance(method, torch.optim.LBFGS):
                _set_projected_step(method, variable, before)


def _method(name: str, variable: Tensor, lr: float) -> torch.optim.Optimizer:
    if name == "adam":
        return torch.optim.Adam([variable], lr=lr)
    return torch.optim.LBFGS(
        [variable],
        lr=lr,
        max_iter=1,
        history_size=_LBFGS_HISTORY,
        tolerance_grad=0,
        tolerance_change=0,
    )


def _set_projected_step(method: torch.optim.LBFGS, variable: Tensor, before: Tensor) -> None:
    """Let L-BFGS measure curvature along the projected step instead of the one it proposed.

    Otherwise its curvature is wrong wherever the projection clips, and after some 150 iterations
    the loss begins to jump. torch reads the step as `t * d` in its next iteration.
    """
    state = method.state[variable]
    if "t" in state:  # not before a first gradient that is not zero
        state["d"] = ((variable.detach() - before) / state["t"]).flatten()


def _is_better(item: Iterate, best: Iterate) -> bool:
    total, least = item.losses["total"], best.losses["total"]
    return item.scale > best.scale or total < least or not math.isfinite(least)


class _Run:
    """The state of `optimize`: history, time and best picture."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self.on_progress = on_progress
        self.history: list[Iterate] = []
        self.restarts = 0
        self.stopped = False
        self.best_picture = torch.empty(0)
        self._best: Iterate | None = None
        self._started = time.perf_counter()

    def restart(self, scale: int) -> None:
        """Drop the history of a scale that diverged; its best picture stays."""
        self.restarts += 1
        self.history = [item for item in self.history if item.scale < scale]

    def descend(self, scale: int, pictures: Iterator[tuple[Tensor, dict[str, float]]]) -> bool:
        """Follow the iterates of one scale; False if they diverge."""
        start = None
        for step, (picture, losses) in enumerate(pictures):
            total = losses["total"]
            start = max(total, _NEGLIGIBLE) if start is None else start
            height, width = picture.shape[-2:]
            seconds = time.perf_counter() - self._started
            item = Iterate(step, scale, width, height, seconds, losses)
            exploded = not math.isfinite(total) or total > DIVERGED * start
            best = self._best
            if best is None or (not exploded and _is_better(item, best)):
                self._best, self.best_picture = item, picture
            if exploded:
                return False
            self.history.append(item)
            if self.on_progress is not None:
                self.stopped = bool(self.on_progress(item, picture))
                self._started += time.perf_counter() - self._started - seconds
            if self.stopped:
                break
        return True

    def result(self) -> Optimized:
        assert self._best is not None
        return Optimized(self.best_picture, self._best, self.history, self.restarts)


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)


def _initial_picture(init: str | Tensor, content: Tensor, seed: int) -> Tensor:
    if isinstance(init, Tensor):
        _check_picture("the start", init)
        return _resize_to(init.to(content), content.shape[-2:])
    if choose("init", init, INITS) == "content":
        return content
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(content.shape, generator=generator).to(content)


def _resize_to(images: Tensor, size: Sequence[int]) -> Tensor:
    if images.shape[-2:] == torch.Size(size):
        return images
    resized = F.interpolate(images, tuple(size), mode="bicubic", antialias=True)
    return resized.clamp(0, 1)


def _resize(images: Tensor, factor: float) -> Tensor:
    return _resize_to(images, [max(1, round(length * factor)) for length in images.shape[-2:]])


def _check_picture(what: str, picture: Tensor) -> None:
    if picture.ndim != 4 or picture.shape[:2] != (1, 3) or 0 in picture.shape:
        raise UserError(f"{what} has the shape {tuple(picture.shape)}: give (1, 3, H, W)")


def _check(
    content: Tensor,
    style: Tensor | Sequence[Tensor] | None,
    steps: int,
    scales: int,
    lr: float | None,
) -> None:
    _check_picture("the photograph", content)
    for image in [] if style is None else [style] if isinstance(style, Tensor) else style:
        _check_picture("a style image", image)
    if steps < 0:
        raise UserError(f"steps is {steps}: it must be 0 or more")
    if scales < 1:
        raise UserError(f"scales is {scales}: it must be at least 1")
    if style is None and scales > 1:
        raise UserError("several scales need the style image: loss holds it at one size alone")
    coarsest = max(content.shape[-2:]) / 2 ** (scales - 1)
    if scales > 1 and coarsest < SMALLEST_SCALE:
        raise UserError(
            f"with {scales} scales the first picture would have {coarsest:.0f} px: choose fewer, "
            f"so that its longer side has at least {SMALLEST_SCALE}"
        )
    if lr is not None and not 0 < lr < math.inf:
        raise UserError(f"lr is {lr:g}: it must be a number above 0")
