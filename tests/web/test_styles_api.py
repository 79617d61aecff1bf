"""Removal of a style of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from fast_nst.models.home import HOME
from fast_nst.web.access import Access
from fast_nst.web.backend import Backend
from fast_nst.web.models import find_models
from fast_nst.web.service import make_app
from tests.conftest import inverting_model
from tests.web.conftest import HERE, LIMITS, unexpected

ELSEWHERE = "http://192.0.2.1:8000"


@pytest.fixture
def styles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, with a style that has a name of the package's, and one that has not."""
    monkeypatch.setenv(HOME, str(tmp_path))
    folder = tmp_path / "styles"
    folder.mkdir()
    for name in ("wave", "udnie"):
        (folder / f"{name}.onnx").write_bytes(inverting_model())
    return folder


@pytest.mark.filterwarnings("ignore::fast_nst.errors.UserNote")
def test_own_style_is_removed_and_others_are_kept(styles: Path):
    served = find_models(None, unexpected)

    def delete(access: Access, base: str, *names: str) -> list[int]:
        backend = Backend(served, LIMITS, Access.ALL, Access.ALL, access)
        may_remove = access is Access.OWNER and base == HERE
        with TestClient(make_app(backend, {}), base_url=base) as client:
            answers = [client.delete(f"/api/styles/{name}") for name in names]
            listed = {
                style["name"]: style["removable"] for style in client.get("/api/styles").json()
            }
        assert [name for name, is_removable in listed.items() if is_removable] == (
            ["wave"] if may_remove and (styles / "wave.onnx").exists() else []
        )
        assert "udnie" in listed
        assert all("error" in answer.json() for answer in answers if answer.status_code != 204)
        return [answer.status_code for answer in answers]

    assert delete(Access.NOBODY, HERE, "wave", "udnie") == [403, 403]
    assert delete(Access.OWNER, ELSEWHERE, "wave", "udnie") == [403, 403]
    assert delete(Access.OWNER, HERE, "udnie", "none", "wave", "wave") == [409, 404, 204, 404]
    assert [path.name for path in styles.iterdir()] == ["udnie.onnx"]
    (styles / "wave.onnx").write_bytes(inverting_model())
    served |= find_models(None, unexpected)
    (styles / "wave.onnx").unlink()  # by another program
    assert delete(Access.OWNER, HERE, "wave") == [204]
    assert "wave" not in served


def test_removed_film_model_is_no_styles_any_more(styles: Path):
    (styles / "udnie.onnx").unlink()
    (styles / "wave_fast.onnx").write_bytes(inverting_model())
    served = find_models(None, unexpected)
    assert served["wave"].live == "wave_fast"
    shipped = {name: model.live for name, model in served.items() if not model.is_own}
    backend = Backend(served, LIMITS, removal_access=Access.OWNER)
    with TestClient(make_app(backend, {}), base_url=HERE) as client:
        assert client.delete("/api/styles/wave_fast").status_code == 204
        listed = {style["name"]: style["live"] for style in client.get("/api/styles").json()}
    assert listed["wave"] == served["wave"].live == ""
    assert {name: model.live for name, model in served.items() if not model.is_own} == shipped
