"""Data files that ship with the package, each under a name: nothing else knows their paths."""

from pathlib import Path

_HERE = Path(__file__).parent
STYLES = _HERE / "styles"  # NAME.onnx each
STEADY_STYLES = _HERE / "steady"  # NAME_steady.onnx each: trained on from those, for video
DEFAULT_MODEL = STYLES / "composition_vii.onnx"
# Where training starts: the root of all styles, and the mean of ten styles trained from it.
STARTS = {"average": _HERE / "average.onnx", "photograph": _HERE / "photograph.onnx"}
SAMPLE_STYLE = _HERE / "sample_style.jpg"
SAMPLE_PHOTOGRAPHS = _HERE / "photos"
# What activation scales are measured on: these four, whatever else the folder may hold one day.
REFERENCE_PHOTOGRAPHS = tuple(
    SAMPLE_PHOTOGRAPHS / name
    for name in ("astronaut.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg")
)
