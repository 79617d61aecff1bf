"""Make the README's picture: the sample photographs next to what a model paints of them."""

from __future__ import annotations

import argparse
from pathlib import Path

from fast_nst import Stylizer
from fast_nst.pictures.read import find_images, open_image
from fast_nst.pictures.sheet import contact_sheet
from fast_nst.pictures.write import save_image

PHOTOGRAPHS = Path(__file__).parents[1] / "fast_nst" / "assets" / "photos"


def main() -> None:
    """Two photographs a row, each followed by its painting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="an .onnx file; default: the model in the package")
    parser.add_argument("--out", type=Path, default=Path("docs/results.jpg"))
    options = parser.parse_args()
    stylize = Stylizer(options.model)
    photos = [open_image(path) for path in find_images(PHOTOGRAPHS)]
    pairs = [[photo, stylize(photo)] for photo in photos]
    rows = [pairs[i] + pairs[i + 1] for i in range(0, len(pairs) - 1, 2)]
    save_image(contact_sheet(rows, height=260), options.out, quality=88)


if __name__ == "__main__":
    main()
