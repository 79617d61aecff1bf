"""The user's own folder, and the styles in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fast_nst.models.home import HOME, home, own_styles


def test_home_is_the_systems_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(HOME)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert home() == tmp_path / "fast_nst"
    monkeypatch.setenv(HOME, "")
    assert home() == tmp_path / "fast_nst"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(HOME, "mine")
    assert own_styles() == tmp_path / "mine" / "styles"
