"""A style of the user's own: the job, its API, and what it leaves."""

from __future__ import annotations

import dataclasses
import io
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2 as httpx
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from fast_nst.assets import SAMPLE_STYLE
from fast_nst.models.catalogue import find_model
from fast_nst.models.home import HOME
from fast_nst.pictures.read import open_image
from fast_nst.web import training as training_module
from fast_nst.web.access import Access
from fast_nst.web.backend import Backend
from fast_nst.web.decoder_pool import Pixels
from fast_nst.web.decoder_worker import Decode
from fast_nst.web.files import page_files
from fast_nst.web.models import ServedModel
from fast_nst.web.service import make_app
from fast_nst.web.training import NoTraining, Order, Training
from fast_nst.web.training_state import TrainingState
from tests.conftest import noise
from tests.web.conftest import HERE, LIMITS
from tests.web.test_child_process import has_ended

QUICK = ("--size=48", "--style-size=64", "--precision=32")
API = "/api/training"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HOME, str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    taken = {"udnie"}
    folder, styles = tmp_path / "training", tmp_path / "styles"
    training = Training(folder, styles, taken.__contains__, lambda name, _: taken.add(name))
    yield training
    training.kill()


def backend_of(
    models: dict[str, ServedModel], access: Access = Access.OWNER, seconds: float = 60
) -> Backend:
    limits = dataclasses.replace(LIMITS, seconds=seconds)
    return Backend(dict(models), limits, training_access=access)


def client_of(backend: Backend) -> TestClient:
    return TestClient(make_app(backend, page_files(backend.models, None, {})), base_url=HERE)


@pytest.fixture
def client(models: dict[str, ServedModel], home: Path) -> Iterator[TestClient]:
    backend = backend_of(models)
    with client_of(backend) as client:
        yield client
    backend.training.kill()


def order(title: str = "Wave", minutes: float = 0.05) -> Order:
    return Order(title=title, painting=Image.fromarray(noise(80, 80)), minutes=minutes)


def give(monkeypatch: pytest.MonkeyPatch, *flags: str) -> None:
    """Let trainings have further flags."""
    arguments = training_module._arguments
    monkeypatch.setattr(training_module, "_arguments", lambda *of: [*arguments(*of), *flags])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, *QUICK)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


PAINTING = png(Image.fromarray(noise(64, 64)))


def wait(state: Callable[[], TrainingState], *wanted: str, seconds: float = 120) -> TrainingState:
    deadline = time.monotonic() + seconds
    while state().state not in wanted:
        assert time.monotonic() < deadline, state()
        time.sleep(0.1)
    return state()


def test_nothing_is_in_training(client: TestClient):
    state = client.get(API).json()
    assert state == {
        "state": "none",
        "name": "",
        "title": "",
        "elapsed": 0,
        "left": None,
        "losses": [],
        "painting": 0,
        "error": "",
    }
    assert client.get(f"{API}/painting").status_code == 404
    for action in ("stop", "cancel"):
        answer = client.post(f"{API}/{action}")
        assert (answer.status_code, answer.json()) == (409, {"error": "no training runs"})
    described = client.get("/openapi.json").json()["paths"][API]["post"]
    form = described["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert set(form) == {"image", "photo", "name", "minutes"}


@pytest.mark.parametrize(
    ("image", "fields", "status", "said"),
    [
        (b"hello", {"name": "a"}, 400, "not an image"),
        (PAINTING[:300], {"name": "a"}, 400, "image"),
        (png(Image.new("RGB", (1, 1))), {"name": "a"}, 400, "the painting is 1x1 px"),
        (png(Image.new("RGB", (3, 100))), {"name": "a"}, 400, "crop it"),
        (png(Image.new("RGBA", (99, 99), (9, 9, 9, 0))), {"name": "a"}, 400, "single color"),
        (png(Image.new("L", (2000, 2000))), {"name": "a"}, 413, "over 1,000,000 pixels"),
        (b"x" * 1_000_001, {"name": "a"}, 413, "over 1 MB"),
        (PAINTING, {}, 400, "give a title"),
        (PAINTING, {"name": "Udnie"}, 400, "a style has the name 'udnie'"),
        (PAINTING, {"name": "negative"}, 400, "a style has the name 'negative'"),
        (PAINTING, {"name": "a", "minutes": "0.5"}, 400, "minutes is '0.5'"),
        (PAINTING, {"name": "a", "minutes": "nan"}, 400, "minutes is 'nan'"),
        (PAINTING, {"name": "a", "minutes": "61"}, 400, "minutes is '61'"),
        (PAINTING, {"name": "a", "minuts": "5"}, 400, "Did you mean 'minutes'?"),
    ],
)
def test_training_rejects_what_it_cannot_use(
    client: TestClient, home: Path, image: bytes, fields: dict, status: int, said: str
):
    answer = client.post(API, files={"image": image}, data=fields)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert said in answer.json()["error"]
    assert client.get(API).json()["state"] == "none"
    assert not home.exists()


@pytest.mark.usefixtures("home")
def test_training_without_its_packages(
    models: dict[str, ServedModel], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("fast_nst.web.training._PACKAGES", ("torch", "no_such_package"))
    with client_of(backend_of(models)) as client:
        answer = client.post(API, files={"image": PAINTING}, data={"name": "a"})
        assert answer.status_code == 501
        assert 'pip install "fast-nst[train]"' in answer.json()["error"]


def test_one_training_that_is_cancelled_leaves_nothing(client: TestClient, home: Path):
    files = {"image": PAINTING, "photo": png(Image.fromarray(noise(50, 40)))}
    answer = client.post(API, files=files, data={"name": "My wave", "minutes": "1"})
    assert answer.status_code == 202
    state = answer.json()
    assert (state["state"], state["name"], state["title"]) == ("starting", "my_wave", "My wave")
    (job,) = (home / "training").glob("job-*")
    painting = Image.open(job / "my_wave.png")
    assert np.array_equal(np.asarray(painting), noise(64, 64))
    assert len(list((job / "photos").iterdir())) == 5
    again = client.post(API, files=files, data={"name": "Other"})
    assert again.status_code == 409
    assert "'My wave' is in training" in again.json()["error"]
    other = Training(home / "training", home / "styles", lambda _: False, lambda *_: None)
    assert job.is_dir()  # another service does not take it for a killed one's
    with pytest.raises(NoTraining, match="another page"):
        other.start(order())
    # Nothing has been trained yet that could be kept.
    assert client.post(f"{API}/stop").json()["state"] == "cancelled"
    assert [path.name for path in (home / "training").iterdir()] == ["lock"]
    assert not (home / "styles").exists()
    assert client.get(f"{API}/painting").status_code == 404


def test_only_who_began_a_training_may_see_and_end_it(models: dict[str, ServedModel], home: Path):
    backend = backend_of(models, Access.ALL)
    with client_of(backend) as client:
        answer = client.post(API, files={"image": PAINTING}, data={"name": "Wave"})
        token = answer.json()["token"]
        assert len(token) > 20
        assert token not in client.get(API).text
        for method, path in (("GET", "painting"), ("POST", "stop"), ("POST", "cancel")):
            for query in ("", "?token=", f"?token={token[:-1]}"):
                refused = client.request(method, f"{API}/{path}{query}")
                assert refused.status_code == 403
                assert "whoever started the training" in refused.json()["error"]
        assert client.get(f"{API}/painting?token={token}").status_code == 404  # there is none yet
        assert client.get(API).json()["state"] == "starting"
        assert client.post(f"{API}/cancel?token={token}").json()["state"] == "cancelled"
    assert [path.name for path in (home / "training").iterdir()] == ["lock"]


def test_a_request_that_timed_out_starts_no_training(
    models: dict[str, ServedModel], home: Path, monkeypatch: pytest.MonkeyPatch
):
    backend = backend_of(models, seconds=0.5)
    decode = backend.decoders.decode

    def slow(task: Decode, cancelled: threading.Event) -> Pixels:
        decoded = decode(task, threading.Event())
        cancelled.wait()
        return decoded

    monkeypatch.setattr(backend.decoders, "decode", slow)
    with client_of(backend) as client:
        answer = client.post(API, files={"image": PAINTING}, data={"name": "Wave"})
        assert answer.status_code == 503
        assert backend.queue.join(20)
        assert client.get(API).json()["state"] == "none"
    assert not home.exists()


SERVICE = """
import sys, time
from pathlib import Path
from tests.web.test_training import order
from fast_nst.web.training import Training
folder = Path(sys.argv[1])
training = Training(folder, folder, lambda _: False, lambda *_: None)
training.start(order())
print(training._job.process._process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_a_killed_service_leaves_no_process_and_its_files_are_removed(tmp_path: Path):
    command = [sys.executable, "-c", SERVICE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        pid = int(service.stdout.readline())
        service.kill()
    assert has_ended(pid)
    assert list(tmp_path.glob("job-*"))
    Training(tmp_path, tmp_path, lambda _: False, lambda *_: None)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_trained_style_is_listed_and_paints(models: dict[str, ServedModel], home: Path):
    backend = backend_of(models)
    with client_of(backend) as client:
        backend.training.start(order("My wave"))
        during = wait(backend.training.state, "training", "exporting", "done")
        assert during.painting >= 1
        live = client.get(f"{API}/painting")
        assert Image.open(io.BytesIO(live.content)).format == "JPEG"
        state = wait(backend.training.state, "done", "failed")
        assert (state.state, state.error, state.left) == ("done", "", None)
        assert state.losses
        assert client.get(f"{API}/painting").status_code == 200
        assert [path.name for path in (home / "training").iterdir()] == ["lock"]
        (listed,) = (s for s in client.get("/api/styles").json() if s["name"] == "my_wave")
        assert (listed["title"], listed["own"], listed["named"]) == ("My wave", True, True)
        assert find_model("my_wave") == home / "styles" / "my_wave.onnx"
        query = "/api/stylize?style=my_wave:1&style=udnie:1&strength=0.8"
        answer = client.post(query, content=png(Image.fromarray(noise(40, 50))))
        assert open_image(answer.content).size == (50, 40)
        taken = client.post(API, files={"image": PAINTING}, data={"name": "My Wave"})
        assert taken.status_code == 400


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_stopped_training_keeps_its_style(training: Training, tmp_path: Path):
    training.start(order(minutes=5))
    wait(training.state, "training")
    training.stop()
    training.stop()
    assert wait(training.state, "stopped", "failed").state == "stopped"
    assert [path.name for path in (tmp_path / "styles").iterdir()] == ["wave.onnx"]


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_training_that_is_killed_says_so(training: Training, tmp_path: Path):
    training.start(order(minutes=5))
    wait(training.state, "training")
    job = training._job
    assert job is not None
    job.process.kill()
    state = wait(training.state, "failed")
    assert "killed, perhaps for lack of memory" in state.error
    assert [path.name for path in (tmp_path / "training").iterdir()] == ["lock"]


@pytest.mark.slow
def test_a_training_that_diverges_says_so(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    give(monkeypatch, *QUICK, "--lr=1e30")
    training.start(order(minutes=5))
    state = wait(training.state, "failed", "done")
    assert state.error.startswith("the loss is nan at step ")
    assert state.error.endswith("training stopped, nothing was saved")
    assert not (tmp_path / "styles").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_training_on_a_full_disk_says_so(training: Training, tmp_path: Path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))  # a checkpoint has 3 MB
    try:
        training.start(order())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    state = wait(training.state, "failed", "done")
    assert state.error == "cannot save 'run/last.ckpt': File too large"
    assert not (tmp_path / "styles").exists()
    assert [path.name for path in (tmp_path / "training").iterdir()] == ["lock"]


@pytest.mark.slow
def test_a_service_that_is_stopped_keeps_the_style(home: Path):
    command = [sys.executable, "-m", "fast_nst.commands.main", "serve", "--no-browser", "-p", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        address = service.stderr.readline().split()[3]
        files = {"image": SAMPLE_STYLE.read_bytes()}
        answer = httpx.post(f"{address}{API}", files=files, data={"name": "Wave", "minutes": "1"})
        assert answer.status_code == 202

        def state() -> TrainingState:
            return TrainingState(**httpx.get(f"{address}{API}").json())

        wait(state, "training")
        service.send_signal(signal.SIGINT)
        _, said = service.communicate(timeout=90)
    assert said == "saving the style in training (Ctrl-C discards it)\nstopped\n"
    assert service.returncode == 0
    assert [path.name for path in (home / "styles").iterdir()] == ["wave.onnx"]
    assert [path.name for path in (home / "training").iterdir()] == ["lock"]
