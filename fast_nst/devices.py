"""Which device, and which arithmetic on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from PIL import Image
from torch import Tensor

from fast_nst.errors import UserError, choose
from fast_nst.pictures.edit import from_array, to_array

PRECISIONS = ("auto", "32", "bf16")


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


def choose_precision(precision: str, device: torch.device) -> str:
    """Decide between "32" and "bf16"; "auto" is bf16 where the hardware has it.

    Raises:
        UserError: The name is unknown.
    """
    if choose("precision", precision, PRECISIONS) != "auto":
        return precision
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device.type == "cpu" and (
            torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        )
    return "bf16" if fast else "32"


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
