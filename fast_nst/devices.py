"""PyTorch helpers: choice of device and precision, and conversion between images and tensors."""

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

from fast_nst.choices import PRECISIONS
from fast_nst.errors import UserError, choose
from fast_nst.pictures.edit import from_array, to_array

_TIMINGS = 3  # runs per precision; the first warms up
_TIMING_SIZE = 192  # px; at 96 the cast of the weights takes longer than bf16 saves
_PROBE_CHANNELS, _PROBE_SIZE = 64, 64  # of one convolution, milliseconds in float32
# Ratio of bf16's time to float32's above which VGG-19 is not timed: where bf16 is emulated the
# ratio is over ten, and VGG-19 would take a minute.
_EMULATED = 3
_WORTHWHILE = 0.9  # ratio below which bf16 is worth its rounding


def choose_device(name: str = "auto") -> torch.device:
    """Choose a device; "auto" prefers CUDA, then MPS, then the CPU.

    Raises:
        UserError: The name is unknown, or the device is not available.
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
        raise UserError(f"no device {name!r} here: give cpu or auto") from error
    return device


class PrecisionTimes(NamedTuple):
    """Seconds for a forward and backward pass in each precision, the fastest of several runs."""

    float32: float
    bf16: float

    @property
    def faster(self) -> str:
        """Return "bf16" if it saves at least 10 % of the time, else "32"."""
        return "bf16" if self.bf16 < _WORTHWHILE * self.float32 else "32"


def device_name(device: torch.device) -> str:
    """What a model says that it was trained on: "CPU", or a GPU's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()


@functools.cache
def time_precisions(device: torch.device) -> PrecisionTimes:
    """Time VGG-19 in float32 and bf16, which takes a few seconds; cached for the process.

    CPU flags are no guide: with avx512_bf16 but no AMX, bf16 takes twice as long. If a single
    convolution shows that bf16 is emulated, its times are returned.

    Returns:
        Times in seconds; infinite for bf16 if the device lacks it.
    """
    with torch.random.fork_rng(devices=[]):  # the training's random numbers must not change
        probe = nn.Conv2d(_PROBE_CHANNELS, _PROBE_CHANNELS, 3, padding=1)
        times = _time(probe, (1, _PROBE_CHANNELS, _PROBE_SIZE, _PROBE_SIZE), device)
        if times.bf16 > _EMULATED * times.float32:
            return times
        network = make_layers(vgg_layers["E"][:-1])
    return _time(network, (1, 3, _TIMING_SIZE, _TIMING_SIZE), device)


def _time(network: nn.Module, shape: tuple[int, ...], device: torch.device) -> PrecisionTimes:
    network = network.to(device).to(memory_format=torch.channels_last).requires_grad_(False)
    best = {"32": math.inf, "bf16": math.inf}
    for _ in range(_TIMINGS):
        for precision in best:
            with contextlib.suppress(RuntimeError, NotImplementedError):
                seconds = _time_once(network, shape, device, precision)
                best[precision] = min(best[precision], seconds)
    return PrecisionTimes(best["32"], best["bf16"])


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
    images.grad.sum().item()  # synchronizes
    return time.perf_counter() - started


def choose_precision(precision: str, device: torch.device) -> str:
    """Resolve "auto" to the faster of "32" and "bf16"; see `time_precisions`.

    Raises:
        UserError: The name is unknown.
    """
    if choose("precision", precision, PRECISIONS) != "auto":
        return precision
    return time_precisions(device).faster


def describe_precision(device: torch.device) -> str:
    """One line on what "auto" resolves to, and why."""
    times = time_precisions(device)
    if not math.isfinite(times.bf16):
        return "precision 32: no bf16 on this device"
    percent = round(100 * times.bf16 / times.float32)
    least = f", and is used below {100 * _WORTHWHILE:.0f} %" if times.faster == "32" else ""
    return (
        f"precision {times.faster}: on this machine bf16 takes {percent} % of float32's time{least}"
    )


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The autocast context for "bf16" and "16"; disabled for "32"."""
    kind = torch.float16 if precision == "16" else torch.bfloat16
    return torch.autocast(device.type, kind, enabled=precision != "32")


@contextlib.contextmanager
def explain_oom(advice: str, *arguments: str) -> Iterator[None]:
    """Turn out-of-memory errors of PyTorch and NumPy into a UserError.

    Args:
        advice: How to need less memory, for the message.
        arguments: The names of arguments in it, see `UserError`.

    Raises:
        UserError: PyTorch or NumPy ran out of memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        known = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not known and "allocate memory" not in str(error):
            raise
        raise UserError(f"out of memory: {advice}", *arguments) from error


def to_bytes(image: Image.Image) -> Tensor:
    """Convert an "RGB" image to (3, H, W) uint8."""
    return torch.from_numpy(to_array(image).copy()).permute(2, 0, 1)


def to_tensor(image: Image.Image) -> Tensor:
    """Convert an "RGB" image to (1, 3, H, W) float32 in [0, 1]."""
    return to_bytes(image)[None].float() / 255


def to_image(tensor: Tensor) -> Image.Image:
    """Convert (1, 3, H, W) in [0, 1], on any device, to an "RGB" image, rounding to 8 bits."""
    levels = (tensor[0].detach() * 255).round().clamp(0, 255).byte()
    return from_array(levels.permute(1, 2, 0).cpu().numpy())
