"""What a strength means: of the network's parameters, and of the photograph's own pixels."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from fast_nst.errors import FadeWarning, UserError
from fast_nst.models.model import Part
from fast_nst.pictures.detail import add_detail
from fast_nst.pictures.edit import Array, blend, keep_colors

MOST_STRENGTH = 1.5
FADE_BELOW = 0.25  # in strength; here the network alone paints a soft photograph, in other colours


def painting_share(strength: float) -> float:
    """How much of the picture is the network's, the rest being the photograph's own pixels.

    From 0 at strength 0 to 1 at `FADE_BELOW`, where it ends level (a cubic): no step, no corner.
    """
    t = min(strength / FADE_BELOW, 1.0)
    return t * t * (3 - 2 * t)


def check_strength(strength: float) -> None:
    """Refuse a strength that is out of range.

    Raises:
        UserError: It is.
    """
    if not 0 <= strength <= MOST_STRENGTH:
        raise UserError(
            f"strength is {strength:g}: it must be from 0 (photograph) over 1 (painting) to "
            f"{MOST_STRENGTH:g} (bolder)"
        )


def reason_against_mixing(parts: Sequence[Part]) -> str:
    """Why models do not mix with each other and with the root; "" if they do."""
    from fast_nst.models.graphs import NoCommonRoot, styles_parameters

    try:
        styles_parameters(parts)
    except NoCommonRoot as error:
        return str(error)
    return ""


def network_strength(is_alone: bool, strength: float, unmixable: str) -> float:
    """Of the parameters, for pictures of this strength.

    Args:
        is_alone: Whether it is one model, and no blend.
        strength: Of the picture.
        unmixable: See `reason_against_mixing`.

    Raises:
        UserError: The models do not mix, and this strength or their number would need it.
    """
    if is_alone:
        if strength < 1 and unmixable:
            return 1.0
        if unmixable and strength != 1:
            raise UserError(f"strength {strength:g} is above 1, and {unmixable}")
    elif unmixable:
        raise UserError(f"this blend is not possible: {unmixable}")
    return float(strength)


def finished(
    pixels: Array,
    painting: Array,
    strength: float,
    of_network: float,
    detail: float,
    original_colors: bool,
    unmixable: str = "",
) -> Array:
    """A network's painting with what strength, detail and colours take from the photograph.

    Args:
        pixels: (H, W, 3) uint8, the photograph.
        painting: (H, W, 3) uint8.
        strength: Above 0.
        of_network: From `network_strength`.
        detail: See `pictures.detail.add_detail`; below strength 1 less is added, in proportion.
        original_colors: See `pictures.edit.keep_colors`.
        unmixable: See `reason_against_mixing`.

    Returns:
        (H, W, 3) uint8.
    """
    painting = add_detail(pixels, painting, detail * min(strength, 1.0))
    if original_colors:
        painting = keep_colors(pixels, painting)
    if of_network == strength:
        return blend(pixels, painting, painting_share(strength))
    line = f"strength {strength:g} fades pixels: {unmixable}"
    warnings.warn(line, FadeWarning, stacklevel=4)
    return blend(pixels, painting, strength)
