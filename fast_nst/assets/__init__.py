"""Paths of the data files that ship with the package."""

from pathlib import Path

_HERE = Path(__file__).parent
STYLES = _HERE / "styles"  # NAME.onnx
# NAME_fast.onnx, for video and the camera: distilled from the style into a network that takes a
# seventh of the time and is temporally more consistent.
LIVE_STYLES = _HERE / "live"
DEFAULT_MODEL = STYLES / "composition_vii.onnx"
# Initial weights for training, for each network whose models can be mixed: "base" paints no style
# in particular; "photograph" is the identity model, which returns its input.
STARTS = {
    network: {name: _HERE / network / f"{name}.onnx" for name in ("base", "photograph")}
    for network in ("fine", "fast")
}
# NAME.yaml, recipes for `fast-nst train`. setup.py copies them into the package; in a checkout they
# are in `configs/`.
_INSTALLED = _HERE.parent / "configs"
CONFIGS = _INSTALLED if _INSTALLED.is_dir() else _HERE.parents[1] / "configs"
SAMPLE_STYLE = _HERE / "sample_style.jpg"
SAMPLE_PHOTOGRAPHS = _HERE / "photos"
# Fixed: the frozen activation scales were measured on these.
REFERENCE_PHOTOGRAPHS = tuple(
    SAMPLE_PHOTOGRAPHS / name
    for name in ("astronaut.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg")
)
