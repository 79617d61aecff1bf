"""What the tests know of the gallery's paintings, which are not in the repository.

    python scripts/style_grams.py PAINTINGS tests/stylize/grams

writes NAME.npz for each style of the gallery whose painting, NAME.jpg, is in the folder. By layer
it holds the sixteen largest eigenvectors of the painting's Gram matrix, each times the root of its
eigenvalue: a matrix U (C, 16), float16, with U U^T near the Gram matrix. The share of it that is
left out is printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fast_nst.devices import to_tensor
from fast_nst.losses import LossSettings, build_loss
from fast_nst.models.catalogue import style_files
from fast_nst.pictures.read import open_style

STYLE_SIZE = 448  # as the gallery was trained
RANK = 16


def factor(gram: torch.Tensor, rank: int = RANK) -> torch.Tensor:
    """(C, C), symmetric and positive, to U (C, rank) with U U^T as near to it as can be."""
    values, vectors = torch.linalg.eigh(gram.double())
    return vectors[:, -rank:] * values[-rank:].clamp(min=0).sqrt()


def main(argv: Sequence[str] | None = None) -> None:
    """Write a file for each painting that is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paintings", type=Path, help="folder with NAME.jpg")
    parser.add_argument("output", type=Path, help="folder for NAME.npz")
    options = parser.parse_args(argv)
    options.output.mkdir(parents=True, exist_ok=True)
    for name in (path.stem for path in style_files()):
        painting = options.paintings / f"{name}.jpg"
        if not painting.exists():
            continue
        loss = build_loss(LossSettings(), to_tensor(open_style(painting, STYLE_SIZE)))
        grams = {layer: loss.get_buffer(f"style.gram_{layer}")[0] for layer in loss.style.layers}
        factors = {layer: factor(gram).half() for layer, gram in grams.items()}
        arrays: dict[str, Any] = {layer: u.numpy() for layer, u in factors.items()}
        np.savez(options.output / f"{name}.npz", **arrays)
        left = [
            float((grams[layer] - u.float() @ u.float().mT).norm() / grams[layer].norm())
            for layer, u in factors.items()
        ]
        print(name, *(f"{share:.3f}" for share in left))


if __name__ == "__main__":
    main()
