"""ONNX Runtime for browsers: from a folder or npm, verified by its hashes."""

from __future__ import annotations

import hashlib
import io
import stat
import tarfile
from pathlib import Path

import pytest

from fast_nst.errors import UserError
from fast_nst.web import runtime
from fast_nst.web.runtime import (
    BUILDS,
    LICENCE,
    MODULE,
    NOTICES,
    SHA256,
    VERSION,
    runtime_from_npm,
    runtime_in,
    runtime_of,
)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Small files instead of the package's, with their hashes in `SHA256`."""
    files = {name: f"what is in {name}".encode() for name in SHA256}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    monkeypatch.setattr(runtime, "SHA256", hashes)
    return files


@pytest.mark.parametrize("place", ["", "dist", "package/dist", "node_modules/onnxruntime-web/dist"])
def test_runtime_in_a_folder_of_each_layout(known: dict[str, bytes], tmp_path: Path, place: str):
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    for name, data in known.items():
        (tmp_path / place / name).write_bytes(data)
    for webgpu, devices in ((False, ["wasm"]), (True, ["wasm", "webgpu"])):
        found = runtime_in(tmp_path, webgpu)
        names = [name for device in devices for name in BUILDS[device]]
        files = {path.removeprefix(f"runtime/{VERSION}/"): d for path, d in found.files.items()}
        assert b"Copyright (c) Microsoft Corporation" in files.pop(LICENCE)
        assert b"protobuf" in files.pop(NOTICES)
        assert files == {name: known[name] for name in names}
        assert list(found.builds) == devices
        for device, paths in found.builds.items():
            assert [found.files[path] for path in paths.values()] == [
                known[name] for name in BUILDS[device]
            ]


def test_runtime_missing_or_of_another_version_is_rejected(known: dict[str, bytes], tmp_path: Path):
    with pytest.raises(UserError, match=r"^no folder .*npm install onnxruntime-web@1\.30\.0"):
        runtime_in(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"has no ort\.wasm.* and ort-wasm"):
        runtime_in(tmp_path)
    for name, data in known.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "ort.webgpu.bundle.min.mjs").unlink()
    assert list(runtime_in(tmp_path).builds) == ["wasm"]
    with pytest.raises(UserError, match=r"has no .* and ort\.webgpu"):
        runtime_in(tmp_path, webgpu=True)
    (tmp_path / MODULE).write_bytes(b"another version")
    with pytest.raises(UserError, match=rf"^{MODULE} in .* is not from onnxruntime-web@"):
        runtime_in(tmp_path)


def test_runtime_package_with_a_wrong_hash_is_not_opened(tmp_path: Path):
    package = tmp_path / "package.tgz"
    with tarfile.open(package, "w:gz") as archive:
        info = tarfile.TarInfo(f"package/dist/{MODULE}")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"evil"))
    with pytest.raises(UserError, match=r"integrity hash of .* is wrong"):
        runtime_of(package)


def npm(folder: Path, script: str) -> None:
    program = folder / "npm"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_runtime_from_npm_reports_why_it_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"npm is not installed.*--runtime DIR"):
        runtime_from_npm()
    npm(tmp_path, "echo 'no network' >&2; exit 1")
    with pytest.raises(UserError, match=r"npm cannot download .* \(no network\).*--runtime DIR"):
        runtime_from_npm()
    npm(tmp_path, "exit 0")
    with pytest.raises(UserError, match="no error message"):
        runtime_from_npm()
    npm(tmp_path, "echo something else > onnxruntime-web-1.30.0.tgz")
    with pytest.raises(UserError, match=r"integrity hash of .* is wrong"):
        runtime_from_npm()
