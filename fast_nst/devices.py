"""Torch's side of things shared above: which device, which arithmetic, pictures as tensors."""

from __future__ import annotations

import contextlib
import functools
import math
import time
from collections.abc import Iterator
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models.vgg import cfgs as vgg_layers
from torchvision.models.vgg import make_layers

from fast_nst.errors import UserError, choose
from fast_nst.pictures.edit import from_array, to_array

PRECISIONS = ("auto", "32", "bf16")
_TIMINGS = 3  # of each arithmetic; the first warms up
_TIMING_SIZE = 192  # px; at 96, casting weights outweighs what bf16 saves
_PROBE_CHANNELS, _PROBE_SIZE = 64, 64  # of one convolution, milliseconds in float32
_HOPELESS = 3  # times float32's; where bf16 is emulated it is over ten, and VGG-19 takes a minute
_CLEARLY = 0.9  # of float32's time: below that, bf16 is worth its rounding


def choose_device(name: str = "auto") -> torch.device:
    """A device that is there: "auto" takes CUDA, then MPS, then the CPU.

    Raises:
        UserError: The name is unknown, or the machine lacks the device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    choose("device", name.split(":")[0], ("auto", "cpu", "cuda", "mps"))
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"no device {name!r} here: give --device cpu or auto") from error
    return device


class ArithmeticTimes(NamedTuple):
    """Seconds that the same work takes forward and backward, the fastest of several runs."""

    float32: float
    bf16: float

    @property
    def faster(self) -> str:
        """The name "bf16", where that saves at least a tenth; else "32"."""
        return "bf16" if self.bf16 < _CLEARLY * self.float32 else "32"


@functools.cache
def arithmetic_times(device: torch.device) -> ArithmeticTimes:
    """Time both arithmetics, in turns, in a few seconds; remembered for the process.

    A processor's flags do not tell: with avx512_bf16 and no AMX, bf16 takes twice as long. VGG-19
    is timed, or one convolution, where that shows that bf16 is hopeless.

    Args:
        device: Where.

    Returns:
        Infinite for bf16 where the device lacks it.
    """
    with torch.random.fork_rng(devices=[]):  # the run's own numbers must not depend on this
        probe = nn.Conv2d(_PROBE_CHANNELS, _PROBE_CHANNELS, 3, padding=1)
        times = _times(probe, (1, _PROBE_CHANNELS, _PROBE_SIZE, _PROBE_SIZE), device)
        if times.bf16 > _HOPELESS * times.float32:
            return times
        network = make_layers(vgg_layers["E"][:-1])
    return _times(network, (1, 3, _TIMING_SIZE, _TIMING_SIZE), device)


def _times(network: nn.Module, shape: tuple[int, ...], device: torch.device) -> ArithmeticTimes:
    network = network.to(device).to(memory_format=torch.channels_last).requires_grad_(False)
    best = {"32": math.inf, "bf16": math.inf}
    for _ in range(_TIMINGS):
        for precision in best:
            with contextlib.suppress(RuntimeError, NotImplementedError):
                seconds = _time_once(network, shape, device, precision)
                best[precision] = min(best[precision], seconds)
    return ArithmeticTimes(best["32"], best["bf16"])


def _time_once(
    network: nn.Module, shape: tuple[int, ...], device: torch.device, precision: str
) -> float:
    images = torch.zeros(shape, device=device)
    images = images.contiguous(memory_format=torch.channels_last).requires_grad_()
    started = time.perf_counter()
    with autocast(device, precision):
        total = network(images).float().sum()
    total.backward()
    assert images.grad is not None
    images.grad.sum().item()  # waits for the device
    return time.perf_counter() - started


def choose_precision(precision: str, device: torch.device) -> str:
    """Decide between "32" and "bf16"; "auto" is the faster of them, see `arithmetic_times`.

    Raises:
        UserError: The name is unknown.
    """
    if choose("precision", precision, PRECISIONS) != "auto":
        return precision
    return arithmetic_times(device).faster


def describe_precision(device: torch.device) -> str:
    """What "auto" came to, and why, in one line."""
    times = arithmetic_times(device)
    if not math.isfinite(times.bf16):
        return "precision 32: no bf16 on this device"
    percent = round(100 * times.bf16 / times.float32)
    return f"precision {times.faster}: on this machine bf16 takes {percent} % of float32's time"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context of a `choose_precision`; it does nothing for "32"."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@contextlib.contextmanager
def memory_explained(advice: str) -> Iterator[None]:
    """Say in one line what people can do when there is no memory left.

    Raises:
        UserError: Instead of torch's or NumPy's own error, with `advice`.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # the first of torch, the second of NumPy
        known = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not known and "allocate memory" not in str(error):
            raise
        raise UserError(f"out of memory: {advice}") from error


def to_bytes(image: Image.Image) -> Tensor:
    """(3, H, W) uint8 of an RGB picture."""
    return torch.from_numpy(to_array(image).copy()).permute(2, 0, 1)


def to_tensor(image: Image.Image) -> Tensor:
    """(1, 3, H, W) float32 in [0, 1] of an RGB picture."""
    return to_bytes(image)[None].float() / 255


def to_image(picture: Tensor) -> Image.Image:
    """The RGB picture of (1, 3, H, W) in [0, 1], on any device; rounded to 8 bits."""
    levels = (picture[0].detach() * 255).round().clamp(0, 255).byte()
    return from_array(levels.permute(1, 2, 0).cpu().numpy())
