"""Paint the sample style image: our own work, CC0, the same from the same seed.

A night sea under turning skies: broad, medium and fine strokes laid along a field of vortices,
each stroke a bundle of bristles with its own light and dark.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from fast_nst.images import save_image

WIDTH, HEIGHT = 640, 512
SUPERSAMPLING = 2
# Centre x, y, radius, turn: in units of the picture's height.
VORTICES = (
    (0.28, 0.30, 0.20, 1.0),
    (0.80, 0.22, 0.16, -1.0),
    (1.05, 0.55, 0.13, 1.0),
    (0.55, 0.52, 0.10, -1.0),
    (0.12, 0.68, 0.12, -1.0),
    (0.75, 0.82, 0.15, 1.0),
)
# Centre x, y, radius: the lights in the sky.
LIGHTS = ((0.28, 0.30, 0.085), (0.80, 0.22, 0.07), (1.08, 0.12, 0.04), (0.55, 0.10, 0.035))
NIGHT = np.array([[13, 18, 62], [22, 44, 120], [18, 86, 148], [30, 134, 160], [122, 190, 182]])
FIRE = np.array([[150, 28, 44], [214, 78, 34], [240, 146, 40], [250, 206, 96], [255, 244, 208]])
OUTLINE = (10, 12, 34)


def flow(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Unit direction (..., 2) of the brush at each point, in units of the picture's height."""
    u = 1.0 + 0.3 * np.sin(5.0 * y)
    v = 0.45 * np.sin(4.2 * x + 2.5 * y)
    for cx, cy, radius, turn in VORTICES:
        dx, dy = x - cx, y - cy
        pull = 7.0 * turn * np.exp(-(dx**2 + dy**2) / (1.6 * radius**2)) / radius
        u, v = u - pull * dy, v + pull * dx
    length = np.hypot(u, v) + 1e-6
    return np.stack([u / length, v / length], axis=-1)


def _ramp(palette: np.ndarray, t: float) -> np.ndarray:
    position = float(np.clip(t, 0, 1)) * (len(palette) - 1)
    low = min(int(position), len(palette) - 2)
    mix: np.ndarray = palette[low] + (palette[low + 1] - palette[low]) * (position - low)
    return mix


def colour(x: float, y: float, rng: np.random.Generator) -> np.ndarray:
    """What the brush is dipped in at a point: fire near the lights and on the waves, else night."""
    tone = 0.42 + 0.22 * np.sin(9.0 * y + 3.0 * np.sin(3.1 * x)) + 0.13 * np.sin(13.0 * x - 5.0 * y)
    for cx, cy, radius, turn in VORTICES:
        distance = np.hypot(x - cx, y - cy) / radius
        if distance < 1.5:
            tone += 0.30 * np.cos(6.5 * distance + turn) * (1.5 - distance)
    tone += rng.normal(0, 0.10)
    glow = max(1.35 * np.exp(-((np.hypot(x - a, y - b) / r) ** 2) / 2.2) for a, b, r in LIGHTS)
    shore = np.exp(-(((y - 0.80 - 0.05 * np.sin(6.0 * x)) / 0.055) ** 2))
    heat = glow + 0.75 * shore + rng.normal(0, 0.09)
    if heat > 0.34 or rng.random() < 0.035:
        return _ramp(FIRE, max(heat, 0.25) * 0.85 + rng.normal(0, 0.09))
    return _ramp(NIGHT, float(tone))


def streamline(x: float, y: float, length: float) -> np.ndarray:
    """Points (K, 2) along the flow through a point, half of them to either side."""
    step = 0.006
    halves = []
    for direction in (-step, step):
        point = np.array([x, y])
        half = [point]
        for _ in range(int(length / step / 2)):
            point = point + direction * flow(point[0], point[1])
            half.append(point)
        halves.append(half)
    return np.array(halves[0][:0:-1] + halves[1])


def stroke(
    draw: ImageDraw.ImageDraw,
    path: np.ndarray,
    width: float,
    ink: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Draw one stroke: bristles side by side, tapered, lit from the upper left."""
    scale = HEIGHT * SUPERSAMPLING
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    taper = np.sin(np.linspace(0.12, np.pi - 0.05, len(path))) ** 0.5
    bristles = max(4, round(width * scale / 2.2))
    thickness = max(2, round(1.9 * width * scale / bristles))
    facing = float(across.mean(axis=0) @ np.array([-0.6, -0.8]))
    for k in rng.permutation(bristles):
        offset = (k + 0.5) / bristles - 0.5
        light = 1.0 + 0.34 * offset * 2 * facing + rng.normal(0, 0.11)
        tint = np.clip(ink * light + rng.normal(0, 5, 3), 0, 255).astype(int)
        first, last = sorted(rng.integers(0, max(1, len(path) // 7), 2))
        line = (path + across * (offset * width * taper)[:, None])[first : len(path) - last]
        if len(line) > 1:
            draw.line([tuple(p) for p in line * scale], tuple(tint), thickness, "curve")


def paint(seed: int) -> Image.Image:
    """The painting, 640x512."""
    rng = np.random.default_rng(seed)
    size = (WIDTH * SUPERSAMPLING, HEIGHT * SUPERSAMPLING)
    canvas = Image.new("RGB", size, OUTLINE)
    draw = ImageDraw.Draw(canvas)
    aspect = WIDTH / HEIGHT
    # (strokes, length, width, share that is outlined): big to small, as one paints.
    layers = ((700, 0.26, 0.034, 0.5), (1500, 0.17, 0.021, 0.35), (1700, 0.10, 0.012, 0.12))
    for count, length, width, outlined in layers:
        for _ in range(count):
            x, y = rng.uniform(-0.03, aspect + 0.03), rng.uniform(-0.03, 1.03)
            path = streamline(x, y, length * rng.uniform(0.6, 1.3))
            breadth = width * rng.uniform(0.7, 1.25)
            if rng.random() < outlined:
                stroke(draw, path, breadth * 1.28, np.array(OUTLINE), rng)
            stroke(draw, path, breadth, colour(x, y, rng), rng)
    relief = canvas.filter(ImageFilter.UnsharpMask(radius=3, percent=70, threshold=0))
    return relief.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def main() -> None:
    """Paint, and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("fast_nst/assets/sample_style.jpg"))
    parser.add_argument("--seed", type=int, default=4)
    options = parser.parse_args()
    save_image(paint(options.seed), options.out, quality=88)


if __name__ == "__main__":
    main()
