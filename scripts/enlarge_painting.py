"""Enlarge a painting's scan, for larger strokes than it has pixels for.

    python scripts/enlarge_painting.py PAINTING --side 896 -o FILE.png

A network paints strokes at the size that they have in its style image, in px. Where they are a few
px long, flat areas get a fine screen of them; a scan that is merely enlarged adds its own noise and
its JPEG blocks to the strokes. A median of 3x3 px before and after enlarging removes both, and
keeps the edges of strokes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image, ImageFilter

from fast_nst.errors import UserError
from fast_nst.pictures.edit import scaled_size
from fast_nst.pictures.read import open_photograph
from fast_nst.pictures.write import save_image


def enlarge(painting: Image.Image, side: int) -> Image.Image:
    """A painting, "RGB", with a shorter side of `side` px and without its scan's noise."""
    median = ImageFilter.MedianFilter(3)
    size = scaled_size(painting.size, side / min(painting.size))
    return painting.filter(median).resize(size, Image.Resampling.BICUBIC).filter(median)


def main() -> int:
    """Enlarge one painting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("painting", type=Path, metavar="PAINTING")
    parser.add_argument("--side", type=int, default=896, metavar="PX", help="the shorter one")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    options = parser.parse_args()
    try:
        save_image(enlarge(open_photograph(options.painting), options.side), options.output)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
