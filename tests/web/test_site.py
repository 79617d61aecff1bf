"""The static site: its files, and what it never overwrites."""

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
from fast_nst.web.files import page_files
from fast_nst.web.models import ServedModel
from fast_nst.web.page_file import PageFile
from fast_nst.web.runtime import BUILDS, VERSION, Runtime
from fast_nst.web.site import write_site

RUNTIME = Runtime({f"runtime/{VERSION}/{name}": b"content" for name in BUILDS["wasm"]})


@pytest.fixture
def files(models: dict[str, ServedModel]) -> dict[str, PageFile]:
    return page_files(models, RUNTIME, None)


def config_of(files: Mapping[str, PageFile]) -> dict:
    return json.loads(files["config.json"].data)


def test_page_files_contain_every_referenced_file(files: dict[str, PageFile]):
    browser = config_of(files)["browser"]
    assert list(browser["runtime"]) == ["wasm"]
    named = set(browser["runtime"]["wasm"].values())
    named |= {*config_of(files)["samples"], *config_of(files)["sample_thumbnails"]}
    named |= {root["file"] for root in browser["roots"].values()}
    named |= {each["file"] for each in browser["files"].values()}
    for path, file in files.items():
        if path.endswith((".html", ".js")):
            text = file.data.decode()
            named |= set(re.findall(r'(?:src|href)="([\w.-]+)"', text))
            named |= set(re.findall(r'from "\./([\w.]+)"', text))
    icons = json.loads(files["manifest.webmanifest"].data)["icons"]
    named |= {icon["src"] for icon in icons} | {"service_worker.js", "worker.js"}
    assert {"app.js", "style.css", "icon.svg", "pixels.js", "mixing.js"} <= named
    assert named <= set(files)


def test_page_files_reference_no_other_host(files: dict[str, PageFile]):
    for path, file in files.items():
        if path.endswith((".html", ".js", ".css", ".svg")):
            found = set(re.findall(r"https?://[\w./]+", file.data.decode()))
            assert found <= {"http://www.w3.org/2000/svg"}, path
            assert b"<style" not in file.data
            assert not re.search(rb"<script(?! type=\"module\" src=)", file.data)


def test_config_has_the_parameter_offsets_of_the_model_files(
    files: dict[str, PageFile], models: dict[str, ServedModel]
):
    browser = config_of(files)["browser"]
    assert set(browser["files"]) == set(models)
    assert browser["files"]["negative"]["parameters"] is None
    expected = parameters(load(models["udnie"].part.data, "udnie"))
    udnie = browser["files"]["udnie"]
    assert udnie["network"] == "fine"
    layout = browser["layouts"][udnie["parameters"]]
    assert set(layout) == set(expected)
    for name, (offset, length, kind) in layout.items():
        data = files[udnie["file"]].data[offset : offset + length]
        values = np.frombuffer(data, np.dtype(kind).newbyteorder("<"))
        assert np.array_equal(values, expected[name].ravel())
    assert list(browser["roots"]) == list(STARTS)
    for network, root in browser["roots"].items():
        assert files[root["file"]].data == STARTS[network]["photograph"].read_bytes()


def test_page_files_without_runtime_contain_no_model(models: dict[str, ServedModel]):
    files = page_files(models, None, {"max_bytes": 1})
    assert {"api.html", "api.js"} <= set(files)
    assert config_of(files)["browser"] is None
    assert not [path for path in files if path.endswith((".onnx", ".wasm"))]


def test_write_site_writes_and_replaces_a_site(files: dict[str, PageFile], tmp_path: Path):
    folder = tmp_path / "a" / "site"
    size = write_site(folder, files)
    written = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert written == set(files)
    assert not written & {"api.html", "api.js"}
    assert size == sum((folder / path).stat().st_size for path in written)
    older = json.loads((folder / "config.json").read_text())
    (folder / "old.js").write_text("of an older version")
    (folder / "config.json").write_text(json.dumps({"paths": [*older["paths"], "old.js"]}))
    write_site(folder, files)
    assert not (folder / "old.js").exists()
    assert config_of(files)["paths"] == sorted(files)
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("config", ['{"name": "my project"}', "[1]", "null", '{"paths": 3}', "{"])
def test_write_site_rejects_a_folder_with_an_unrelated_config(
    files: dict[str, PageFile], tmp_path: Path, config: str
):
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match=r"contains other files, such as 'config\.json'"):
        write_site(tmp_path, files)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_write_site_keeps_a_file_added_to_a_site(files: dict[str, PageFile], tmp_path: Path):
    folder = tmp_path / "site"
    write_site(folder, files)
    (folder / "CNAME").write_text("paint.example")
    with pytest.raises(UserError, match="such as 'CNAME'"):
        write_site(folder, files)
    assert (folder / "CNAME").exists()
    assert (folder / "index.html").exists()


def test_write_site_restores_the_old_site_on_failure(
    files: dict[str, PageFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "site"
    write_site(folder, files)
    original, moves = Path.rename, []

    def rename(self: Path, target: Path) -> Path:
        moves.append(target)
        if len(moves) == 2:  # of the new site
            raise OSError(28, "No space left on device")
        return original(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(UserError, match="No space left"):
        write_site(folder, files)
    assert len(moves) == 3
    assert (folder / "index.html").read_bytes() == files["index.html"].data
    assert list(tmp_path.iterdir()) == [folder]


def test_write_site_rejects_a_folder_with_other_files(files: dict[str, PageFile], tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="contains other files"):
        write_site(tmp_path, files)
    with pytest.raises(UserError, match="is not a folder"):
        write_site(tmp_path / "thesis.txt", files)
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(UserError, match="is not a folder"):
        write_site(tmp_path / "link", files)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["link", "thesis.txt"]


def test_write_site_leaves_nothing_on_failure(files: dict[str, PageFile], tmp_path: Path):
    bad = {**files, "x" * 300: PageFile("x" * 300, b"")}
    with pytest.raises(UserError, match="cannot write"):
        write_site(tmp_path / "site", bad)
    assert list(tmp_path.iterdir()) == []
