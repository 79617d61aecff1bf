"""The static site: everything the page asks for, and nothing that was there is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from fast_nst.assets import STARTS
from fast_nst.errors import UserError
from fast_nst.models.graphs import load, parameters
from fast_nst.web.files import File, page_files
from fast_nst.web.models import Model
from fast_nst.web.runtime import Runtime
from fast_nst.web.site import write_site

RUNTIME = Runtime({"runtime/ort.wasm.bundle.min.mjs": b"module", "runtime/a.wasm": b"wasm"})


@pytest.fixture
def files(models: dict[str, Model]) -> dict[str, File]:
    return page_files(models, RUNTIME, None)


def told(files: Mapping[str, File]) -> dict:
    return json.loads(files["config.json"].data)


def test_every_file_that_the_page_names_is_there(files: dict[str, File]):
    browser = told(files)["browser"]
    named = {browser["runtime"], *told(files)["samples"]}
    named |= {root["file"] for root in browser["roots"].values()}
    named |= {each["file"] for each in browser["files"].values()}
    for path, file in files.items():
        if path.endswith((".html", ".js")):
            text = file.data.decode()
            named |= set(re.findall(r'(?:src|href)="([\w.]+)"', text))
            named |= set(re.findall(r'from "\./([\w.]+)"', text))
    assert {"app.js", "style.css", "icon.svg", "pixels.js", "mixing.js"} <= named
    assert named - set(files) == {"openapi.json"}  # the service makes that


def test_nothing_comes_from_elsewhere(files: dict[str, File]):
    for path, file in files.items():
        if path.endswith((".html", ".js", ".css", ".svg")):
            found = set(re.findall(r"https?://[\w./]+", file.data.decode()))
            assert found <= {"http://www.w3.org/2000/svg"}, path
            assert b"<style" not in file.data
            assert not re.search(rb"<script(?! type=\"module\" src=)", file.data)


def test_the_places_are_those_of_the_files(files: dict[str, File], models: dict[str, Model]):
    browser = told(files)["browser"]
    assert set(browser["files"]) == set(models)
    assert browser["files"]["negative"]["parameters"] is None
    expected = parameters(load(models["udnie"].part.data, "udnie"))
    udnie = browser["files"]["udnie"]
    assert udnie["network"] == "fine"
    for name, (offset, length, kind) in udnie["parameters"].items():
        data = files[udnie["file"]].data[offset : offset + length]
        values = np.frombuffer(data, np.dtype(kind).newbyteorder("<"))
        assert np.array_equal(values, expected[name].ravel())
    assert list(browser["roots"]) == list(STARTS)
    for network, root in browser["roots"].items():
        assert files[root["file"]].data == STARTS[network]["photograph"].read_bytes()


def test_without_a_runtime_no_model_is_sent(models: dict[str, Model]):
    files = page_files(models, None, {"max_bytes": 1})
    assert told(files)["browser"] is None
    assert not [path for path in files if path.endswith((".onnx", ".wasm"))]


def test_a_site_is_written_and_replaced(files: dict[str, File], tmp_path: Path):
    folder = tmp_path / "a" / "site"
    size = write_site(folder, files)
    written = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert written == set(files) - {"api.html", "api.js"}
    assert size == sum((folder / path).stat().st_size for path in written)
    older = json.loads((folder / "config.json").read_text())
    (folder / "old.js").write_text("of an older version")
    (folder / "config.json").write_text(json.dumps({"paths": [*older["paths"], "old.js"]}))
    write_site(folder, files)
    assert not (folder / "old.js").exists()
    assert told(files)["paths"] == sorted(files)
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("config", ['{"name": "my project"}', "[1]", "null", '{"paths": 3}', "{"])
def test_a_config_of_something_else_is_no_site(files: dict[str, File], tmp_path: Path, config: str):
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match=r"holds other files, such as 'config\.json'"):
        write_site(tmp_path, files)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_what_was_put_beside_a_site_is_not_lost(files: dict[str, File], tmp_path: Path):
    folder = tmp_path / "site"
    write_site(folder, files)
    (folder / "CNAME").write_text("paint.example")
    with pytest.raises(UserError, match="such as 'CNAME'"):
        write_site(folder, files)
    assert (folder / "CNAME").exists()
    assert (folder / "index.html").exists()


def test_a_site_that_cannot_be_replaced_stays(
    files: dict[str, File], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "site"
    write_site(folder, files)
    original, moves = Path.rename, []

    def rename(self: Path, target: Path) -> Path:
        moves.append(target)
        if len(moves) == 2:  # the new one to its place
            raise OSError(28, "No space left on device")
        return original(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(UserError, match="No space left"):
        write_site(folder, files)
    assert len(moves) == 3
    assert (folder / "index.html").read_bytes() == files["index.html"].data
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_with_other_things_is_left_alone(files: dict[str, File], tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="holds other files"):
        write_site(tmp_path, files)
    with pytest.raises(UserError, match="is no folder"):
        write_site(tmp_path / "thesis.txt", files)
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(UserError, match="is no folder"):
        write_site(tmp_path / "link", files)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["link", "thesis.txt"]


def test_what_cannot_be_written_leaves_nothing(files: dict[str, File], tmp_path: Path):
    bad = {**files, "x" * 300: File(b"", "")}
    with pytest.raises(UserError, match="cannot write"):
        write_site(tmp_path / "site", bad)
    assert list(tmp_path.iterdir()) == []
