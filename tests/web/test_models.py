"""The models on offer, and their names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fast_nst.assets import STYLES
from fast_nst.errors import UserError
from fast_nst.web.models import find_models
from tests.conftest import inverting_model
from tests.web.conftest import unexpected


def test_find_models_lists_the_gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    models = find_models(None, unexpected)
    listed = [name for name, model in models.items() if model.is_listed]
    assert listed == sorted(path.stem for path in STYLES.glob("*.onnx"))
    live = {name: model.live for name, model in models.items() if model.live}
    assert live["composition_vii"] == "composition_vii_fast"
    assert live["udnie"] == "udnie_fast"
    assert set(models) == {*listed, *live.values()}
    assert {models[name].network for name in live.values()} == {"fast"}
    assert all(model.name == name for name, model in models.items())
    assert not any(model.is_own or model.unmixable for model in models.values())


def test_find_models_lists_own_runs_and_folder_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    for place in ("runs/wave/model.onnx", "mine/evening.onnx", "mine/über alles.onnx"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(STYLES / "udnie.onnx", tmp_path / place)
    models = find_models(Path("mine"), unexpected)
    assert list(models)[:4] == ["evening", "wave", "über alles", "composition_vii"]
    assert [name for name, model in models.items() if model.is_own] == list(models)[:3]
    assert models["evening"].live == models["wave"].live == ""  # own models have none here
    assert [name for name, model in models.items() if not model.is_named] == [
        "evening",
        "über alles",
    ]
    assert models["evening"].title == models["udnie"].title
    assert len([model for model in models.values() if model.is_listed]) == 14


def test_find_models_logs_and_skips_a_bad_file(tmp_path: Path):
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    (tmp_path / "good.onnx").write_bytes(inverting_model())
    said: list[str] = []
    models = find_models(tmp_path, said.append)
    assert "good" in models
    assert models["good"].unmixable
    assert "bad" not in models
    assert len(said) == 1
    assert said[0].startswith("bad is skipped: ")


def test_find_models_rejects_a_missing_or_empty_folder(tmp_path: Path):
    with pytest.raises(UserError, match="give --models a folder"):
        find_models(tmp_path / "nowhere", unexpected)
    with pytest.raises(UserError, match=r"no \.onnx file"):
        find_models(tmp_path, unexpected)
