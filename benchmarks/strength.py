"""What strength and blends are made of: the seconds, the vectors, the losses on the way.

    python benchmarks/strength.py --paintings PAINTINGS

prints seconds of whole `fast-nst infer` processes on a photograph of 512 px at strength 1, at 0.8
and in a blend, in turns; the lengths of the styles' vectors, and the cosines between them; and for
each style of the gallery style and content loss (both of weight 1) at strengths 0, 0.2, ... 1.4:
means over the sample photographs at 256 px, as `Stylizer` paints them. Paintings are
PAINTINGS/NAME.jpg, and the sample in the package.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from fast_nst import Stylizer
from fast_nst.assets import REFERENCE_PHOTOGRAPHS, SAMPLE_STYLE, STARTS
from fast_nst.devices import to_tensor
from fast_nst.losses import LossSettings, build_loss
from fast_nst.models.catalogue import style_files
from fast_nst.models.graphs import load, parameters
from fast_nst.pictures.edit import resize_longest
from fast_nst.pictures.read import open_photograph, open_style

STRENGTHS = [step / 5 for step in range(8)]
SIZE = 256


@torch.no_grad()
def losses(paintings: Path) -> None:
    """Style and content loss by strength."""
    print("| style | loss |", " | ".join(f"{w:g}" for w in STRENGTHS), "|")
    print("|---" * (2 + len(STRENGTHS)) + "|")
    photos = [resize_longest(open_photograph(path), SIZE) for path in REFERENCE_PHOTOGRAPHS]
    for name in (path.stem for path in style_files()):
        painting = SAMPLE_STYLE if name == "evening" else paintings / f"{name}.jpg"
        stylize = Stylizer(name, detail=0)
        style_size = json.loads(stylize.metadata["recipe"])["style_size"]
        loss = build_loss(
            LossSettings(style_weight=1.0), to_tensor(open_style(painting, style_size))
        )
        rows: dict[str, list[float]] = {"style": [], "content": []}
        for strength in STRENGTHS:
            parts = [
                loss(
                    to_tensor(stylize(photo, strength=strength)),
                    loss.content_features(to_tensor(photo)),
                )
                for photo in photos
            ]
            for part, row in rows.items():
                row.append(statistics.mean(float(item[part]) for item in parts))
        for part, row in rows.items():
            print(f"| `{name}` | {part} |", " | ".join(f"{v:.2f}" for v in row), "|", flush=True)


def vectors() -> None:
    """Lengths and angles."""

    def flat(path: Path) -> np.ndarray:
        found = parameters(load(path.read_bytes(), path.name))
        return np.concatenate([found[key].ravel().astype(float) for key in sorted(found)])

    root = flat(STARTS["fine"]["photograph"])
    found = {path.stem: flat(path) - root for path in style_files()}
    lengths = {name: float(np.linalg.norm(vector)) for name, vector in found.items()}
    cosines = {
        (a, b): float(found[a] @ found[b]) / lengths[a] / lengths[b]
        for a, b in itertools.combinations(found, 2)
    }
    print("\nlengths:", ", ".join(f"`{name}` {length:.1f}" for name, length in lengths.items()))
    ordered = sorted(cosines, key=lambda pair: cosines[pair])
    for what, pair in (("least", ordered[0]), ("most", ordered[-1])):
        print(f"cosine, {what}: {cosines[pair]:.2f} ({pair[0]}, {pair[1]})")
    print(f"cosine, median of {len(cosines)} pairs: {statistics.median(cosines.values()):.2f}")


def seconds(repeats: int) -> None:
    """How much longer a start takes with weights that are mixed first."""
    commands: dict[str, list[str]] = {
        "strength 1": [],
        "strength 0.8": ["--strength", "0.8"],
        "blend of two": ["--style", "udnie:0.6", "--style", "evening:0.4"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        photo, target = Path(folder, "photo.jpg"), Path(folder, "out.jpg")
        resize_longest(open_photograph(REFERENCE_PHOTOGRAPHS[0]), 512).save(photo)
        base = [
            sys.executable,
            "-m",
            "fast_nst.commands.main",
            "infer",
            str(photo),
            "-o",
            str(target),
        ]
        for turn in range(repeats + 1):
            for name, flags in commands.items():
                started = time.perf_counter()
                subprocess.run([*base, "--overwrite", "--quiet", *flags], check=True)
                if turn:  # the first fills the disk's cache
                    times[name].append(time.perf_counter() - started)
    print("\n| `fast-nst infer` | seconds | more than at strength 1 |\n|---|---|---|")
    plain = statistics.median(times["strength 1"])
    for name, found in times.items():
        middle = statistics.median(found)
        spread = f"{min(found):.2f} to {max(found):.2f}"
        print(f"| {name} | {middle:.3f} ({spread}) | {middle - plain:.3f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paintings", type=Path, required=True, help="folder with NAME.jpg")
    parser.add_argument("--repeats", type=int, default=15, help="of each process")
    options = parser.parse_args()
    seconds(options.repeats)
    vectors()
    print()
    losses(options.paintings)


if __name__ == "__main__":
    main()
