"""Films: painted in a process of their own, one at a time, and removed with it."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from fast_nst import stylize_video
from fast_nst.commands.serve import ServeOptions
from fast_nst.web import file_upload
from fast_nst.web import videos as videos_module
from fast_nst.web.backend import Backend
from fast_nst.web.limits import Limits
from fast_nst.web.models import ServedModel
from fast_nst.web.service import make_app
from fast_nst.web.videos import Videos, _Video
from tests.videos.clips import flat, make, noisy, probe
from tests.web.conftest import HERE, serving
from tests.web.test_child_process import has_ended

SAMPLE = Path("fast_nst/assets/photos/coffee.jpg")
LIMITS = Limits(max_video="2MB", max_pixels=1_000_000)


def videos_client(models: dict[str, ServedModel], allowed: bool = True) -> TestClient:
    return TestClient(make_app(Backend(models, LIMITS, allowed), {}), base_url=HERE)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def films(models: dict[str, ServedModel]) -> Iterator[TestClient]:
    with videos_client(models) as client:
        yield client


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
    assert len(data) < LIMITS.video_bytes
    return data


def begin(client: TestClient, data: bytes, query: str = "style=udnie") -> str:
    answer = client.post(f"/api/videos?{query}", content=data)
    assert answer.status_code == 202, answer.text
    assert list(answer.json()) == ["id"]
    return answer.json()["id"]


def until(client: TestClient, name: str, *states: str) -> list[dict[str, Any]]:
    """Poll until the film is in one of the states; all that was found."""
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 120
    while not found or found[-1]["state"] not in states:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
        answer = client.get(f"/api/videos/{name}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        found.append(answer.json())
    return found


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
    with videos_client(models) as films:
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


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"hello", "'film' is not a video that can be read"),
        (b"GIF89a nothing", "'film.gif'"),
        (b"RIFF0000WEBPnothing", "'film.webp'"),
        (SAMPLE.read_bytes(), "'film' is no film (jpeg_pipe): give one as MP4, MOV, MKV or WebM"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(500), "'film' is not a video that can be read"),
    ],
)
def test_a_file_that_is_no_film_fails(films: TestClient, data: bytes, said: str):
    status = until(films, begin(films, data), "done", "failed")[-1]
    assert (status["state"], status["done"]) == ("failed", 0)
    assert said in status["error"]
    assert "\n" not in status["error"]


@pytest.mark.parametrize(
    "playlist",
    [
        "ffconcat version 1.0\nfile {name}\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:{path}\n#EXT-X-ENDLIST\n",
    ],
)
def test_playlists_cannot_read_other_files(films: TestClient, tmp_path: Path, playlist: str):
    path = make(tmp_path / "private.ts", frames=20)
    data = playlist.format(name=path.name, path=path).encode()
    status = until(films, begin(films, data), "done", "failed")[-1]
    assert status["state"] == "failed"
    assert status["done"] == 0


def test_frames_have_a_limit_of_pixels(films: TestClient, tmp_path: Path):
    data = make(tmp_path / "large.mp4", size=(1280, 800), frames=2).read_bytes()
    status = until(films, begin(films, data), "done", "failed")[-1]
    assert status["state"] == "failed"
    assert "1280x800, over 1,000,000 pixels" in status["error"]


@pytest.mark.parametrize(
    ("query", "sent", "status", "said"),
    [
        ("style=udni", {"content": b"film"}, 404, "Did you mean 'udnie'?"),
        ("style=../x", {"content": b"film"}, 404, "unknown style '../x'"),
        ("style=udnie&strength=2", {"content": b"film"}, 400, "strength is '2'"),
        ("style=negative&strength=1.2", {"content": b"film"}, 400, "no strength above 1"),
        ("size=100", {"content": b"film"}, 400, "unknown parameter 'size'"),
        ("", {"content": b""}, 400, "the request has no file"),
        ("", {"files": {"film": b"film"}}, 400, "send the file itself as its body"),
        ("", {"content": bytes(2_000_001)}, 413, "over 2 MB"),
        ("", {"content": iter([bytes(1_500_000)] * 2)}, 413, "over 2 MB"),
    ],
)
def test_invalid_requests(
    films: TestClient, temporary: Path, query: str, sent: dict[str, Any], status: int, said: str
):
    answer = films.post(f"/api/videos?{query}", **sent)
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert list(temporary.iterdir()) == []


def post(address: tuple[str, int], length: int, body: bytes) -> socket.socket:
    peer = socket.create_connection(address)
    head = f"POST /api/videos HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    peer.sendall(head.encode() + body)
    return peer


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_uploads_that_stall_or_break_off(
    models: dict[str, ServedModel], temporary: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(file_upload, "GRACE_PERIOD", 1.0)
    backend = Backend(models, LIMITS, True)
    with serving(backend) as address:
        with post(address, 1000, b"film"):
            wait_for(lambda: len(list(temporary.iterdir())) == 1)
            with post(address, 4, b"film") as other:
                assert other.recv(65536).startswith(b"HTTP/1.1 409")
        wait_for(lambda: list(temporary.iterdir()) == [])
        with post(address, 1000, b"film") as peer:
            assert peer.recv(65536).startswith(b"HTTP/1.1 408")
        assert list(temporary.iterdir()) == []
        monkeypatch.setattr(file_upload, "GRACE_PERIOD", 60.0)
        last = post(address, 1000, b"film")
        wait_for(lambda: len(list(temporary.iterdir())) == 1)
    assert list(temporary.iterdir()) == []
    assert last.recv(65536).startswith(b"HTTP/1.1 503")
    last.close()


def test_upload_that_cannot_be_stored(
    films: TestClient, clip: bytes, temporary: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(videos_module, "_UPLOAD", "missing/upload")
    answer = films.post("/api/videos", content=clip)
    assert answer.status_code == 507
    assert answer.json()["error"] == "cannot store the upload: No such file or directory"
    assert list(temporary.iterdir()) == []


def test_get_needs_an_identifier(films: TestClient):
    answer = films.get("/api/videos")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert films.get("/api/videos/nothing").status_code == 404


def test_without_permission_or_the_extra(
    models: dict[str, ServedModel], clip: bytes, monkeypatch: pytest.MonkeyPatch
):
    with videos_client(models, allowed=False) as films:
        answer = films.post("/api/videos", content=clip)
    assert answer.status_code == 403
    assert "--allow-videos" in answer.json()["error"]
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "av" else find_spec(name)
    )
    with videos_client(models) as films:
        answer = films.post("/api/videos", content=clip)
    assert answer.status_code == 501
    assert "pip install 'fast-nst[video]'" in answer.json()["error"]
    described = Videos(models, LIMITS, False).described()
    assert described == {
        "allowed": False,
        "missing": "pip install 'fast-nst[video]'",
        "max_bytes": 2_000_000,
    }


def test_films_are_for_the_user_of_this_machine():
    assert ServeOptions().paints_videos
    assert ServeOptions(host="::1").paints_videos
    assert not ServeOptions(host="0.0.0.0", allow_remote=True).paints_videos
    assert not ServeOptions(allow_remote=True).paints_videos
    assert not ServeOptions(name=["paint.example.org"]).paints_videos  # behind a proxy
    assert ServeOptions(allow_remote=True, allow_videos=True).paints_videos


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
    assert status["error"] == "no frame was painted for 10 minutes"
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
