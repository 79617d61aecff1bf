"""What bf16 does to the optimizer's picture, next to what half a grey level of noise does.

    python benchmarks/optimizer_arithmetic.py --style paintings/starry_night.jpg

L-BFGS is sensitive: two float32 runs whose starts differ by less than the eye can see end in
pictures whose strokes lie elsewhere. The question is whether bf16 does more than that.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from fast_nst.devices import to_tensor
from fast_nst.losses import build_loss
from fast_nst.pictures.read import open_photograph, open_style
from fast_nst.reference.optimizer import optimize
from fast_nst.training.settings import TrainConfig

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--style", type=Path, required=True)
    parser.add_argument("--photos", type=Path, default=ROOT / "fast_nst/assets/photos")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--iterations", type=int, default=200)
    options = parser.parse_args()
    print("| photograph | run | s an iteration | total loss in float32 | mean difference, levels |")
    print("|---|---|---|---|---|")
    for path in sorted(options.photos.glob("*.jpg")):
        photo = open_photograph(path, options.size)
        content = to_tensor(photo)
        loss = build_loss(TrainConfig(), to_tensor(open_style(options.style, min(photo.size))))
        features = loss.content_features(content)
        generator = torch.Generator().manual_seed(0)
        noise = (torch.rand(content.shape, generator=generator) - 0.5) / 255
        runs = {
            "float32": ("32", content),
            "float32, start with noise": ("32", (content + noise).clamp(0, 1)),
            "bf16": ("bf16", content),
        }
        reference = None
        for name, (precision, start) in runs.items():
            result = optimize(
                content, None, loss, init=start, steps=options.iterations, precision=precision
            )
            reference = result.picture if reference is None else reference
            with torch.no_grad():
                total = loss(result.picture, features)["total"].item()
            difference = 255 * (result.picture - reference).abs().mean().item()
            seconds = result.history[-1].seconds / options.iterations
            row = [path.stem, name, f"{seconds:.3f}", f"{total:.4f}", f"{difference:.1f}"]
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
