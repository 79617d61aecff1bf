"""What the end of a training does, whatever happens in the meantime."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fast_nst.errors import UserError
from fast_nst.models.home import HOME
from fast_nst.web import training as training_module
from fast_nst.web.child_process import ChildProcess
from fast_nst.web.models import ServedModel
from fast_nst.web.training import Training
from tests.conftest import inverting_model
from tests.web.test_training import backend_of, order, wait


@pytest.fixture
def end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file; once it is there, trainings have ended with a model."""
    end = tmp_path / "end"
    (tmp_path / "model.onnx").write_bytes(inverting_model())
    done = json.dumps({"state": "done", "model": str(tmp_path / "model.onnx")})
    (tmp_path / "ends.py").write_text(
        "import pathlib, time\n"
        f"while not pathlib.Path({str(end)!r}).exists():\n    time.sleep(0.01)\n"
        f"print({done!r})"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path.cwd())]))
    monkeypatch.setattr(
        training_module, "ChildProcess", lambda _, *given: ChildProcess("ends", *given)
    )
    return end


def test_a_style_replaces_none_of_the_users_whatever_the_case(
    models: dict[str, ServedModel], tmp_path: Path, end: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(HOME, str(tmp_path))
    backend = backend_of(models)
    styles = tmp_path / "styles"
    for title, trained in (("Wave", "wave-2"), ("Sea", "sea")):
        backend.training.start(order(title))
        if title == "Wave":  # which others add in the meantime
            styles.mkdir()
            (styles / "WAVE.onnx").write_bytes(b"theirs")
        end.touch()
        state = wait(backend.training.state, "done", "failed", seconds=20)
        assert (state.error, state.name) == ("", trained)
    assert sorted(path.stem for path in styles.iterdir()) == ["WAVE", "sea", "wave-2"]
    assert (styles / "WAVE.onnx").read_bytes() == b"theirs"
    assert backend.models["wave-2"].title == "Negative"
    for title in ("wave", "SEA"):
        with pytest.raises(UserError, match=f"a style has the name '{title.lower()}'"):
            backend.training.start(order(title))


def test_whatever_goes_wrong_at_the_end_another_training_may_start(tmp_path: Path, end: Path):
    def add_style(name: str, path: Path) -> None:
        raise MemoryError

    folder = tmp_path / "training"
    training = Training(folder, tmp_path / "styles", lambda _: False, add_style)
    end.touch()
    for _ in range(2):
        training.start(order())
        state = wait(training.state, "failed", seconds=20)
        assert state.error == "MemoryError"
        assert [path.name for path in folder.iterdir()] == ["lock"]
