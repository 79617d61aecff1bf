"""Image defects: visible faults of a model's paintings that its loss does not measure.

Each measure is a number with a limit, calibrated on models with and without the defect. Fringes,
grain and palette are compared with the style image, of which a model's file keeps a `Reference`;
screen, border and weave need the model alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from fast_nst.assets import REFERENCE_PHOTOGRAPHS
from fast_nst.pictures.edit import Array, to_array
from fast_nst.pictures.read import open_photograph

_Floats = npt.NDArray[np.float64]

PERIOD = 4  # px: of the upsampling; the pixel shuffle's 2 px is half of it
CARD = 480  # px, side of the grey card
PHOTOGRAPH_SIDE = 384  # px, the longer one; at 512 px the ratios are the same
LAGS = (32, 200)  # px: nearer is the stroke itself, farther does not fit the card
_EDGE = 8  # px, width of the frame that is compared with the inside
_SPECTRUM = 32  # px, side of the blocks whose spectrum is taken
_AREA = 4  # px, side of the areas whose mean colours make a palette
_ANGLES = np.arange(4) * np.pi / 4
_DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)])  # in the plane of Cb and Cr
_SHARES = (np.arange(16) + 0.5) / 16  # at which quantiles are taken
_LEAST_SPREAD = 1.0  # levels: a style image below it is a grey one


@dataclass(frozen=True)
class Measure:
    """One kind of defect.

    Attributes:
        meaning: What the value measures, for messages.
        advice: How to avoid the defect, for messages.
        most: The largest value that passes.
        least: The smallest value that passes.
    """

    meaning: str
    advice: str = ""
    most: float = math.inf
    least: float = -math.inf

    def passes(self, value: float) -> bool:
        """Whether a value is within the limits."""
        return self.least <= value <= self.most

    def limit(self) -> str:
        """The limit in words; empty if there is none."""
        if self.most < math.inf:
            return f"at most {self.most:g}"
        return f"at least {self.least:g}" if self.least > -math.inf else ""


_SHUFFLE = (
    "train longer, raise --tv-weight, or train --network fine: a network that ends in a pixel "
    "shuffle (fast) tends to it"
)
# With `fine`, the gallery's styles have fringes, grain and screen of at most 1.4, 1.0 and 1.2, and
# a palette of at least 0.8; with `fast`, whose defects are plain to see, of up to 11, 1.7 and 6.3,
# and down to 0.5. Borders are at most 17, and up to 47 with zeros for the reflections; weaves at
# most 0.5, and 1 without noise.
MEASURES = {
    "fringes": Measure(
        "changes of color from pixel to pixel, as a multiple of the style image's", _SHUFFLE, 1.5
    ),
    "grain": Measure(
        "changes of brightness from pixel to pixel, as a multiple of the style image's",
        _SHUFFLE,
        1.5,
    ),
    "screen": Measure(
        "power of what repeats every 2 or 4 px, as a multiple of that of the frequencies around",
        _SHUFFLE,
        1.5,
    ),
    "palette": Measure(
        "spread of the areas' colors, as a share of the style image's",
        "train longer, or raise --style-weight",
        least=0.7,
    ),
    "palette_distance": Measure("levels between the areas' colors and the style image's"),
    "border": Measure(
        "levels between a painting's outermost 8 px and its inside",
        "train longer, or on larger crops: raise --size",
        20.0,
    ),
    "weave": Measure(
        "likeness of a painted grey card to itself, 32 to 200 px aside",
        "train longer: the network's noise, which ends it, grows with the steps",
        0.85,
    ),
}


@dataclass(frozen=True)
class Reference:
    """Statistics of a style image, at its training size, that paintings are compared with.

    Attributes:
        fringes: `second_difference` of its chroma, in levels.
        grain: `second_difference` of its luma, in levels.
        spread: `spread` of its palette, in levels.
        quantiles: Of its palette, in levels: 16 along each of four directions.
    """

    fringes: float
    grain: float
    spread: float
    quantiles: tuple[tuple[float, ...], ...]

    def to_json(self) -> str:
        """As a checkpoint and a model's metadata hold it."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Reference:
        """What `to_json` wrote.

        Raises:
            ValueError: It is something else.
        """
        try:
            values = json.loads(text)
            rows = tuple(tuple(float(value) for value in row) for row in values["quantiles"])
            fringes, grain, width = (float(values[key]) for key in ("fringes", "grain", "spread"))
            found = cls(fringes, grain, width, rows)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError("this is no style image's reference") from error
        if [len(row) for row in found.quantiles] != [len(_SHARES)] * len(_ANGLES):
            raise ValueError("a style image's reference with other quantiles")
        return found


def luma(image: Array) -> _Floats:
    """(H, W, 3) uint8 to Y of ITU-R BT.601, (H, W, 1) in levels."""
    return (image.astype(np.float64) @ (0.299, 0.587, 0.114))[..., None]


def chroma(image: Array) -> _Floats:
    """(H, W, 3) uint8 to Cb and Cr of ITU-R BT.601, (H, W, 2) in levels, 0 for a grey."""
    return (image[..., (2, 0)] - luma(image)) / (1.772, 1.402)


def second_difference(channels: _Floats) -> float:
    """Mean of |x[i - 1] - 2 x[i] + x[i + 1]| over positions and channels: 0 where x is a ramp.

    Args:
        channels: (H, W, C), H, W >= 3.

    Returns:
        Along the axis that has more of it: a pixel shuffle may leave stripes along one only.
    """
    return max(float(np.abs(np.diff(channels, 2, axis=axis)).mean()) for axis in (0, 1))


def _palette(images: Sequence[Array]) -> _Floats:
    """Mean chroma of areas of 4x4 px, (areas, 2): colours as seen from where no pixel is."""
    areas = []
    for image in images:
        height, width = (length // _AREA * _AREA for length in image.shape[:2])
        cut = chroma(image[:height, :width])
        cut = cut.reshape(height // _AREA, _AREA, width // _AREA, _AREA, 2)
        areas.append(cut.mean((1, 3)).reshape(-1, 2))
    return np.concatenate(areas)


def spread(images: Sequence[Array]) -> float:
    """Standard deviation of the palette of all images, in the plane of Cb and Cr.

    Args:
        images: (H, W, 3) uint8 each, H, W >= 4.

    Returns:
        Root of the mean squared distance of the areas' chroma from their mean, in levels.
    """
    return float(np.sqrt(_palette(images).var(0).sum()))


def _quantiles(images: Sequence[Array]) -> _Floats:
    found: _Floats = np.quantile(_palette(images) @ _DIRECTIONS, _SHARES, axis=0).T
    return found


def palette_distance(images: Sequence[Array], quantiles: Sequence[Sequence[float]]) -> float:
    """Sliced Wasserstein distance of order 1 from the images' palette to another one.

    Args:
        images: (H, W, 3) uint8 each, H, W >= 4.
        quantiles: Of the other palette, as `Reference` has them.

    Returns:
        Mean difference of the quantiles, over four directions in the plane of Cb and Cr, in levels.
    """
    return float(np.abs(_quantiles(images) - np.asarray(quantiles)).mean())


def reference_of(style: Array) -> Reference:
    """Measure a style image.

    Args:
        style: (H, W, 3) uint8 at the size it is trained at, H, W >= 4.
    """
    return Reference(
        round(second_difference(chroma(style)), 2),
        round(second_difference(luma(style)), 2),
        round(spread([style]), 2),
        tuple(tuple(row) for row in _quantiles([style]).round(2).tolist()),
    )


def compare(
    paintings: Sequence[Array], photographs: Sequence[Array], reference: Reference
) -> dict[str, float]:
    """How paintings differ from their style image.

    Fringes and grain are mean second differences over the style image's, or over the photographs'
    own where these are larger: in a calm style, a photograph's detail is no defect.

    Args:
        paintings: (H, W, 3) uint8 each.
        photographs: What they were painted of.
        reference: Of the style image.

    Returns:
        "fringes", "grain", "palette" and "palette_distance". A grey style image has no palette to
        reach: it gives 1.
    """

    def multiple(channels: Callable[[Array], _Floats], of: float) -> float:
        painted, own = (
            float(np.mean([second_difference(channels(image)) for image in images]))
            for images in (paintings, photographs)
        )
        most = max(of, own)
        return painted / most if most else float(painted > 0)

    is_grey = reference.spread < _LEAST_SPREAD
    return {
        "fringes": multiple(chroma, reference.fringes),
        "grain": multiple(luma, reference.grain),
        "palette": 1.0 if is_grey else spread(paintings) / reference.spread,
        "palette_distance": palette_distance(paintings, reference.quantiles),
    }


def _blocks(image: _Floats, side: int) -> _Floats:
    """(H, W, C) to (blocks, side, side, C); what does not fill a block is left out."""
    height, width = (length // side * side for length in image.shape[:2])
    cut = image[:height, :width].reshape(height // side, side, width // side, side, -1)
    return cut.swapaxes(1, 2).reshape(-1, side, side, image.shape[2])


def screen(images: Sequence[Array]) -> float:
    """Strength of a pattern whose period is 4 px or 2, along either axis or both.

    The power at these frequencies over that of the frequencies around them: a texture has both, a
    screen or checkerboard (Odena et al. 2016) only the former.

    Args:
        images: (H, W, 3) uint8 each, H, W >= 32.

    Returns:
        The ratio, over all images and channels: about 1 without a screen, or less.
    """
    blocks = np.concatenate([_blocks(image.astype(np.float64), _SPECTRUM) for image in images])
    window = np.outer(*[np.hanning(_SPECTRUM + 1)[:-1]] * 2)
    blocks = (blocks - blocks.mean((1, 2), keepdims=True)) * window[..., None]
    power = (np.abs(np.fft.fft2(blocks, axes=(1, 2))) ** 2).mean((0, 3))
    power += (window**2).sum() / 12  # that of rounding to levels: a flat image has no less
    at, around = 0.0, 0.0
    step, aside = _SPECTRUM // PERIOD, 3  # the window spreads a frequency over 1 to each side
    for y in range(0, _SPECTRUM, step):
        for x in range(0, _SPECTRUM, step):
            if x == y == 0:
                continue
            at += power[y, x]
            # Edges make ridges along the axes: they are measured along themselves.
            around += max(
                (power[y - aside, x] + power[(y + aside) % _SPECTRUM, x]) / 2,
                (power[y, x - aside] + power[y, (x + aside) % _SPECTRUM]) / 2,
            )
    return float(at / around)


def _strips(image: _Floats) -> _Floats:
    """Mean colours of strips of 8 px along the rows, (strips, 3)."""
    height = len(image) // _EDGE * _EDGE
    means: _Floats = image[:height].reshape(-1, _EDGE, image.shape[1], 3).mean((1, 2))
    return means


def border(image: Array) -> float:
    """How much the outermost 8 px differ from the inside: a painted frame.

    Noise paints blotches, and any strip differs from the whole by chance: of the difference of the
    means, only what is beyond the standard deviation of strips inside, as wide and long, counts.

    Args:
        image: (H, W, 3) uint8, H, W >= 56: a painting of something that is the same everywhere.

    Returns:
        Root of the squared differences of mean and standard deviation, in levels; each a mean over
        the channels.
    """
    picture = image.astype(np.float64)
    middle = picture[3 * _EDGE : -3 * _EDGE, 3 * _EDGE : -3 * _EDGE]
    inside = middle.reshape(-1, 3)
    strips = np.concatenate([_strips(middle), _strips(middle.swapaxes(0, 1))])
    is_edge = np.ones(image.shape[:2], bool)
    is_edge[_EDGE:-_EDGE, _EDGE:-_EDGE] = False
    edge = picture[is_edge]
    beyond = np.abs(edge.mean(0) - inside.mean(0)) - strips.std(0)
    mean = np.maximum(beyond, 0).mean()
    deviation = np.abs(edge.std(0) - inside.std(0)).mean()
    return float(np.hypot(mean, deviation))


def weave(image: Array) -> float:
    """How regular a texture is: the highest peak of its autocorrelation at lags of 32 to 200 px.

    Args:
        image: (H, W, 3) uint8, H, W > 400: a painting of something without any texture.

    Returns:
        From 0, no two places alike, to 1, a repeated tile. Each lag counts the pixels it has in
        common only.
    """
    levels = luma(image)[..., 0]
    levels -= levels.mean()
    variance = (levels**2).mean()
    if variance < 1:  # a level: nothing that could repeat
        return 0.0
    shape = [2 * length for length in levels.shape]
    power = np.abs(np.fft.rfft2(levels, shape)) ** 2
    overlap = np.abs(np.fft.rfft2(np.ones_like(levels), shape)) ** 2
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


def inspect(
    paint: Callable[[Array], Array], reference: Reference | None = None
) -> dict[str, float]:
    """Paint a grey card and the package's four reference photographs, and measure the paintings.

    Args:
        paint: (H, W, 3) uint8 to the same, as a `Stylizer` does.
        reference: Of the style image; without it, nothing is compared with that.

    Returns:
        The value of each of `MEASURES`, rounded, in their order.
    """
    card = paint(np.full((CARD, CARD, 3), 128, np.uint8))
    photographs = [
        to_array(open_photograph(path, PHOTOGRAPH_SIDE)) for path in REFERENCE_PHOTOGRAPHS
    ]
    paintings = [paint(photograph) for photograph in photographs]
    values = {"screen": screen(paintings), "border": border(card), "weave": weave(card)}
    if reference is not None:
        values |= compare(paintings, photographs, reference)
    return {name: round(values[name], 2) for name in MEASURES if name in values}


def faults(values: Mapping[str, float]) -> list[str]:
    """A line for each value that does not pass: its limit, what it means, and what helps."""
    return [
        f"{name} {value:g}, {measure.limit()}: {measure.meaning}; {measure.advice}"
        for name, measure in MEASURES.items()
        if name in values and not measure.passes(value := values[name])
    ]
