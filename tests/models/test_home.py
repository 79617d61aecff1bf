"""The user's own folder, and the styles in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fast_nst.assets import STYLES
from fast_nst.errors import UserNote
from fast_nst.models.catalogue import find_model, is_style, style_names
from fast_nst.models.home import HOME, home, own_styles
from tests.conftest import inverting_model


def test_home_is_the_systems_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(HOME)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert home() == tmp_path / "fast_nst"
    monkeypatch.setenv(HOME, "")
    assert home() == tmp_path / "fast_nst"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(HOME, "mine")
    assert own_styles() == tmp_path / "mine" / "styles"


def test_own_styles_have_names_after_the_package_and_the_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(HOME, str(tmp_path))
    assert not is_style("wave")
    own, run = tmp_path / "styles" / "wave.onnx", Path("runs/wave/model.onnx")
    own.parent.mkdir()
    own.write_bytes(inverting_model())
    assert is_style("wave")
    assert "wave" in style_names()
    assert find_model("wave") == own
    run.parent.mkdir(parents=True)
    run.write_bytes(inverting_model())
    with pytest.warns(UserNote, match=r"'wave' is your run runs/wave/model\.onnx; the style in"):
        assert find_model("wave") == run
    (tmp_path / "styles" / "udnie.onnx").write_bytes(inverting_model())
    with pytest.warns(UserNote, match="'udnie' is the style in the package; yours is the model"):
        assert find_model("udnie") == STYLES / "udnie.onnx"
