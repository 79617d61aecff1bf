"""What a low loss does not see: checkerboards, frames and a weave in a model's pictures.

Each measure is a number that people would see as a pattern, with a limit found on models that show
it and on models that do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fast_nst.assets import REFERENCE_PHOTOGRAPHS
from fast_nst.pictures.edit import Array, to_array
from fast_nst.pictures.read import open_photograph

_Floats = npt.NDArray[np.float64]

PERIOD = 4  # px: of the upsampling; the pixel shuffle's 2 px is half of it
CARD = 480  # px, side of the grey card
LAGS = (8, 200)  # px: nearer is the stroke itself, farther does not fit the card
_EDGE = 8  # px, width of the frame that is compared with the inside
_SPECTRUM = 32  # px, side of the blocks whose spectrum is taken
_SIDE = 256  # px, of the photographs


@dataclass(frozen=True)
class Measure:
    """One kind of artifact.

    Attributes:
        limit: The largest value that passes.
        meaning: What the value is, for people.
    """

    limit: float
    meaning: str


# Between what the gallery's models have at most and what models with the fault have: random
# weights, zeros for the reflections, and the network before it had noise.
MEASURES = {
    "checkerboard": Measure(12.0, "levels of a pattern that repeats every 2 or 4 px"),
    "border": Measure(20.0, "levels between a painting's outermost 8 px and its inside"),
    "weave": Measure(0.85, "likeness of a painted grey card to itself, 8 to 200 px aside"),
}


def _blocks(image: _Floats, side: int) -> _Floats:
    """(H, W, C) to (blocks, side, side, C); what does not fill a block is left out."""
    height, width = (length // side * side for length in image.shape[:2])
    cut = image[:height, :width].reshape(height // side, side, width // side, side, -1)
    return cut.swapaxes(1, 2).reshape(-1, side, side, image.shape[2])


def checkerboard(image: Array) -> float:
    """Strength of a pattern whose period is 4 px or 2, along either axis or both.

    The power at these frequencies beyond that of the frequencies around them: a texture has both,
    a checkerboard (Odena et al. 2016) only the former.

    Args:
        image: (H, W, 3) uint8, H, W >= 32.

    Returns:
        Its root mean square over the picture's pixels and channels, in levels.
    """
    blocks = _blocks(image.astype(np.float64), _SPECTRUM)
    window = np.outer(*[np.hanning(_SPECTRUM + 1)[:-1]] * 2)
    blocks = (blocks - blocks.mean((1, 2), keepdims=True)) * window[..., None]
    # Divided so that a pattern's power at its frequency is its mean square.
    power = (np.abs(np.fft.fft2(blocks, axes=(1, 2))) ** 2).mean((0, 3)) / window.sum() ** 2
    excess = 0.0
    step, aside = _SPECTRUM // PERIOD, 3  # the window spreads a frequency over 1 to each side
    for y in range(0, _SPECTRUM, step):
        for x in range(0, _SPECTRUM, step):
            if x == y == 0:
                continue
            # Edges make ridges along the axes: they are measured along themselves.
            around = max(
                (power[y - aside, x] + power[(y + aside) % _SPECTRUM, x]) / 2,
                (power[y, x - aside] + power[y, (x + aside) % _SPECTRUM]) / 2,
            )
            excess += max(0.0, power[y, x] - around)
    return float(np.sqrt(excess))


def border(image: Array) -> float:
    """How much the outermost 8 px differ from the inside: a painted frame.

    Args:
        image: (H, W, 3) uint8, H, W > 48: a painting of something that is the same everywhere.

    Returns:
        Root of the squared differences of mean and standard deviation, in levels; channel mean.
    """
    picture = image.astype(np.float64)
    inside = picture[3 * _EDGE : -3 * _EDGE, 3 * _EDGE : -3 * _EDGE].reshape(-1, 3)
    is_edge = np.ones(image.shape[:2], bool)
    is_edge[_EDGE:-_EDGE, _EDGE:-_EDGE] = False
    edge = picture[is_edge]
    mean = np.abs(edge.mean(0) - inside.mean(0)).mean()
    spread = np.abs(edge.std(0) - inside.std(0)).mean()
    return float(np.hypot(mean, spread))


def weave(image: Array) -> float:
    """How regular a texture is: the highest peak of its autocorrelation at lags of 8 to 200 px.

    Args:
        image: (H, W, 3) uint8, H, W > 400: a painting of something without any texture.

    Returns:
        From 0, no two places alike, to 1, a repeated tile. Each lag counts the pixels it has in
        common only.
    """
    luma = image.astype(np.float64) @ (0.299, 0.587, 0.114)
    luma -= luma.mean()
    variance = (luma**2).mean()
    if variance < 1:  # a level: nothing that could repeat
        return 0.0
    shape = [2 * length for length in luma.shape]
    power = np.abs(np.fft.rfft2(luma, shape)) ** 2
    overlap = np.abs(np.fft.rfft2(np.ones_like(luma), shape)) ** 2
    most = LAGS[1]
    correlation, pixels = (
        np.fft.fftshift(np.fft.irfft2(spectrum, shape))[
            shape[0] // 2 - most : shape[0] // 2 + most + 1,
            shape[1] // 2 - most : shape[1] // 2 + most + 1,
        ]
        for spectrum in (power, overlap)
    )
    y, x = np.mgrid[-most : most + 1, -most : most + 1]
    distance = np.hypot(y, x)
    ring = (distance >= LAGS[0]) & (distance <= most)
    return float((correlation / pixels / variance)[ring].max())


def inspect(paint: Callable[[Array], Array]) -> dict[str, float]:
    """Paint a grey card and four photographs, and measure the results.

    Args:
        paint: (H, W, 3) uint8 to the same, as a `Stylizer` does.

    Returns:
        The largest value of each of `MEASURES`, rounded.
    """
    card = paint(np.full((CARD, CARD, 3), 128, np.uint8))
    photographs = [to_array(open_photograph(path)) for path in REFERENCE_PHOTOGRAPHS]
    paintings = [card, *(paint(photo[:_SIDE, :_SIDE]) for photo in photographs)]
    values = {
        "checkerboard": max(checkerboard(painting) for painting in paintings),
        "border": border(card),
        "weave": weave(card),
    }
    return {name: round(value, 2) for name, value in values.items()}


def faults(values: Mapping[str, float]) -> list[str]:
    """A line for each value that is above its limit."""
    return [
        f"{name} {values[name]:g}, above {measure.limit:g}: {measure.meaning}"
        for name, measure in MEASURES.items()
        if values[name] > measure.limit
    ]
