"""ONNX Runtime for browsers: taken from npm or a folder, and known by its hashes."""

from __future__ import annotations

import base64
import hashlib
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
# As npm has it: of the whole package.
INTEGRITY = (
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02V"
    "b7QmRMDs1SigqR4CXAfKYQ=="
)
MODULE = "ort.wasm.bundle.min.mjs"
SHA256 = {
    MODULE: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
}
_PLACES = ("", "dist", "package/dist", "node_modules/onnxruntime-web/dist")
_SECONDS = 300


@dataclass(frozen=True)
class Runtime:
    """What the page needs of the package.

    Attributes:
        files: Their contents, by the paths that the page asks for.
    """

    files: Mapping[str, bytes]

    @property
    def module(self) -> str:
        """The path of the module to import; the rest lies beside it."""
        return f"runtime/{MODULE}"


def runtime_in(folder: Path) -> Runtime:
    """The runtime in a folder: an unpacked package, or one into which npm installed it.

    Raises:
        UserError: It is not there, or is another version.
    """
    remedy = f"npm install {PACKAGE} makes one"
    if not folder.is_dir():
        raise UserError(f"no folder {str(folder)!r}: {remedy}")
    for place in _PLACES:
        paths = {name: folder / place / name for name in SHA256}
        if all(path.is_file() for path in paths.values()):
            return _checked({name: path.read_bytes() for name, path in paths.items()}, str(folder))
    raise UserError(f"{str(folder)!r} has no {' and '.join(SHA256)}: {remedy}")


def runtime_from_npm() -> Runtime:
    """The runtime from the registry that npm is set to.

    Raises:
        UserError: npm is not installed, does not get it, or gets something else.
    """
    npm = shutil.which("npm")
    remedy = f"give --runtime DIR, a folder with the files of {PACKAGE}"
    if npm is None:
        raise UserError(f"npm is not installed, which gets {PACKAGE}: install it, or {remedy}")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", PACKAGE, "--silent", "--ignore-scripts"]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise UserError(f"npm did not get {PACKAGE} in {_SECONDS} s: {remedy}") from error
        packages = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(packages) != 1:
            said = one_line(done.stderr)[:160] if done.stderr.strip() else "it says nothing"
            raise UserError(f"npm cannot get {PACKAGE} ({said}): {remedy}")
        return runtime_of(packages[0])


def runtime_of(package: Path) -> Runtime:
    """The runtime in npm's package, if it is the one that is known here.

    Raises:
        UserError: It is another.
    """
    digest = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != INTEGRITY:
        raise UserError(
            f"what npm got for {PACKAGE} has another integrity hash than the package: "
            "it is refused, check npm's registry"
        )
    with tarfile.open(package) as archive:
        files = {}
        for name in SHA256:
            member = archive.extractfile(f"package/dist/{name}")
            assert member is not None  # the hash says so
            files[name] = member.read()
    return _checked(files, PACKAGE)


def _checked(files: Mapping[str, bytes], where: str) -> Runtime:
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != SHA256[name]:
            raise UserError(f"{name} in {where!r} is not that of {PACKAGE}: npm install {PACKAGE}")
    return Runtime({f"runtime/{name}": data for name, data in files.items()})
