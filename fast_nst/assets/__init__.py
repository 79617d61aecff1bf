"""Data files that ship with the package, each under a name: nothing else knows their paths."""

from pathlib import Path

_HERE = Path(__file__).parent
STYLES = _HERE / "styles"  # NAME.onnx each: the gallery
# For films and the camera: NAME_fast.onnx each, distilled from the style into a network of a
# seventh of the time, which paints neighbouring frames more alike.
LIVE_STYLES = _HERE / "live"
DEFAULT_MODEL = STYLES / "composition_vii.onnx"
# Of each network that mixes, where training starts: the base, which paints no style in particular,
# and the root of all styles, which gives the photograph back.
STARTS = {
    network: {name: _HERE / network / f"{name}.onnx" for name in ("base", "photograph")}
    for network in ("fine", "fast")
}
# NAME.yaml each: recipes for `fast-nst train`. setup.py copies them into the package; in a checkout
# they lie beside it.
_COPIED = _HERE.parent / "configs"
CONFIGS = _COPIED if _COPIED.is_dir() else _HERE.parents[1] / "configs"
SAMPLE_STYLE = _HERE / "sample_style.jpg"
SAMPLE_PHOTOGRAPHS = _HERE / "photos"
# What activation scales are measured on: these four, whatever else the folder may hold one day.
REFERENCE_PHOTOGRAPHS = tuple(
    SAMPLE_PHOTOGRAPHS / name
    for name in ("astronaut.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg")
)
