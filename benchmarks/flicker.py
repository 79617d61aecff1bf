"""How steady painted films are: warping errors of clips whose motion is known exactly.

    python benchmarks/flicker.py PAINTING [--models NAME=FILE ...] [--sheet OUT.png]

Clips are made from the package's photographs: a window that pans, zooms or turns, with a sensor's
noise and drifting brightness. The warping error is the mean squared difference (times 1,000, of a
range of 1) between a frame's painting and the next one's, moved back by the known motion, where
both show the same; no optical flow is needed. PAINTING, which the style was trained on, is for the
style loss.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from fast_nst import Stylizer
from fast_nst.assets import DEFAULT_MODEL, SAMPLE_PHOTOGRAPHS
from fast_nst.devices import to_tensor
from fast_nst.losses import LossSettings, PerceptualLoss, build_loss
from fast_nst.models.catalogue import FAST, find_model
from fast_nst.models.graphs import load
from fast_nst.models.onnx_fields import PREFIX
from fast_nst.pictures.edit import Array, from_array
from fast_nst.pictures.find import find_images
from fast_nst.pictures.read import open_photograph, open_style
from fast_nst.pictures.sheet import contact_sheet

WIDTH, HEIGHT, FRAMES = 320, 240, 24
_NEAR = 48  # px, from the passing wall: as far as the network looks
Matrix = npt.NDArray[np.float64]  # (3, 3): from a place in the frame to one in the photograph
Motion = Callable[[float, tuple[int, int]], Matrix]


def moved(x: float, y: float) -> Matrix:
    """A shift, in px."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])


def turned(scale: float, degrees: float, size: tuple[int, int]) -> Matrix:
    """A zoom and a turn about the photograph's middle."""
    a = np.deg2rad(degrees)
    spin = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    zoom = np.diag([scale, scale, 1])
    return moved(size[0] / 2, size[1] / 2) @ spin @ zoom @ moved(-WIDTH / 2, -HEIGHT / 2)


MOTIONS: dict[str, Motion] = {
    "still": lambda t, size: moved(40, 40),
    "pan": lambda t, size: moved(20 + 3 * t, 20 + t),
    "slow pan": lambda t, size: moved(20 + 0.6 * t, 20 + 0.3 * t),
    "zoom": lambda t, size: turned(1.2 - 0.01 * t, 0, size),
    "turn": lambda t, size: turned(0.9, 0.5 * t, size),
}


@dataclass(frozen=True)
class Kind:
    """A kind of clip.

    Attributes:
        motion: Its name in `MOTIONS`.
        noise: Of the sensor, standard deviation as a share of the range.
        drift: Of the brightness, over the clip, as a share of the range.
        passing: Whether a white wall passes by, which is no part of what is compared.
    """

    motion: str
    noise: float = 0.0
    drift: float = 0.0
    passing: bool = False


KINDS = {
    "still, noisy": Kind("still", 0.02),
    "still, drifting": Kind("still", 0.0, 0.1),
    "still, passed by": Kind("still", passing=True),
    "pan": Kind("pan"),
    "noisy pan": Kind("pan", 0.02, 0.05),
    "slow noisy pan": Kind("slow pan", 0.02, 0.05),
    "noisy zoom": Kind("zoom", 0.02, 0.05),
    "noisy turn": Kind("turn", 0.02, 0.05),
}


def seen(image: Image.Image, matrix: Matrix) -> Image.Image:
    """A window into an image, bicubic."""
    return image.transform(
        (WIDTH, HEIGHT),
        Image.Transform.AFFINE,
        tuple(matrix[:2].ravel()),
        Image.Resampling.BICUBIC,
    )


@dataclass(frozen=True)
class Clip:
    """Frames whose motion is known.

    Attributes:
        frames: (H, W, 3) uint8 each.
        matrices: Where each is in the photograph.
        shows: Columns of each that show the photograph.
    """

    frames: list[Array]
    matrices: list[Matrix]
    shows: list[slice]


def clip(photo: Image.Image, kind: Kind) -> Clip:
    """A clip of a photograph."""
    rng = np.random.default_rng(0)
    frames, matrices, shows = [], [], []
    for t in range(FRAMES):
        matrix = MOTIONS[kind.motion](t, photo.size)
        light = kind.drift * np.sin(np.pi * t / FRAMES)
        noise = kind.noise * rng.standard_normal((HEIGHT, WIDTH, 3)) + light
        pixels = np.asarray(seen(photo, matrix)) + 255 * noise
        wall = WIDTH - max(8 * (FRAMES // 2 - abs(t - FRAMES // 2)), 0) if kind.passing else WIDTH
        pixels[:, wall:] = 250
        frames.append(np.rint(pixels).clip(0, 255).astype(np.uint8))
        matrices.append(matrix)
        shows.append(slice(0, wall))
    return Clip(frames, matrices, shows)


def warping_error(paintings: list[Array], of: Clip) -> float:
    """Mean squared difference of neighbours where both show the same; see the module."""
    errors = []
    whole = Image.new("L", (WIDTH, HEIGHT), 255)
    for i in range(len(paintings) - 1):
        back = np.linalg.inv(of.matrices[i + 1]) @ of.matrices[i]
        if np.allclose(back[:2, :2], np.eye(2)) and np.allclose(back, np.rint(back)):
            back = np.rint(back)
        warped = np.asarray(seen(from_array(paintings[i + 1]), back), np.float64)
        inside = np.asarray(seen(whole, back)) == 255
        for shown in of.shows[i : i + 2]:
            inside[:, max(shown.stop - _NEAR, 0) :] &= shown.stop == WIDTH
        inside[:2], inside[-2:], inside[:, :2], inside[:, -2:] = False, False, False, False
        difference = (warped - paintings[i])[inside] / 255
        errors.append(np.square(difference).mean())
    return 1000 * float(np.mean(errors))


def without_noise(path: Path) -> bytes:
    """A model whose learned noise is 0."""
    model = load(path.read_bytes(), path.name)
    for tensor in model.graph.initializer:
        if tensor.name == f"{PREFIX}noise":
            tensor.raw_data = bytes(len(tensor.raw_data))
    return model.SerializeToString()


def losses(loss: PerceptualLoss, paintings: list[Array], frames: list[Array]) -> Iterator[float]:
    """Content and style loss of a clip's paintings, every eighth."""
    parts = []
    for painting, frame in list(zip(paintings, frames, strict=True))[::8]:
        given, content = (to_tensor(from_array(pixels)) for pixels in (painting, frame))
        with torch.no_grad():
            found = loss(given, loss.content_features(content))
        parts.append([found["content"].item(), found["style"].item()])
    yield from np.mean(parts, axis=0)


def table(
    methods: dict[str, tuple[bytes, bool]], loss: PerceptualLoss, engine: str
) -> dict[str, list[Array]]:
    """Print the table; returns each method's paintings of the last photograph's noisy pan."""
    photos = [open_photograph(path) for path in find_images(SAMPLE_PHOTOGRAPHS)]
    print(f"| | {' | '.join(KINDS)} | content | style |")
    print("|---|" + "---|" * (len(KINDS) + 2))
    clips = {name: [clip(photo, kind) for photo in photos] for name, kind in KINDS.items()}
    given = {
        name: [warping_error(one.frames, one) for one in found] for name, found in clips.items()
    }
    print(
        f"| the clips themselves | {' | '.join(f'{np.mean(e):.2f}' for e in given.values())} | | |"
    )
    shown: dict[str, list[Array]] = {}
    first: list[float] | None = None
    for method, (model, steady) in methods.items():
        stylize = Stylizer(model, engine=engine)
        row, parts = [], []
        for name, found in clips.items():
            errors = []
            for one in found:
                paintings = list(stylize.stream(one.frames, steady=steady))
                errors.append(warping_error(paintings, one))
                if name == "noisy pan":
                    parts.append(list(losses(loss, paintings, one.frames)))
                    shown[method] = paintings
            row.append(float(np.mean(errors)))
        row += list(np.mean(parts, axis=0))
        first = first or row
        cells = [
            f"{value:.2f} ({value / base:.2f})" for value, base in zip(row, first, strict=True)
        ]
        print(f"| {method} | {' | '.join(cells)} |", flush=True)
    return shown


def sheet(shown: dict[str, list[Array]]) -> Image.Image:
    """Two consecutive frames of the noisy pan, and how far they differ, moved back; doubled."""
    rows, labels = [], []
    for name, paintings in shown.items():
        first, second = paintings[8:10]
        back = MOTIONS["pan"](8, (0, 0)) - MOTIONS["pan"](9, (0, 0))
        moved_back = np.asarray(seen(from_array(second), np.eye(3) + back))
        difference = np.clip(2 * np.abs(moved_back.astype(int) - first), 0, 255)
        difference[:, :4] = difference[:2] = 0
        pictures = (first, second, difference.astype(np.uint8))
        rows.append([from_array(picture) for picture in pictures])
        labels.append([name, "the next frame", "difference, doubled"])
    return contact_sheet(rows, labels, height=HEIGHT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("painting", type=Path, help="that the style was trained on")
    parser.add_argument("--style", default=DEFAULT_MODEL.stem)
    parser.add_argument("--style-size", type=int, default=512)
    parser.add_argument("--models", nargs="*", default=[], metavar="NAME=FILE")
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--sheet", type=Path, help="two frames of the noisy pan")
    options = parser.parse_args()
    style = to_tensor(open_style(options.painting, options.style_size))
    loss = build_loss(LossSettings(style_weight=1.0), style)
    plain = find_model(f"{options.style}{FAST}")
    methods = {
        "each frame for itself": (plain.read_bytes(), False),
        "statistics carried": (plain.read_bytes(), True),
        "each frame for itself, noise at 0": (without_noise(plain), False),
    }
    for given in options.models:
        name, _, path = given.partition("=")
        methods[name] = (Path(path).read_bytes(), False)
    shown = table(methods, loss, options.engine)
    if options.sheet is not None:
        names = ("each frame for itself", "statistics carried")
        sheet({name: shown[name] for name in names}).save(options.sheet, quality=90)


if __name__ == "__main__":
    main()
