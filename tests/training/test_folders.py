"""A run's folder is its own, also while two begin together."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fast_nst.errors import UserError
from fast_nst.files import claim_file, claim_folder
from fast_nst.training.folders import locked, run_folder
from fast_nst.training.settings import TrainConfig


def test_an_old_run_is_never_overwritten(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_folder(TrainConfig(style="a/wave.jpg")) == Path("runs/wave")
    (tmp_path / "runs/wave/last.ckpt").touch()
    assert run_folder(TrainConfig(style="a/wave.jpg")) == Path("runs/wave-2")
    for resume in (None, "runs/other/last.ckpt"):
        with pytest.raises(UserError, match="holds a run"):
            run_folder(TrainConfig(out="runs/wave", resume=resume))
    with pytest.raises(UserError, match="num_nodes without out: name a folder"):
        run_folder(TrainConfig(num_nodes=2))
    own = TrainConfig(out="runs/wave", resume="runs/../runs/wave/last.ckpt")
    assert run_folder(own) == Path("runs/wave")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot make the folder"):
        run_folder(TrainConfig(out="file/below"))
    (tmp_path / "runs").rename(tmp_path / "former")
    (tmp_path / "runs").touch()
    with pytest.raises(UserError, match="cannot make the folder 'runs'"):
        run_folder(TrainConfig())


def test_runs_that_begin_together_get_a_folder_each(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(style="wave.jpg")
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: str(run_folder(config)), range(64)))
    assert sorted(found) == sorted(["runs/wave", *(f"runs/wave-{n}" for n in range(2, 65))])


def test_so_do_sheets_and_folders_of_any_name(tmp_path: Path):
    with ThreadPoolExecutor(16) as pool:
        files = list(pool.map(lambda _: claim_file(tmp_path / "sheet.jpg").name, range(32)))
        folders = list(pool.map(lambda _: claim_folder(tmp_path / "v.2 é").name, range(32)))
    assert sorted(files) == sorted(["sheet.jpg", *(f"sheet-{n}.jpg" for n in range(2, 33))])
    assert sorted(folders) == sorted(["v.2 é", *(f"v.2 é-{n}" for n in range(2, 33))])


HOLDER = """
import sys
from pathlib import Path
from fast_nst.training.folders import locked
from fast_nst.training.settings import TrainConfig

with locked(Path(sys.argv[1]), TrainConfig(out=sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_a_folder_in_which_another_training_works_is_refused_until_it_ends(tmp_path: Path):
    child = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(child, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        resumed = TrainConfig(out=str(tmp_path), resume=str(tmp_path / "last.ckpt"))
        for config in (TrainConfig(out=str(tmp_path)), resumed):
            with (
                pytest.raises(UserError, match="another training works in"),
                locked(tmp_path, config),
            ):
                pass
        other.kill()
    with locked(tmp_path, TrainConfig(out=str(tmp_path))):
        assert list(tmp_path.iterdir()) == []


def test_a_run_that_ended_meanwhile_is_kept(tmp_path: Path):
    config = TrainConfig(out=str(tmp_path))
    folder = run_folder(config)
    (tmp_path / "last.ckpt").touch()
    with pytest.raises(UserError, match="holds a run"), locked(folder, config):
        pass


@pytest.mark.parametrize("left", [None, "config.yaml"])
def test_a_run_that_comes_to_nothing_leaves_no_empty_folder(
    tmp_path: Path, monkeypatch, left: str | None
):
    monkeypatch.chdir(tmp_path)
    folder = run_folder(TrainConfig(style="wave.jpg"))

    def fails() -> None:
        with locked(folder, TrainConfig(style="wave.jpg")):
            if left is not None:
                (folder / left).touch()
            raise ValueError

    with pytest.raises(ValueError):
        fails()
    assert folder.exists() == (left is not None)
