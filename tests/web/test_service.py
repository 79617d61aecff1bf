"""The HTTP service: results, and errors as one line of JSON."""

from __future__ import annotations

import io
import itertools
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from fast_nst import Stylizer
from fast_nst.commands.main import main
from fast_nst.errors import UserError
from fast_nst.pictures.edit import Pixels
from fast_nst.pictures.read import open_image
from fast_nst.web.decoder_pool import DecoderPool
from fast_nst.web.decoder_worker import Decode
from fast_nst.web.limits import Limits
from fast_nst.web.models import ServedModel
from fast_nst.web.settings import Settings
from fast_nst.web.stylizer_pool import StylizerPool
from tests.commands.test_hostile import damaged, kinds
from tests.conftest import noise
from tests.web.conftest import client_of


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def test_stylize_a_request_body(client: TestClient):
    pixels = noise(20, 30)
    answer = client.post("/api/stylize?style=negative&detail=0", content=png(pixels))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert re.fullmatch(r"paint;dur=\d+\.\d", answer.headers["server-timing"])
    assert np.array_equal(np.asarray(open_image(answer.content)), 255 - pixels)


def test_stylize_a_form_without_temporary_files(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a temporary file")

    monkeypatch.setattr("tempfile._TemporaryFileWrapper.__init__", refuse)
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    pixels = noise(500, 600)  # as a PNG 0.9 MB
    answer = client.post(
        "/api/stylize?style=negative&detail=0", files={"image": ("a.png", png(pixels), "image/png")}
    )
    assert answer.status_code == 200
    assert np.array_equal(np.asarray(open_image(answer.content)), 255 - pixels)


@pytest.mark.parametrize(
    ("query", "flags"),
    [
        ("style=udnie", "--style udnie"),
        (
            "style=udnie&strength=0.15&keep_colors=true",
            "--style udnie --strength 0.15 --keep-colors",
        ),
        (
            "style=udnie:0.6&style=evening:0.4&size=301",
            "--style udnie:0.6 --style evening:0.4 --size 301",
        ),
        ("strength=1.3&stroke_scale=1.7", "--strength 1.3 --stroke-scale 1.7"),
        ("style=udnie&detail=0.85", "--style udnie --detail 0.85"),
    ],
)
def test_stylize_gives_the_pixels_of_infer(
    client: TestClient, photograph: bytes, tmp_path: Path, query: str, flags: str
):
    source, target = tmp_path / "photo.jpg", tmp_path / "painting.png"
    source.write_bytes(photograph)
    assert main(["infer", str(source), "-o", str(target), *flags.split(), "-q"]) == 0
    answer = client.post(f"/api/stylize?{query}", content=photograph)
    assert answer.status_code == 200
    assert np.array_equal(open_image(answer.content), open_image(target))


def test_stylize_in_tiles_above_max_memory(models: dict[str, ServedModel], photograph: bytes):
    query = "/api/stylize?style=udnie&size=700"
    whole, tiled = (Limits(max_pixels=2_000_000, max_memory=memory) for memory in ("1GB", "64MB"))
    found = []
    for limits in (whole, tiled):
        with client_of(models, limits) as client:
            found.append(np.asarray(open_image(client.post(query, content=photograph).content)))
    assert np.abs(found[0].astype(int) - found[1]).max() <= 1


def test_stylizer_pool_stops_a_cancelled_job_at_the_next_tile(
    models: dict[str, ServedModel], photograph: bytes, decoders: DecoderPool
):
    stylizers = StylizerPool(models, Limits(max_memory="64MB"), decoders)
    wanted = Settings(style=["udnie_fast"], size=1500, format="jpg").request()
    assert stylizers.paint(photograph, wanted, threading.Event()).media_type == "image/jpeg"

    class CancellingPool(DecoderPool):
        """The client disconnects while the image is decoded."""

        def decode(self, task: Decode, cancelled: threading.Event) -> Pixels:
            photo = decoders.decode(task, threading.Event())
            cancelled.set()
            return photo

    with pytest.raises(UserError, match=r"^stopped after 1 of \d+ tiles"):
        StylizerPool(models, Limits(max_memory="64MB"), CancellingPool()).paint(
            photograph, wanted, threading.Event()
        )


@pytest.mark.parametrize(("file_format", "kind"), [("jpg", "JPEG"), ("webp", "WEBP")])
def test_stylize_formats_and_quality(
    client: TestClient, photograph: bytes, file_format: str, kind: str
):
    sizes = []
    for quality in (30, 95):
        query = f"format={file_format}&quality={quality}&size=200"
        answer = client.post(f"/api/stylize?{query}", content=photograph)
        assert answer.headers["content-type"] == f"image/{kind.lower()}"
        assert Image.open(io.BytesIO(answer.content)).format == kind
        sizes.append(len(answer.content))
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("style=udni", 404, "unknown style 'udni'. Did you mean 'udnie'?"),
        ("style=../../../etc/passwd", 404, "unknown style '../../../etc/passwd'."),
        ("style=udnie:0", 400, "weight above 0"),
        ("style=udnie:nan", 400, "weight above 0"),
        ("style=udnie&style=negative", 400, "style 'negative' takes no strength above 1"),
        ("style=negative&strength=1.2", 400, "style 'negative' takes no strength above 1"),
        ("strength=bold", 400, "strength is 'bold': it must be a valid number"),
        ("strength=nan", 400, "strength is 'nan'"),
        ("strength=1.6", 400, "less than or equal to 1.5"),
        ("detail=1.1", 400, "detail is '1.1': it must be less than or equal to 1"),
        ("detail=nan", 400, "detail is 'nan'"),
        ("size=0", 400, "size is '0'"),
        ("size=100000", 413, "makes 100000x100000 px of the input, over 1,000,000 pixels"),
        ("stroke_scale=0.1&size=200", 413, "makes 2000x2000 px"),
        ("stroke_scale=11", 400, "stroke_scale is '11'"),
        ("keep_colors=perhaps", 400, "keep_colors is 'perhaps'"),
        ("format=gif", 400, "unknown format 'gif'. Choose one of: png, jpg, webp"),
        ("quality=101", 400, "quality is '101'"),
        ("stlye=udnie", 400, "unknown parameter 'stlye'. Did you mean 'style'?"),
    ],
)
def test_stylize_rejects_invalid_parameters(client: TestClient, query: str, status: int, said: str):
    answer = client.post(f"/api/stylize?{query}", content=png(noise(8, 8)))
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert said in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_stylize_fades_an_unmixable_model_below_strength_one(client: TestClient):
    pixels = noise(8, 8)
    answer = client.post("/api/stylize?style=negative&strength=0.5&detail=0", content=png(pixels))
    assert answer.status_code == 200
    assert np.abs(np.asarray(open_image(answer.content)).astype(float) - 127.5).max() < 1


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        ({"content": b""}, 400, "no image: send an image file"),
        ({"content": b"hello"}, 400, "not an image that can be read"),
        ({"content": b"x" * 1_000_001}, 413, "over 1 MB"),
        ({"content": iter([b"x" * 600_000] * 2)}, 413, "over 1 MB"),
        (
            {"content": png(np.zeros((1001, 1000, 3), np.uint8))},
            413,
            "the image has over 1,000,000 pixels",
        ),
        (
            {"content": png(np.zeros((2000, 2000, 3), np.uint8))},
            413,
            "the image has over 1,000,000 pixels",
        ),
        ({"files": {"image": b""}}, 400, "is empty"),
        ({"files": [("a", b"x"), ("b", b"y")]}, 400, "the form has 2 images"),
        ({"data": {"stlye": "udnie"}, "files": {"a": b"x"}}, 400, "Did you mean 'style'?"),
        ({"data": {"strength": "2"}, "files": {"a": b"x"}}, 400, "strength is '2': it must be"),
        ({"data": {"style": "udni"}, "files": {"a": b"x"}}, 404, "Did you mean 'udnie'?"),
        ({"data": {"format": "gif"}, "files": {"a": b"x"}}, 400, "unknown format 'gif'"),
        ({"files": {"style": (None, "udnie")}}, 400, "the form has no image"),
        ({"data": {"size": ["1"] * 101}, "files": {"a": b"x"}}, 400, "Too many fields"),
        (
            {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
            400,
            "Missing boundary",
        ),
        (
            {"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=b"}},
            400,
            "the form",
        ),
    ],
)
def test_stylize_rejects_invalid_bodies(client: TestClient, sent: dict, status: int, said: str):
    answer = client.post("/api/stylize", **sent)
    assert answer.status_code == status
    assert said in answer.json()["error"]


def test_stylize_survives_hostile_uploads(client: TestClient):
    count = {200: 0, 400: 0, 413: 0}
    some = itertools.islice(damaged(), 0, None, 4)  # test_hostile.py runs all of them
    for name, data in [*kinds().items(), *some]:
        answer = client.post("/api/stylize?style=negative&format=jpg", content=data)
        count[answer.status_code] += 1
        if answer.status_code == 200:
            open_image(answer.content)
        else:
            sentence = answer.json()["error"]
            assert sentence, name
            assert "\n" not in sentence
            assert len(sentence) < 300
            assert "--" not in sentence, "flags are the command line's"
    assert min(count[200], count[400]) > 50


def test_styles_endpoint(client: TestClient):
    styles = client.get("/api/styles").json()
    assert len(styles) == 13
    assert styles[0] == {
        "name": "negative",
        "title": "Negative",
        "artist": "",
        "year": "",
        "licence": "",
        "bytes": styles[0]["bytes"],
        "own": True,
        "named": False,
        "mixes": False,
        "network": "",
        "live": "",
        "removable": False,
    }
    udnie = next(style for style in styles if style["name"] == "udnie")
    assert (udnie["artist"], udnie["own"], udnie["mixes"]) == ("Francis Picabia", False, True)
    assert (udnie["network"], udnie["live"]) == ("fine", "udnie_fast")
    assert not any(style["name"] == "udnie_fast" for style in styles)  # only as udnie's `live`


def test_stylize_with_a_camera_model_and_no_blend_of_networks(client: TestClient):
    photo = png(noise(40, 50))
    answer = client.post("/api/stylize?style=udnie_fast&detail=0", content=photo)
    assert answer.status_code == 200
    expected = Stylizer("udnie_fast", detail=0)(noise(40, 50))
    assert np.array_equal(np.asarray(open_image(answer.content)), expected)
    answer = client.post("/api/stylize?style=udnie_fast&style=udnie", content=photo)
    assert answer.status_code == 400
    assert "two networks do not mix" in answer.json()["error"]


def test_healthz_and_openapi(client: TestClient):
    assert client.get("/healthz").json()["taken"] == 0
    described = client.get("/openapi.json").json()["paths"]["/api/stylize"]["post"]
    assert "image/*" in described["requestBody"]["content"]
    assert {"200", "400", "404", "413", "503"} <= set(described["responses"])
    assert [p["name"] for p in described["parameters"]][:2] == ["style", "strength"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/../pyproject.toml", 404),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404),
        ("GET", "/api", 404),
        ("GET", "/docs", 404),
        ("POST", "/", 405),
        ("POST", "/api/stylize/", 405),
        ("DELETE", "/api/stylize", 405),
        ("GET", "/api/stylize", 405),
        ("POST", "/healthz", 405),
    ],
)
def test_unknown_paths_and_methods_are_rejected(
    client: TestClient, method: str, path: str, status: int
):
    answer = client.request(method, path, follow_redirects=False)
    assert answer.status_code == status
    assert answer.json()["error"].startswith(method)
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/healthz", 200), ("/api/styles", 200), ("/api/stylize", 405), ("/nowhere", 404)],
)
def test_head_requests(client: TestClient, path: str, status: int):
    answer = client.head(path)
    assert (answer.status_code, answer.content) == (status, b"")


def test_stylize_takes_settings_from_form_fields(client: TestClient, photograph: bytes):
    file = {"image": ("a.jpg", photograph)}
    fields = {"style": ["udnie:0.6", "evening:0.4"], "size": "200", "format": "png", "quality": ""}
    answer = client.post("/api/stylize", data=fields, files=file)
    assert answer.status_code == 200
    query = "style=udnie:0.6&style=evening:0.4&size=200"
    assert answer.content == client.post(f"/api/stylize?{query}", content=photograph).content
    both = client.post("/api/stylize?size=200&style=udnie", data={"size": "300"}, files=file)
    assert both.status_code == 400
    assert both.json()["error"] == "size is in the URL and in the form: give it once"


def test_out_of_memory_while_painting_is_503(client: TestClient, monkeypatch: pytest.MonkeyPatch):
    def add_detail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("fast_nst.stylize.painting.add_detail", add_detail)
    answer = client.post("/api/stylize?style=negative", content=png(noise(20, 30)))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "not enough memory" in answer.json()["error"]


def test_stylize_responds_503_with_retry_after_when_the_queue_is_full(
    models: dict[str, ServedModel], monkeypatch: pytest.MonkeyPatch
):
    begun, go_on = threading.Semaphore(0), threading.Event()

    def wait(*args: object) -> None:
        begun.release()
        assert go_on.wait(30)
        raise MemoryError

    monkeypatch.setattr(DecoderPool, "decode", wait)
    answers = []
    with client_of(models, Limits(workers=1, queue=1)) as client:

        def ask() -> None:
            answers.append(client.post("/api/stylize", content=b"picture"))

        asking = [threading.Thread(target=ask) for _ in range(2)]
        asking[0].start()
        assert begun.acquire(timeout=30)
        asking[1].start()
        until = time.monotonic() + 30
        while client.get("/healthz").json()["taken"] < 2:
            assert time.monotonic() < until
        third = client.post("/api/stylize", content=b"picture")
        assert third.status_code == 503
        assert third.headers["retry-after"] == "2"
        assert "busy" in third.json()["error"]
        go_on.set()
        for thread in asking:
            thread.join()
        assert [answer.status_code for answer in answers] == [503, 503]
        assert all("not enough memory" in answer.json()["error"] for answer in answers)
        assert client.get("/healthz").json()["taken"] == 0


def test_stylize_times_out(models: dict[str, ServedModel], photograph: bytes):
    limits = Limits(seconds=0.001)
    with client_of(models, limits) as client:
        answer = client.post("/api/stylize?size=2000", content=photograph)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert "timed out" in answer.json()["error"]
