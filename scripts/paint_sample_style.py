"""Paint the sample style image, an evening landscape: the project's own work, CC0.

A sun, a moon and smaller lights turn the sky above rolling hills. The picture is built big to
small, as one paints: an underpainting, then broad, medium and fine strokes that follow the flow.
Every stroke is a ribbon of bristles with a colour and a relief; at the end the relief is lit from
the upper left. The same seed paints the same picture. Needs numpy and Pillow alone.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]

WIDTH, HEIGHT = 640, 512
SUPERSAMPLING = 2
ROWS, COLUMNS = HEIGHT * SUPERSAMPLING, WIDTH * SUPERSAMPLING
QUALITY = 92

# Lengths are in units of the picture's height; x runs to 1.25, y downwards to 1.
# Centre x, y, radius, turn of what stirs the sky.
VORTICES = (
    (0.86, 0.30, 0.20, 1.0),
    (0.25, 0.17, 0.13, -1.0),
    (0.45, 0.38, 0.16, 1.0),
    (0.05, 0.42, 0.11, 1.0),
    (1.20, 0.08, 0.11, -1.0),
    (0.58, 0.08, 0.09, -1.0),
)
# Centre x, y, radius of the disc, strength of its halo.
SUNS = ((0.86, 0.30, 0.130, 0.92), (0.25, 0.17, 0.070, 1.05))
# Height of the ridge, swell, frequency, phase of each hill, from far to near.
HILLS = (
    (0.58, 0.035, 5.2, 0.6),
    (0.66, 0.045, 4.1, 2.9),
    (0.76, 0.055, 4.6, 5.1),
    (0.88, 0.050, 5.4, 1.4),
)

NIGHT = ("10133f", "1b2a7a", "1f4fae", "1584b5", "25a9a8", "8fd3bd", "f3ecc8")
FIRE = ("6d1236", "b51f35", "e2492a", "f4842a", "fbb83c", "fde08a", "fff6d8")
FIELDS = (
    ("1c1650", "35237a", "6b2a78", "b53a62", "ee7a48"),
    ("0a2a48", "0d5468", "178a80", "6fb27c", "e8cf6c"),
    ("6d1236", "b32a30", "e0602a", "f5a034", "fbd46a"),
    ("0d1440", "17307f", "17699f", "2fa9a4", "c9e2b0"),
)
OUTLINE = (14, 12, 40)


@dataclass(frozen=True)
class Layer:
    """One pass over the canvas with one brush.

    Attributes:
        strokes: How many.
        length: Of a stroke.
        width: Of the brush.
        jitter: How far the colour strays from the scene's.
        outlines: Share of the strokes that get a dark edge.
    """

    strokes: int
    length: float
    width: float
    jitter: float
    outlines: float


LAYERS = (
    Layer(900, 0.30, 0.042, 0.07, 0.0),
    Layer(2200, 0.17, 0.024, 0.08, 0.12),
    Layer(4200, 0.095, 0.0135, 0.09, 0.10),
    Layer(2600, 0.055, 0.0075, 0.13, 0.0),
)


def _ramp(colours: tuple[str, ...], t: Array) -> Array:
    """Colours (..., 3) along a palette, t from 0 to 1."""
    table = np.array([list(bytes.fromhex(colour)) for colour in colours], dtype=float)
    position = np.clip(t, 0, 1) * (len(table) - 1)
    stops = np.arange(len(table))
    return np.stack([np.interp(position, stops, table[:, k]) for k in range(3)], axis=-1)


def _ridge(x: Array, hill: int) -> Array:
    height, swell, frequency, phase = HILLS[hill]
    wave = np.sin(frequency * x + phase) + 0.4 * np.sin(2.3 * frequency * x + 2 * phase)
    return height + swell * wave


def _hill(x: Array, y: Array) -> Array:
    """Index of the nearest hill that covers each point, -1 for the sky."""
    index = np.full(np.shape(x), -1)
    for k in range(len(HILLS)):
        index[y > _ridge(x, k)] = k
    return index


def _wind(x: Array | float, y: Array | float) -> Array:
    return y + 0.045 * np.sin(5.5 * x + 2.0 * y) + 0.03 * np.sin(9.0 * x - 7.0 * y + 1.0)


def _stream(x: Array, y: Array) -> Array:
    """Stream function of the sky: the brush follows its contours."""
    wind = _wind(x, y)
    psi = wind
    for cx, cy, radius, turn in VORTICES:
        squared = ((x - cx) ** 2 + (y - cy) ** 2) / radius**2
        # In the eye of a vortex the wind is still, so that its rings close around the centre.
        psi = psi + np.exp(-squared / 0.9) * (_wind(cx, cy) - wind)
        psi = psi + 1.9 * turn * radius * np.exp(-squared / 1.5)
    return psi


def _flow(x: Array, y: Array) -> Array:
    """Unit direction (..., 2) of the brush."""
    e = 1e-3
    u = _stream(x, y + e) - _stream(x, y - e)
    v = _stream(x - e, y) - _stream(x + e, y)
    hill = _hill(x, y)
    for k in range(len(HILLS)):
        inside = hill == k
        depth = y - _ridge(x, k)
        slope = (_ridge(x + e, k) - _ridge(x - e, k)) / (2 * e)
        lean = slope + (-1) ** k * 9.0 * depth * np.cos(6.0 * x + 1.7 * k)
        u = np.where(inside, 1.0, u)
        v = np.where(inside, lean, v)
    length = np.hypot(u, v) + 1e-9
    return np.stack([u / length, v / length], axis=-1)


def _scene(x: Array, y: Array, jitter: Array, chance: Array) -> Array:
    """Colours (..., 3) of the scene; `jitter` shifts the tone, `chance` breaks the colour."""
    psi = _stream(x, y)
    tone = 0.40 + 0.30 * np.sin(30.0 * psi) + 0.14 * np.sin(71.0 * psi + 4.0 * x)
    colours = _ramp(NIGHT, tone + jitter)
    heat = 0.60 * np.exp(-(((y - _ridge(x, 0) + 0.025) / 0.045) ** 2))
    for cx, cy, radius, strength in SUNS:
        distance = np.hypot(x - cx, y - cy) / radius
        rings = 0.17 * np.cos(8.5 * distance)
        halo = strength * np.exp(-((distance / 1.6) ** 2))
        heat = np.maximum(heat, halo + rings * halo)
    warm = heat + 0.5 * jitter + 0.2 * (chance - 0.5) > 0.2
    colours = np.where(warm[..., None], _ramp(FIRE, heat + jitter), colours)
    accent = (chance > 0.965) & ~warm
    colours = np.where(accent[..., None], _ramp(FIRE, 0.45 + 3 * jitter), colours)
    hill = _hill(x, y)
    for k, palette in enumerate(FIELDS):
        depth = y - _ridge(x, k)
        rows = 0.50 + 0.30 * np.sin(75.0 * depth + 5.0 * np.sin(3.0 * x + k)) - 1.2 * depth
        field = _ramp(palette, rows + 1.3 * jitter)
        colours = np.where((hill == k)[..., None], field, colours)
        spark = (hill == k) & (chance > 0.93)
        other = _ramp(FIELDS[k - 2], rows + jitter)
        colours = np.where(spark[..., None], other, colours)
    return colours


def _streamlines(x: Array, y: Array, length: Array, steps: int) -> Array:
    """Points (N, 2 * steps + 1, 2) along the flow, half of them to either side of (x, y)."""
    halves = []
    for sign in (-1, 1):
        point = np.stack([x, y], axis=-1)
        half = []
        previous = _flow(x, y)
        for _ in range(steps):
            direction = _flow(point[:, 0], point[:, 1])
            along = np.sum(direction * previous, axis=-1, keepdims=True)
            direction = direction * np.where(along < 0, -1, 1)
            point = point + sign * direction * (length / (2 * steps))[:, None]
            previous = direction
            half.append(point)
        halves.append(half)
    centre = np.stack([x, y], axis=-1)
    return np.stack([*halves[0][::-1], centre, *halves[1]], axis=1)


class Canvas:
    """Wet colour and its relief.

    Attributes:
        colour: (rows, columns, 3), 0 to 255.
        relief: (rows, columns), the thickness of the paint.
    """

    def __init__(self, colour: Array) -> None:
        self.colour = colour
        self.relief = np.zeros(colour.shape[:2])

    def stroke(
        self, path: Array, width: float, ink: Array, rng: np.random.Generator, body: float
    ) -> None:
        """Drag one loaded brush along a path.

        Args:
            path: Points (K, 2).
            width: Of the brush.
            ink: Colour (3,).
            rng: Of the bristles.
            body: Thickness of the paint.
        """
        length = float(np.sum(np.hypot(*np.diff(path, axis=0).T)))
        m = max(8, int(length * ROWS * 1.5))
        n = max(5, int(width * ROWS * 1.6))
        s = np.linspace(0, 1, m)
        stops = np.linspace(0, 1, len(path))
        spine = np.stack([np.interp(s, stops, path[:, k]) for k in range(2)], axis=-1)
        along = np.gradient(spine, axis=0)
        along /= np.hypot(along[:, 0], along[:, 1])[:, None] + 1e-12
        across = np.stack([-along[:, 1], along[:, 0]], axis=-1)
        taper = np.minimum(1, np.minimum(s / 0.10, (1 - s) / 0.28)) ** 0.5
        t = np.linspace(-1, 1, n)
        points = spine[:, None] + across[:, None] * (taper[:, None] * t * width / 2)[..., None]

        bristles = max(3, n // 4)
        stiffness = rng.normal(size=bristles)
        comb = np.interp(np.linspace(0, bristles - 1, n), np.arange(bristles), stiffness)
        drift = np.interp(s, np.linspace(0, 1, 6), rng.normal(size=6))
        streak = comb + 0.35 * np.sin(3 * drift)[:, None] * np.roll(comb, 2)
        lip = np.exp(-(((np.abs(t) - 0.85) / 0.16) ** 2))
        thick = body * (0.55 + 0.42 * streak + 0.60 * lip) * (1 - 0.45 * s)[:, None]
        # Each bristle runs dry at its own place.
        dry = 1 - 0.22 * np.abs(comb) - 0.04 * rng.random(n)
        wet = (s[:, None] < dry) & (s[:, None] > 0.03 * np.abs(comb))

        shade = 1 + 0.15 * streak + 0.05 * drift[:, None]
        tint = np.clip(ink * shade[..., None] + 9.0 * comb[:, None] * [1, 0.2, -0.8], 0, 255)
        columns = np.round(points[..., 0] * ROWS).astype(int)
        rows = np.round(points[..., 1] * ROWS).astype(int)
        seen = wet & (columns >= 0) & (columns < COLUMNS) & (rows >= 0) & (rows < ROWS)
        self.colour[rows[seen], columns[seen]] = tint[seen]
        self.relief[rows[seen], columns[seen]] = thick[seen]

    def lit(self) -> Image.Image:
        """The picture with its relief lit from the upper left, scaled down."""
        relief = self.relief
        for axis in (0, 1):
            relief = (np.roll(relief, 1, axis) + 2 * relief + np.roll(relief, -1, axis)) / 4
        down, right = np.gradient(relief)
        light = np.clip(1 + 1.05 * (down + 0.7 * right), 0.55, 1.5)[..., None]
        shine = 60 * np.clip(light - 1.16, 0, 1)
        lit = np.clip(self.colour * light + shine, 0, 255).astype(np.uint8)
        return Image.fromarray(lit).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def _contours(rng: np.random.Generator) -> Array:
    """Where (N, 2) the dark drawing goes: along the ridges and around the discs."""
    x = rng.uniform(-0.02, COLUMNS / ROWS + 0.02, 70 * len(HILLS))
    k = np.arange(len(x)) % len(HILLS)
    y = np.choose(k, [_ridge(x, hill) for hill in range(len(HILLS))]) + 0.004
    points = [np.stack([x, y], axis=-1)]
    for cx, cy, radius, _ in SUNS:
        angle = rng.uniform(0, 2 * np.pi, 34)
        ring = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        points.append([cx, cy] + radius * rng.choice([1.0, 1.85], 34)[:, None] * ring)
    return np.concatenate(points)


def paint(seed: int) -> Image.Image:
    """The painting, 640x512.

    Args:
        seed: Of every stroke.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:ROWS, 0:COLUMNS] / ROWS
    none = np.zeros_like(x)
    canvas = Canvas(_scene(x, y, none - 0.08, none + 0.5) * 0.8)
    for layer in LAYERS:
        n = layer.strokes
        x = rng.uniform(-0.03, COLUMNS / ROWS + 0.03, n)
        y = rng.uniform(-0.03, 1.03, n)
        paths = _streamlines(x, y, layer.length * rng.uniform(0.6, 1.3, n), 14)
        inks = _scene(x, y, rng.normal(0, layer.jitter, n), rng.random(n))
        widths = layer.width * rng.uniform(0.65, 1.25, n)
        edged = rng.random(n) < layer.outlines
        for path, width, ink, edge in zip(paths, widths, inks, edged, strict=True):
            if edge:
                canvas.stroke(path, 1.35 * width, np.array(OUTLINE), rng, 0.4)
            canvas.stroke(path, width, ink, rng, 1.0)
        if layer is LAYERS[-2]:
            dots = _contours(rng)
            lengths = rng.uniform(0.04, 0.12, len(dots))
            for path in _streamlines(dots[:, 0], dots[:, 1], lengths, 14):
                canvas.stroke(path, rng.uniform(0.005, 0.011), np.array(OUTLINE), rng, 0.7)
    return canvas.lit()


def main() -> None:
    """Paint, and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("fast_nst/assets/sample_style.jpg"))
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    paint(options.seed).save(options.out, quality=QUALITY, subsampling=2)


if __name__ == "__main__":
    main()
