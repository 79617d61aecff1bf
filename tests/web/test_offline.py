"""The service worker's list of files, and the page's manifest."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping

import pytest

from fast_nst.web.files import PAGE, page_files
from fast_nst.web.models import ServedModel
from fast_nst.web.page_file import PageFile, represent
from fast_nst.web.runtime import BUILDS, VERSION, Runtime

RUNTIME = Runtime({f"runtime/{VERSION}/{name}": b"content" for name in BUILDS["wasm"]})


@pytest.fixture
def files(models: dict[str, ServedModel]) -> dict[str, PageFile]:
    return page_files(models, RUNTIME, None)


def constants(files: Mapping[str, PageFile]) -> dict:
    text = files["service_worker.js"].data.decode()
    lines = text.removesuffix((PAGE / "service_worker.js").read_text()).splitlines()
    pairs = [line.removeprefix("const ").removesuffix(";").split(" = ", 1) for line in lines]
    return {name: json.loads(value) for name, value in pairs}


def test_service_worker_lists_the_hash_of_every_file_that_it_keeps(files: dict[str, PageFile]):
    found = constants(files)
    elsewhere = {path for path in files if path.startswith(("runtime/", "styles/", "roots/"))}
    assert set(found["FILES"]) == set(files) - elsewhere - {"service_worker.js", "config.json"}
    for path, value in found["FILES"].items():
        digest = base64.b64encode(hashlib.sha256(files[path].data).digest()).decode()
        assert value == f"sha256-{digest}"
    config = json.loads(files["config.json"].data)
    assert config["shell"] == found["VERSION"]
    assert found["LAZY"] == config["samples"][1:]


def test_service_worker_has_another_version_when_a_file_changes(
    files: dict[str, PageFile],
    models: dict[str, ServedModel],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
):
    copy = tmp_path_factory.mktemp("page")
    for path in PAGE.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr("fast_nst.web.files.PAGE", copy)
    same = page_files(models, RUNTIME, None)
    assert same["service_worker.js"].data == files["service_worker.js"].data
    fewer = page_files({"udnie": models["udnie"]}, RUNTIME, None)
    assert fewer["service_worker.js"].data == same["service_worker.js"].data  # config.json differs
    for name in ("style.css", "service_worker.js"):
        (copy / name).write_bytes((copy / name).read_bytes() + b"\n")
        changed = page_files(models, RUNTIME, None)
        assert json.loads(changed["config.json"].data)["shell"] != constants(files)["VERSION"]
        (copy / name).write_bytes((PAGE / name).read_bytes())


def test_only_paths_with_a_hash_are_immutable(
    files: dict[str, PageFile], models: dict[str, ServedModel]
):
    immutable = {path for path, file in files.items() if file.is_immutable}
    assert len(immutable) == len(models) + 2 + len(RUNTIME.files)
    for path in immutable - set(RUNTIME.files):
        assert hashlib.sha256(files[path].data).hexdigest()[:16] in path
    assert set(RUNTIME.files) <= immutable


def test_manifest_is_relative(files: dict[str, PageFile]):
    manifest = json.loads(files["manifest.webmanifest"].data)
    assert (manifest["start_url"], manifest["scope"]) == ("./", "./")
    assert manifest["display"] == "standalone"
    assert {icon["sizes"] for icon in manifest["icons"]} >= {"192x192", "512x512"}
    assert sum(len(files[icon["src"]].data) for icon in manifest["icons"]) < 20_000


@pytest.mark.parametrize("service", [None, {"max_bytes": 1}])
def test_first_visit_without_wasm_and_models_is_under_400_kb(
    models: dict[str, ServedModel], service: dict[str, int] | None
):
    """From the service, or a static host that compresses text, too."""
    files = page_files(models, RUNTIME, service)
    found = constants(files)
    paths = {*found["FILES"], "config.json", "service_worker.js"} - set(found["LAZY"])
    bodies = [represent(files[path], {"accept-encoding": "gzip"}).body for path in paths]
    module = 73_054  # ONNX Runtime's, uncompressed
    assert sum(map(len, bodies)) + module < 400_000
