"""Make the sample photographs in `fast_nst/assets/photos` from scikit-image's wheel.

Needs this package, and scikit-image, which nothing else here does: `pip install scikit-image`.
The pictures and their licences are listed in `fast_nst/assets/SOURCES.md`.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

from fast_nst.pictures.edit import resize_longest
from fast_nst.pictures.read import open_image
from fast_nst.pictures.write import save_image

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
LONGEST_SIDE = 640


def main() -> None:
    """Scale each photograph down to 640 px at most and save it as JPEG."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("fast_nst/assets/photos"))
    out: Path = parser.parse_args().out
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        parser.error("scikit-image is missing: pip install scikit-image")
    data = Path(spec.origin).parent / "data"
    for name in PHOTOGRAPHS:
        photo = open_image(data / name)
        photo = resize_longest(photo, min(LONGEST_SIDE, max(photo.size)))
        target = out / Path(name).with_suffix(".jpg")
        save_image(photo, target, quality=90)
        print(f"{target} {photo.width}x{photo.height}")


if __name__ == "__main__":
    main()
