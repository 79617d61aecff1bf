"""The page's service worker, which knows the files of its version."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Mapping

WORKER = "service_worker.js"


def shell_version(files: Mapping[str, bytes]) -> str:
    """The version of the page's files, without its configuration, runtime and models.

    Args:
        files: Contents by path, with the service worker's source.
    """
    digest = hashlib.sha256()
    for path, data in sorted(files.items()):
        digest.update(f"{path} {hashlib.sha256(data).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def service_worker(source: bytes, files: Mapping[str, bytes], lazy: Collection[str]) -> bytes:
    """The service worker with its version, and the hashes of the files that it keeps.

    Args:
        source: Content of page/service_worker.js.
        files: Contents by path, as for `shell_version`.
        lazy: Paths of those that are kept once they are used, not from the first visit on.
    """
    hashes = {
        path: "sha256-" + base64.b64encode(hashlib.sha256(data).digest()).decode()
        for path, data in sorted(files.items())
        if path != WORKER
    }
    constants = {"VERSION": shell_version(files), "FILES": hashes, "LAZY": sorted(lazy)}
    lines = [f"const {name} = {json.dumps(value)};\n" for name, value in constants.items()]
    return "".join(lines).encode() + source
