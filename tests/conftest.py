"""What several tests share: known models, real picture files, one real training run."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image

from fast_nst.commands.main import main
from fast_nst.models.home import HOME
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_image
from fast_nst.training import models
from fast_nst.training.run import TrainResult

TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as integration tests those of commands and the service, and those that train."""
    folders = [TESTS / "commands", TESTS / "web"]
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if not {"run", "photographs"}.isdisjoint(fixtures) or any(
            folder in item.path.parents for folder in folders
        ):
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session", autouse=True)
def no_styles_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that stands for the user's."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME, str(folder))
        yield folder


@pytest.fixture(autouse=True)
def no_styles_of_another_test(no_styles_of_the_user: Path) -> Iterator[None]:
    yield
    shutil.rmtree(no_styles_of_the_user / "styles", ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def graphs_exported_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """PyTorch takes seconds to export a network's graph, which the workers share."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    export = models._graph

    def shared(pixels: models.PixelNetwork, values: dict[str, torch.Tensor]) -> bytes:
        path = folder / f"{type(pixels.network).__name__}-{len(values)}.onnx"
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                path.write_bytes(export(pixels, values))
            return path.read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "_graph", shared)
        yield


def pytest_configure() -> None:
    """Interrupts work as on a terminal, although a shell's background jobs ignore them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def handlers_left_as_they_were() -> Iterator[None]:
    """A signal handler that a test leaves behind decides how another one ends."""
    signals = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    before = {signum: signal.getsignal(signum) for signum in signals if signum is not None}
    yield
    assert {signum: signal.getsignal(signum) for signum in before} == before


def inverting_model(**changes) -> bytes:
    """A model of our contract that paints 255 - x, so that every output is known by hand."""
    names = {"input": "image", "output": "stylized", "type": TensorProto.UINT8, "channels": 3}
    names.update(changes)
    shape = ["N", "H", "W", names["channels"]]
    most = helper.make_tensor("most", names["type"], [1], [255])
    graph = helper.make_graph(
        [helper.make_node("Sub", ["most", names["input"]], [names["output"]])],
        "invert",
        [helper.make_tensor_value_info(names["input"], names["type"], shape)],
        [helper.make_tensor_value_info(names["output"], names["type"], shape)],
        [most],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    model.metadata_props.add(key="title", value="Negative")
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture
def negative(tmp_path: Path) -> Path:
    path = tmp_path / "negative.onnx"
    path.write_bytes(inverting_model())
    return path


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def pixels(path: Path) -> np.ndarray:
    return to_array(open_image(path))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(noise(24, 36)).save(path)
    return path


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six photographs, some in a subfolder, and two files that only look like some."""
    folder = tmp_path_factory.mktemp("photographs")
    (folder / "nested" / "deeper").mkdir(parents=True)
    for i in range(6):
        place = folder / "nested" / "deeper" if i % 2 else folder
        smooth = Image.fromarray(noise(8, 9, seed=i)).resize((90 + i, 70 + 4 * i))
        smooth.save(place / f"photo{i}.jpg")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 this is no JPEG")
    (folder / "nested" / "empty.png").touch()
    (folder / "notes.txt").write_text("not an image")
    return folder


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, photographs: Path) -> TrainResult:
    """A real run through the command line, as short as can be."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    arguments = f"train --photos {photographs} --out {out} --steps 6 --size 48 --style-size 64"
    arguments += " --batch-size 2 --precision 32 --title Tiny --no-install"
    code = main([*arguments.split(), "--artist", "A. Non"])
    assert code == 0
    return TrainResult(
        out,
        out / "last.ckpt",
        out / "best.ckpt",
        out / "model.onnx",
        out / "preview.jpg",
        6,
        0.0,
        [],
    )
