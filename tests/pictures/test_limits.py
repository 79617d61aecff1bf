"""Limits on input files, against decompression bombs and other attacks."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from fast_nst.errors import UserError
from fast_nst.pictures.read import open_image


def saved(image: Image.Image, file_format: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format)
    return buffer.getvalue()


@pytest.mark.parametrize("file_format", ["EPS", "TGA", "ICO", "PCX", "SGI", "PDF"])
def test_unsupported_formats_are_rejected(tmp_path: Path, file_format: str):
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(Image.new("RGB", (40, 40)), file_format))
    for source in (path, path.read_bytes()):
        with pytest.raises(UserError, match="not an image that can be read: give a JPEG, PNG"):
            open_image(source)


def test_eps_starts_no_ghostscript(tmp_path: Path, monkeypatch):
    """Pillow reads EPS with Ghostscript; this fake one leaves a file."""
    trace = tmp_path / "trace"
    program = tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch {trace}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(UserError, match="not an image"):
        open_image(saved(Image.new("RGB", (40, 40)), "EPS"))
    assert not trace.exists()


def png(*chunks: tuple[bytes, bytes], size: tuple[int, int] = (9, 7)) -> bytes:
    def packed(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", *size, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(10 * 7))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed(*part) for part in parts)


def test_png_with_large_text_or_profile():
    much = zlib.compress(b"a" * 9_000_000)
    for chunk in (
        (b"tEXt", b"k\0" + b"a" * 9_000_000),
        (b"zTXt", b"k\0\0" + much),
        (b"iTXt", b"k\0\1\0\0\0" + much),
        (b"iCCP", b"k\0\0" + much),
    ):
        assert open_image(png(chunk)).size == (9, 7)


def test_png_with_too_much_text_raises_user_error():
    much = zlib.compress(b"a" * 20_000_000)
    for chunks in ([(b"zTXt", b"k\0\0" + much)], [(b"tEXt", b"k\0" + bytes(10**7))] * 7):
        with pytest.raises(UserError, match="over 16 MB of text or of a color profile"):
            open_image(png(*chunks))


def test_sides_are_limited(tmp_path: Path):
    path = tmp_path / "a.png"
    for size in ((1, 50_000_000), (50_000_000, 1), (100_001, 1)):
        path.write_bytes(png(size=size))
        for source in (path, path.read_bytes(), Image.open(io.BytesIO(path.read_bytes()))):
            with pytest.raises(UserError, match=r"is \d+x\d+: sides may have up to 100,000 px"):
                open_image(source)
    assert open_image(saved(Image.new("1", (100_000, 1)), "PNG")).size == (100_000, 1)
