"""The image defects of the gallery's styles, or of any models, beside their style images.

    python benchmarks/defects.py --paintings paintings runs/*/model.onnx

One row a model, after which follow the values of its style image in levels; a value that does not
pass has an exclamation mark. Models exported before files had a reference are compared with the
style image that `--paintings` has under the name in their metadata.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from fast_nst.assets import LIVE_STYLES, SAMPLE_STYLE, STYLES
from fast_nst.commands.table import aligned
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_style
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training.defects import MEASURES, Reference, inspect, reference_of
from fast_nst.training.export import style_reference

OWN = ("fringes", "grain", "spread")  # of the style image, in levels


def reference_for(metadata: Mapping[str, str], paintings: Path | None) -> Reference | None:
    """What the model's metadata have; else from its style image, where that can be found."""
    found = style_reference(metadata)
    name = metadata.get("style", "")
    if found is not None or not name or "recipe" not in metadata:
        return found
    path = SAMPLE_STYLE
    if name != SAMPLE_STYLE.name:
        if paintings is None or not (paintings / name).is_file():
            return None
        path = paintings / name
    size = json.loads(metadata["recipe"])["style_size"]
    return reference_of(to_array(open_style(path, size)))


def row(path: Path, paintings: Path | None) -> list[str]:
    stylizer = Stylizer(path, detail=0)
    reference = reference_for(stylizer.metadata, paintings)
    values = inspect(stylizer, reference)
    cells = [path.stem, stylizer.metadata.get("network", "")]
    for name, measure in MEASURES.items():
        value = values.get(name)
        fails = value is not None and not measure.passes(value)
        cells.append("" if value is None else f"{value:.2f}{'!' if fails else ''}")
    own = [""] * len(OWN)
    if reference is not None:
        own = [f"{getattr(reference, name):.1f}" for name in OWN]
    return cells + own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path, help="beside those of the package")
    parser.add_argument("--paintings", type=Path, help="folder of style images")
    options = parser.parse_args()
    package = sorted([*STYLES.glob("*.onnx"), *LIVE_STYLES.glob("*.onnx")])
    limits = ["what passes", ""]
    limits += [measure.limit().removeprefix("at ") for measure in MEASURES.values()]
    header = ["style", "network", *MEASURES, *(f"style image's {name}" for name in OWN)]
    rows = [header, limits + [""] * len(OWN)]
    rows += [row(path, options.paintings) for path in [*package, *options.models]]
    print(aligned(rows))


if __name__ == "__main__":
    main()
