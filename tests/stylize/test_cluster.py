"""A folder over a cluster: the same files as at home, also if half of the cluster dies."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fast_nst import Stylizer
from fast_nst.commands.main import main
from fast_nst.errors import UserError
from fast_nst.pictures.detail import add_detail
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_image
from fast_nst.stylize.cluster import Worker, paint_on_cluster
from fast_nst.stylize.folder import Job
from fast_nst.stylize.masks import Masks
from fast_nst.stylize.painting import PaintOptions
from tests.conftest import inverting_model, noise

PICTURES = 60
OPTIONS = PaintOptions()


def test_a_stylizer_can_be_pickled():
    stylize = Stylizer({"udnie": 1, "evening": 2}, strength=0.7, detail=0.6, threads=1)
    again = pickle.loads(pickle.dumps(stylize))
    assert repr(again) == repr(stylize)
    np.testing.assert_array_equal(again(noise(20, 30)), stylize(noise(20, 30)))


def test_a_worker_tells_what_became_of_each(tmp_path: Path):
    Image.fromarray(noise(6, 8)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    names = ("good.png", "bad.png")
    batch = {
        "number": np.array([3, 4]),
        "source": [str(tmp_path / name).encode() for name in names],
        "target": [str(tmp_path / "out" / name).encode() for name in names],
        "mask": [b"", b""],
    }
    rows = Worker(Stylizer(inverting_model()), OPTIONS)(batch)
    assert (rows["number"], rows["width"]) == ([3, 4], [8, 0])
    assert [bool(error) for error in rows["error"]] == [False, True]
    assert open_image(tmp_path / "out" / "good.png").size == (8, 6)


def test_a_worker_paints_within_masks(tmp_path: Path):
    for name in ("one.png", "two.png"):
        Image.fromarray(noise(6, 8)).save(tmp_path / name)
    (tmp_path / "masks").mkdir()
    Image.new("L", (1, 1), 0).save(tmp_path / "masks" / "one.png")
    batch = {
        "number": np.array([0, 1]),
        "source": [str(tmp_path / name).encode() for name in ("one.png", "two.png")],
        "target": [str(tmp_path / "out" / name).encode() for name in ("one.png", "two.png")],
        "mask": [str(tmp_path / "masks" / "one.png").encode(), b""],
    }
    rows = Worker(Stylizer(inverting_model()), OPTIONS, Masks.open(tmp_path / "masks"))(batch)
    assert rows["error"][0] == ""
    assert "no mask for" in rows["error"][1]
    np.testing.assert_array_equal(to_array(open_image(tmp_path / "out" / "one.png")), noise(6, 8))


def test_without_ray(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    jobs = [Job(tmp_path / "a.png", tmp_path / "b.png")]
    with pytest.raises(
        UserError, match=r"Ray is not installed: pip install \"fast-nst\[cluster\]\""
    ):
        next(paint_on_cluster(jobs, Stylizer(inverting_model()), OPTIONS, False, "local"))


def test_one_picture_is_not_spread(photo: Path, negative: Path, capsys):
    code = main(["infer", str(photo), "-m", str(negative), "-o", "out.png", "--ray", "local"])
    assert code == 2
    assert "--ray is for several pictures" in capsys.readouterr().err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for number in range(PICTURES):
        place = folder / "sub" if number % 2 else folder
        Image.fromarray(noise(300, 400, seed=number)).save(place / f"{number}.png")
    (folder / "bad.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    handler = signal.getsignal(signal.SIGTERM)
    running = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    yield running
    running.shutdown()
    signal.signal(signal.SIGTERM, handler)  # Ray's nodes have set their own


def command(folder: Path, negative: Path, address: str) -> list[str]:
    program = [sys.executable, "-m", "fast_nst.commands.main", "infer", str(folder)]
    program += ["-o", str(folder.parent / "out"), "-m", str(negative), "--detail", "0.6"]
    return [*program, "--ray", address]


@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore")  # Ray's own, of which there are many
def test_half_of_a_cluster_dies(cluster: Any, folder: Path, negative: Path, tmp_path: Path):
    node = cluster.add_node(num_cpus=1)
    target = tmp_path / "out"
    process = subprocess.Popen(
        [*command(folder, negative, cluster.address), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 90
    while len(list(target.rglob("*.png"))) < 6:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    cluster.remove_node(node, allow_graceful=False)
    assert len(list(target.rglob("*.png"))) < PICTURES  # in the middle of it
    out, err = process.communicate(timeout=150)
    assert process.returncode == 1, err
    records = [json.loads(line) for line in out.splitlines()]
    assert len(records) == PICTURES + 1
    (bad,) = [record for record in records if "error" in record]
    assert bad["input"] == str(folder / "bad.png")
    assert f"{PICTURES} of {PICTURES + 1} pictures stylized" in err
    assert "1 failed" in err
    for path in folder.rglob("[0-9]*.png"):
        painted = target / path.relative_to(folder)
        photo = to_array(open_image(path))
        np.testing.assert_array_equal(
            to_array(open_image(painted)), add_detail(photo, 255 - photo, 0.6)
        )
    second = subprocess.run(
        command(folder, negative, cluster.address), capture_output=True, text=True, timeout=120
    )
    assert second.returncode == 1
    assert f"0 of {PICTURES + 1} pictures stylized" in second.stderr
    assert f"{PICTURES} skipped since they exist" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.cluster
def test_sigterm_ends_a_run_on_a_cluster_of_its_own(folder: Path, negative: Path, tmp_path: Path):
    process = subprocess.Popen(
        command(folder, negative, "local"), stderr=subprocess.PIPE, text=True
    )
    while not list((tmp_path / "out").rglob("*.png")):
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "Traceback" not in err


@pytest.mark.cluster
def test_no_cluster_there(folder: Path, negative: Path):
    done = subprocess.run(
        command(folder, negative, "127.0.0.1:1"), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert "error: no cluster at '127.0.0.1:1'" in done.stderr
    assert "Traceback" not in done.stderr
