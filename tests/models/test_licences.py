"""What the shipped models say of their terms, and the documents of them."""

from __future__ import annotations

import re
from pathlib import Path

from fast_nst.assets import STARTS, STYLES
from fast_nst.models.onnx_fields import read_metadata

ASSETS = STYLES.parent
PAGE = Path(__file__).parents[2] / "docs" / "licences.md"


def said(path: Path) -> dict[str, str]:
    return read_metadata(path.read_bytes())


def test_each_shipped_model_names_its_licence_photographs_and_vgg():
    models = sorted(ASSETS.glob("*/*.onnx"))
    assert {start for starts in STARTS.values() for start in starts.values()} < set(models)
    sources = (ASSETS / "SOURCES.md").read_text(encoding="utf-8")
    licences = PAGE.read_text(encoding="utf-8")
    for path in models:
        metadata = said(path)
        assert metadata["model_license"] == "MIT", path
        assert "Simonyan" in metadata["credits"], path
        for terms in metadata["photographs"].split("; initial weights: "):
            count = re.fullmatch(
                r"BSDS500 \([^)]*\), (\d+) photographs: non-commercial research and education",
                terms,
            )
            assert count, path
            assert f"| {count[1]} |" in sources, path
            assert re.search(rf"\b{count[1]}\b", licences), path


def test_the_page_lists_each_painting():
    page = PAGE.read_text(encoding="utf-8")
    for path in STYLES.glob("*.onnx"):
        metadata = said(path)
        assert f"| {metadata['title']} | {metadata['artist']}, {metadata['year']} |" in page, path
