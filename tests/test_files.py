"""Atomic writes: replaced files, symbolic links, stale temporary files."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from fast_nst.errors import UserError
from fast_nst.files import atomic_path, check_writable, write_atomically

_NAME = ".0123456789ab.part"


def write_whole(path: Path, data: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


@pytest.mark.parametrize("write", [write_atomically, write_whole])
@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444, 0o755])
def test_replaced_file_keeps_mode(tmp_path: Path, write, mode: int):
    target = tmp_path / "a.png"
    target.write_bytes(b"old")
    target.chmod(mode)
    write(target, b"new")
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == mode
    assert list(tmp_path.iterdir()) == [target]


def test_replaced_file_keeps_owner(tmp_path: Path):
    target = tmp_path / "a.png"
    target.write_bytes(b"old")
    target.chmod(0o640)
    # Only root gives files away.
    owner = (12345, 54321) if os.getuid() == 0 else (os.getuid(), os.getgid())
    os.chown(target, *owner)
    write_atomically(target, b"new")
    found = target.stat()
    assert (found.st_uid, found.st_gid) == owner
    assert stat.S_IMODE(found.st_mode) == 0o640


@pytest.mark.parametrize("write", [write_atomically, write_whole])
def test_symlink_is_followed(tmp_path: Path, write):
    real, link, second = tmp_path / "real" / "a.png", tmp_path / "b.png", tmp_path / "c.png"
    real.parent.mkdir()
    real.write_bytes(b"old")
    real.chmod(0o600)
    link.symlink_to(Path("real", "a.png"))
    second.symlink_to(link)
    write(second, b"new")
    assert real.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert link.is_symlink()
    assert second.is_symlink()
    assert list(real.parent.iterdir()) == [real]


def test_symlink_to_missing_file(tmp_path: Path):
    (tmp_path / "b.png").symlink_to(tmp_path / "new" / "a.png")
    write_atomically(tmp_path / "b.png", b"x")
    assert (tmp_path / "b.png").is_symlink()
    assert (tmp_path / "new" / "a.png").read_bytes() == b"x"


def test_unwritable_symlinks(tmp_path: Path):
    folder, to_folder, loop = tmp_path / "folder", tmp_path / "to_folder", tmp_path / "loop"
    folder.mkdir()
    to_folder.symlink_to(folder)
    loop.symlink_to(loop)
    for path, word in ((to_folder, "is a folder"), (loop, "a link that leads to itself")):
        for write in (write_atomically, write_whole):
            with pytest.raises(UserError, match=word):
                write(path, b"x")
        with pytest.raises(UserError, match=word):
            check_writable(path)
        assert path.is_symlink()


def test_pipe_is_not_replaced(tmp_path: Path):
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "null.png").symlink_to(os.devnull)
    for name in ("a.png", "null.png"):
        with pytest.raises(UserError, match="is a pipe or a device"):
            write_atomically(tmp_path / name, b"x")
    assert (tmp_path / "a.png").is_fifo()
    assert Path(os.devnull).is_char_device()


def test_error_keeps_old_file(tmp_path: Path):
    target, link = tmp_path / "a.mp4", tmp_path / "b.mp4"
    target.write_bytes(b"old")
    link.symlink_to(target)

    def fail() -> None:
        with atomic_path(link) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == [target, link]


@pytest.mark.parametrize("write", [write_atomically, write_whole])
def test_stale_temporary_files_are_removed(tmp_path: Path, write):
    old, new = tmp_path / _NAME, tmp_path / ".0123456789ac.part"
    others = [tmp_path / name for name in (".download.part", "0123456789ab.part", ".a.png")]
    folder = tmp_path / ".0123456789ad.part"
    folder.mkdir()
    (tmp_path / ".0123456789ae.part").symlink_to(others[0])
    before = time.time() - 25 * 3600
    for path in (old, *others):
        path.touch()
        os.utime(path, (before, before))
    new.touch()
    os.utime(new, (before + 2 * 3600, before + 2 * 3600))
    write(tmp_path / "a.png", b"x")
    assert not old.exists()
    assert all(path.exists() for path in (new, folder, *others))
    assert (tmp_path / ".0123456789ae.part").is_symlink()


def test_stale_files_beside_symlink_target_are_removed(tmp_path: Path):
    real = tmp_path / "real"
    real.mkdir()
    (real / _NAME).touch()
    os.utime(real / _NAME, (0, 0))
    (tmp_path / "b.png").symlink_to(real / "a.png")
    write_atomically(tmp_path / "b.png", b"x")
    assert [path.name for path in real.iterdir()] == ["a.png"]
