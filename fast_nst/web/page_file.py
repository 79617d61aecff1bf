"""A file of the page, and its HTTP representations: compressed, or not modified."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
}
_INCOMPRESSIBLE = {".jpg", ".png", ".onnx"}  # gzip saves at most a tenth
_LEVEL = 5  # of gzip: 14.2 MB of wasm are 3.7 MB in half a second, at 9 in three times as long
_YEAR = 365 * 24 * 60 * 60


@dataclass(frozen=True)
class PageFile:
    """A file of the page.

    Attributes:
        path: Relative to the page.
        data: Its content.
        is_immutable: Whether its path changes with its content.
    """

    path: str
    data: bytes
    is_immutable: bool = False

    @property
    def media_type(self) -> str:
        """Its media type, by its suffix."""
        return _MEDIA_TYPES[Path(self.path).suffix]

    @property
    def is_compressible(self) -> bool:
        """Whether `gzipped` is worth its time."""
        return Path(self.path).suffix not in _INCOMPRESSIBLE

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the content."""
        return hashlib.sha256(self.data).digest()

    @cached_property
    def gzipped(self) -> bytes:
        """The compressed content."""
        return gzip.compress(self.data, _LEVEL, mtime=0)


class Representation(NamedTuple):
    """A response to GET; for HEAD without its body."""

    status: int
    body: bytes
    headers: dict[str, str]


def represent(file: PageFile, headers: Mapping[str, str]) -> Representation:
    """The response for a file: compressed where accepted, or status 304 without content.

    Takes half a second when it first compresses a large file.

    Args:
        file: The file.
        headers: The request's, with names in lower case.
    """
    is_gzipped = file.is_compressible and accepts_gzip(headers.get("accept-encoding", ""))
    etag = f'"{file.digest.hex()[:32]}{"-gzip" if is_gzipped else ""}"'
    found = {
        "ETag": etag,
        "Cache-Control": f"max-age={_YEAR}, immutable" if file.is_immutable else "no-cache",
    }
    if file.is_compressible:
        found["Vary"] = "Accept-Encoding"
    if _matches(headers.get("if-none-match", ""), etag):
        return Representation(304, b"", found)
    found["Content-Type"] = file.media_type
    if is_gzipped:
        return Representation(200, file.gzipped, found | {"Content-Encoding": "gzip"})
    return Representation(200, file.data, found)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip."""
    weights = {}
    for part in accept_encoding.lower().split(","):
        coding, *parameters = (word.strip() for word in part.split(";"))
        weight = next((word[2:] for word in parameters if word.startswith("q=")), "1")
        try:
            weights[coding] = float(weight)
        except ValueError:
            weights[coding] = 0
    return weights.get("gzip", weights.get("*", 0)) > 0


def _matches(if_none_match: str, etag: str) -> bool:
    """Whether an If-None-Match header lists an ETag; weak ones are compared as strong."""
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in tags or "*" in tags
