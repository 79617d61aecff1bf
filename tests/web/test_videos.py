"""Films: painted in a process of their own, one at a time, and removed with it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from fast_nst import stylize_video
from fast_nst.web import videos as videos_module
from fast_nst.web.models import ServedModel
from fast_nst.web.videos import _Video
from tests.videos.clips import flat, make, noisy, probe
from tests.web.conftest import FILM_LIMITS, films_client
from tests.web.films import begin, until
from tests.web.test_child_process import has_ended


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("clips")
    return make(folder / "clip.mp4", sound="aac", frames=20).read_bytes()


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A film that takes minutes to paint."""
    folder = tmp_path_factory.mktemp("clips")
    picture = flat((90, 120, 150))  # encoded in no time
    data = make(folder / "long.mp4", size=(640, 480), frames=300, picture=picture).read_bytes()
    assert len(data) < FILM_LIMITS.video_bytes
    return data


def test_film_has_the_frames_of_stylize_video(
    films: TestClient, clip: bytes, temporary: Path, tmp_path: Path
):
    query = "style=udnie:2&style=evening:1&strength=0.8&keep_colors=true&detail=0.5"
    name = begin(films, clip, query)
    found = until(films, name, "done", "failed")
    assert found[-1] == {"state": "done", "done": 20, "total": 20, "left": None, "error": ""}
    order = [("waiting", "painting", "done").index(status["state"]) for status in found]
    assert order == sorted(order)
    done = [status["done"] for status in found]
    assert done == sorted(done)
    assert {status["total"] for status in found} <= {0, 20}

    answer = films.get(f"/api/videos/{name}/result")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == 'attachment; filename="painting.mp4"'
    (tmp_path / "clip.mp4").write_bytes(clip)
    (tmp_path / "found.mp4").write_bytes(answer.content)
    stylize_video(
        tmp_path / "clip.mp4",
        tmp_path / "expected.mp4",
        {"udnie": 2, "evening": 1},
        strength=0.8,
        keep_colors=True,
        detail=0.5,
    )
    same, expected = (probe(tmp_path / f"{which}.mp4") for which in ("found", "expected"))
    assert same.times == expected.times
    assert np.abs(np.array(same.frames, int) - np.array(expected.frames, int)).max() <= 2
    part = films.get(f"/api/videos/{name}/result", headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, answer.content[4:8])

    assert [path.name for path in temporary.glob("*/*")] == ["painting.mp4"]
    assert films.delete(f"/api/videos/{name}").status_code == 204
    assert list(temporary.iterdir()) == []
    for method, path in (("GET", ""), ("GET", "/result"), ("DELETE", "")):
        gone = films.request(method, f"/api/videos/{name}{path}")
        assert gone.status_code == 404
        assert gone.json()["error"] == "no such film: it was removed, or it ended an hour ago"


@pytest.mark.parametrize("style", ["negative", "udnie_fast"])
def test_film_with_a_model_of_the_folder_or_a_film_model(
    films: TestClient, clip: bytes, style: str
):
    name = begin(films, clip, f"style={style}")
    assert until(films, name, "done", "failed")[-1]["state"] == "done"


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_animation(films: TestClient, tmp_path: Path, suffix: str):
    path = tmp_path / f"in.{suffix}"
    pictures = [Image.fromarray(noisy(number, 48, 32)) for number in range(3)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    name = begin(films, path.read_bytes(), "style=negative")
    assert until(films, name, "done", "failed")[-1]["done"] == 3


@pytest.mark.slow
def test_films_are_painted_one_at_a_time_and_can_be_cancelled(
    films: TestClient, clip: bytes, long_clip: bytes, temporary: Path
):
    name = begin(films, long_clip, "style=udnie&detail=0.5")
    status = until(films, name, "painting", "failed")[-1]
    assert status["state"] == "painting"
    assert 0 < status["done"] < status["total"] == 300
    while status["left"] is None:
        status = films.get(f"/api/videos/{name}").json()
    assert 0 < status["left"] < 3600
    busy = films.post("/api/videos?style=udnie", content=clip)
    assert busy.status_code == 409
    assert "another film is being painted" in busy.json()["error"]
    early = films.get(f"/api/videos/{name}/result")
    assert early.status_code == 409
    assert "wait until its state is done" in early.json()["error"]
    assert films.delete(f"/api/videos/{name}").status_code == 204
    assert list(temporary.iterdir()) == []
    other = begin(films, clip)
    assert until(films, other, "done", "failed")[-1]["state"] == "done"


@pytest.mark.slow
def test_stop_removes_all_films(
    models: dict[str, ServedModel], clip: bytes, long_clip: bytes, temporary: Path
):
    with films_client(models) as films:
        first = begin(films, clip)
        until(films, first, "done")
        second = begin(films, long_clip)
        until(films, second, "painting")
        assert len(list(temporary.iterdir())) == 2
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_a_killed_process_is_a_failed_film(
    films: TestClient, clip: bytes, long_clip: bytes, temporary: Path
):
    name = begin(films, long_clip)
    until(films, name, "painting")
    pids = _children_in(next(temporary.iterdir()))
    assert len(pids) == 1
    os.kill(pids[0], signal.SIGKILL)  # as the out-of-memory killer does
    status = until(films, name, "done", "failed")[-1]
    assert status["state"] == "failed"
    assert "not enough memory for this film" in status["error"]
    failed = films.get(f"/api/videos/{name}/result")
    assert failed.status_code == 409
    assert "not enough memory" in failed.json()["error"]
    assert until(films, begin(films, clip), "done", "failed")[-1]["state"] == "done"


def _children_in(folder: Path) -> list[int]:
    """The processes whose working directory is a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found.append(int(process.name))
        except OSError:
            continue
    return found


def test_ended_films_are_removed_after_their_time(
    films: TestClient, temporary: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(videos_module, "_KEEP_SECONDS", 0.5)
    name = begin(films, b"no film")
    until(films, name, "failed")
    deadline = time.monotonic() + 10
    while films.get(f"/api/videos/{name}").status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    while list(temporary.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_only_the_latest_ended_films_are_kept(
    films: TestClient, temporary: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(videos_module, "_MAX_KEPT", 1)
    names = []
    for _ in range(2):
        names.append(begin(films, b"no film"))
        until(films, names[-1], "failed")
    found = [films.get(f"/api/videos/{name}").status_code for name in names]
    assert found == [404, 200]
    assert len(list(temporary.iterdir())) == 1


@pytest.mark.slow
def test_a_stalled_film_gives_way(
    films: TestClient, long_clip: bytes, monkeypatch: pytest.MonkeyPatch
):
    first = begin(films, long_clip)
    until(films, first, "painting")
    monkeypatch.setattr(_Video, "is_stalled", property(lambda video: not video.is_over))
    second = begin(films, b"no film")
    status = until(films, first, "failed")[-1]
    said = "no frame was painted for 10 minutes, and another film was sent"
    assert status["error"] == said
    monkeypatch.undo()
    until(films, second, "failed")


def test_folders_of_killed_services_are_removed(films: TestClient, temporary: Path):
    old, new = (temporary / f"fast_nst-video-{name}" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir()
        (folder / "upload").touch()
    os.utime(old, (time.time() - 3 * 86_400,) * 2)
    begin(films, b"no film")
    assert not old.exists()
    assert new.exists()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_is_left_by_a_service_that_ends(
    long_clip: bytes, tmp_path: Path, temporary: Path, how: signal.Signals
):
    command = [sys.executable, "-m", "fast_nst.commands.main", "serve", "--no-browser", "-p", "0"]
    service = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(temporary)}
    )
    assert service.stderr is not None
    try:
        found = re.search(r"(http://\S+) \(", service.stderr.readline())
        assert found
        with urllib.request.urlopen(f"{found[1]}/config.json", timeout=60) as answer:
            videos = json.load(answer)["service"]["videos"]
        assert videos == {"allowed": True, "missing": "", "max_bytes": 500_000_000}
        request = urllib.request.Request(f"{found[1]}/api/videos", data=long_clip, method="POST")
        request.add_header("Content-Type", "video/mp4")
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 202
        deadline = time.monotonic() + 60
        while not (pids := _children_in(next(temporary.glob("fast_nst-video-*")))):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        service.send_signal(how)
        service.wait(timeout=30)
        service.stderr.close()
    assert all(has_ended(pid) for pid in pids)
    if how == signal.SIGTERM:
        assert list(temporary.iterdir()) == []
