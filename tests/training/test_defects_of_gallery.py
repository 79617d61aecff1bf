"""No style of the gallery has a defect that its measures can see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fast_nst import Stylizer
from fast_nst.assets import STYLES
from fast_nst.training.defects import MEASURES, faults, inspect
from fast_nst.training.export import style_reference

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("path", sorted(STYLES.glob("*.onnx")), ids=lambda path: path.stem)
def test_a_style_passes_as_measured_again_and_its_file_says_the_same(path: Path):
    stylizer = Stylizer(path, detail=0)
    if stylizer.metadata["network"] != "fine":
        pytest.skip("a network that ends in a pixel shuffle has fringes")
    reference = style_reference(stylizer.metadata)
    assert reference is not None
    measured = inspect(stylizer, reference)
    assert list(measured) == list(MEASURES)
    assert faults(measured) == []
    said = json.loads(stylizer.metadata["defects"])
    # Processors round differently: by a level here and there.
    assert said == pytest.approx(measured, rel=0.02, abs=0.05)
