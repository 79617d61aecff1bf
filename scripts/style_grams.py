"""What the tests know of the gallery's paintings, which are not in the repository.

    python scripts/style_grams.py PAINTINGS tests/stylize/grams

writes NAME.npz for each style of the gallery whose painting, NAME.jpg, is in the folder. By layer
it holds the sixteen largest eigenvectors of the painting's Gram matrix, each times the root of its
eigenvalue: a matrix U (C, 16), float16, with U U^T near the Gram matrix. The share of it that is
left out is printed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fast_nst.devices import to_tensor
from fast_nst.losses import LossSettings, build_loss
from fast_nst.models.catalogue import style_files
from fast_nst.models.onnx_fields import read_metadata
from fast_nst.pictures.read import open_style

RANK = 16


def style_size(model: Path) -> int:
    """The shorter side of the style image, in px, that a model was trained with."""
    return int(json.loads(read_metadata(model.read_bytes())["recipe"])["style_size"])


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
    for path in style_files():
        name, painting = path.stem, options.paintings / f"{path.stem}.jpg"
        if not painting.exists():
            continue
        loss = build_loss(LossSettings(), to_tensor(open_style(painting, style_size(path))))
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
