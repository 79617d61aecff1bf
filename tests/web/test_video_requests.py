"""Requests for films that are refused: invalid ones, slow ones, and those of others."""

from __future__ import annotations

import importlib.util
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from starlette.testclient import TestClient

from fast_nst.web import upload
from fast_nst.web import videos as videos_module
from fast_nst.web.access import Access
from fast_nst.web.backend import Backend
from fast_nst.web.models import ServedModel
from fast_nst.web.video_worker import VideoTask
from fast_nst.web.videos import Videos, _Video
from tests.videos.clips import make
from tests.web.conftest import FILM_LIMITS, films_client, serving
from tests.web.films import begin, until

SAMPLE = Path("fast_nst/assets/photos/coffee.jpg")


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


def post(address: tuple[str, int], length: int, body: bytes, query: str = "") -> socket.socket:
    peer = socket.create_connection(address)
    head = (
        f"POST /api/videos{query} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    )
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
    monkeypatch.setattr(upload, "GRACE_PERIOD", 1.0)
    backend = Backend(models, FILM_LIMITS, Access.OWNER)
    with serving(backend) as address:
        with post(address, 1000, b"film"):
            wait_for(lambda: len(list(temporary.iterdir())) == 1)
            with post(address, 4, b"film") as other:
                assert other.recv(65536).startswith(b"HTTP/1.1 409")
        wait_for(lambda: list(temporary.iterdir()) == [])
        with post(address, 1000, b"film") as peer:
            assert peer.recv(65536).startswith(b"HTTP/1.1 408")
        assert list(temporary.iterdir()) == []
        monkeypatch.setattr(upload, "GRACE_PERIOD", 60.0)
        last = post(address, 1000, b"film")
        wait_for(lambda: len(list(temporary.iterdir())) == 1)
    assert list(temporary.iterdir()) == []
    assert last.recv(65536).startswith(b"HTTP/1.1 503")
    last.close()


def test_an_upload_can_be_removed_by_the_identifier_that_its_client_chose(
    models: dict[str, ServedModel], temporary: Path
):
    backend = Backend(models, FILM_LIMITS, Access.OWNER)
    with serving(backend) as address:
        films = httpx.Client(base_url=f"http://127.0.0.1:{address[1]}", trust_env=False)
        with films, post(address, 1000, b"film", "?id=my-film-1") as peer:
            wait_for(lambda: len(list(temporary.iterdir())) == 1)
            assert films.get("/api/videos/my-film-1").json()["state"] == "waiting"
            assert films.delete("/api/videos/my-film-1").status_code == 204
            assert peer.recv(65536).startswith(b"HTTP/1.1 404")
            assert films.delete("/api/videos/my-film-1").status_code == 404
            assert list(temporary.iterdir()) == []
            for status in (202, 409):
                answer = films.post("/api/videos?id=my-film-1", content=b"no film")
                assert answer.status_code == status
                while films.get("/api/videos/my-film-1").json()["state"] != "failed":
                    time.sleep(0.02)
            assert "choose another one" in answer.json()["error"]


def test_a_long_upload_gives_way_and_is_not_painted(
    models: dict[str, ServedModel], temporary: Path, monkeypatch: pytest.MonkeyPatch
):
    with serving(Backend(models, FILM_LIMITS, Access.OWNER)) as address:
        with post(address, 4, b"fil") as peer:
            wait_for(lambda: len(list(temporary.iterdir())) == 1)
            monkeypatch.setattr(videos_module, "_STALLED", 0.0)
            with post(address, 4, b"film") as other:
                peer.sendall(b"m")
                assert peer.recv(65536).startswith(b"HTTP/1.1 409")
                assert other.recv(65536).startswith(b"HTTP/1.1 202")
        assert len(list(temporary.iterdir())) == 1


def test_a_style_that_is_removed_during_the_upload_is_told(
    models: dict[str, ServedModel], temporary: Path
):
    served = dict(models)
    with serving(Backend(served, FILM_LIMITS, Access.OWNER)) as address:
        with post(address, 4, b"fil", "?id=my-film-1&style=negative") as peer:
            wait_for(lambda: len(list(temporary.iterdir())) == 1)
            del served["negative"]
            peer.sendall(b"m")
            assert peer.recv(65536).startswith(b"HTTP/1.1 202")
        films = httpx.Client(base_url=f"http://127.0.0.1:{address[1]}", trust_env=False)
        with films:
            wait_for(lambda: films.get("/api/videos/my-film-1").json()["state"] == "failed")
            error = films.get("/api/videos/my-film-1").json()["error"]
    assert error == "the style 'negative' was removed: choose another one"


def test_time_in_the_upload_does_not_make_a_film_stall(tmp_path: Path):
    video = _Video()
    video.latest_at -= 700  # s
    assert video.is_stalled
    task = VideoTask(
        source=str(tmp_path / "missing"),
        models={},
        strength=1,
        detail=0,
        keep_colors=False,
        max_pixels=1,
        max_memory="1GB",
    )
    video.start(task)
    assert not video.is_stalled
    video.follow()
    assert "missing" in video.status.error
    video.folder.cleanup()


def test_upload_that_cannot_be_stored(
    films: TestClient, temporary: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(videos_module, "_UPLOAD", "missing/upload")
    answer = films.post("/api/videos", content=b"film")
    assert answer.status_code == 507
    assert answer.json()["error"] == "cannot store the upload: No such file or directory"
    assert list(temporary.iterdir()) == []


def test_get_needs_an_identifier(films: TestClient):
    answer = films.get("/api/videos")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert films.get("/api/videos/nothing").status_code == 404


@pytest.mark.usefixtures("temporary")
def test_films_without_the_extra(models: dict[str, ServedModel], monkeypatch: pytest.MonkeyPatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "av" else find_spec(name)
    )
    with films_client(models) as films:
        answer = films.post("/api/videos", content=b"film")
    assert answer.status_code == 501
    assert 'pip install "fast-nst[video]"' in answer.json()["error"]
    described = Videos(models, FILM_LIMITS).described()
    assert described == {"missing": 'pip install "fast-nst[video]"', "max_bytes": 2_000_000}
