"""What was asked for is what runs, and every engine paints the same."""

from __future__ import annotations

import itertools
import platform
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto

from fast_nst.assets import DEFAULT_MODEL
from fast_nst.engines.engine import (
    PAYS_FROM,
    EngineOptions,
    OnnxRuntime,
    choose_engine,
    open_engine,
    providers,
)
from fast_nst.engines.openvino import OpenVino, has_bf16
from fast_nst.errors import UserError
from fast_nst.models.catalogue import style_files
from fast_nst.stylize.stylizer import Stylizer
from tests.conftest import inverting_model, noise

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
ENGINES = ("onnxruntime", "openvino")


class FallsBack(onnxruntime.InferenceSession):
    """What ONNX Runtime does where CUDA is installed and its libraries are not."""

    def __init__(self, model, options, providers) -> None:
        super().__init__(model, options, providers=[CPU])


def opened(engine: str, model: bytes | None = None, **options):
    data = DEFAULT_MODEL.read_bytes() if model is None else model
    return open_engine(data, "x", EngineOptions(engine=engine, **options))


def resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def test_a_silent_fallback_is_refused(monkeypatch):
    monkeypatch.setattr(onnxruntime, "InferenceSession", FallsBack)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    assert providers() == ["cpu", "cuda"]
    with pytest.raises(UserError, match=r"'cuda' is installed but does not start here.* on CPU"):
        OnnxRuntime(inverting_model(), "x", "cuda", None)
    pixels = noise(3, 4)[None]
    assert (OnnxRuntime(inverting_model(), "x", "cpu", None).run(pixels) == 255 - pixels).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_paints_any_size_and_batch(engine: str):
    negative = opened(engine, inverting_model())
    for shape in ((1, 1, 1, 3), (3, 5, 7, 3), (1, 200, 100, 3), (2, 1, 64, 3)):
        pixels = noise(shape[0] * shape[1], shape[2]).reshape(shape)
        pixels.flags.writeable = False  # as Pillow lends them
        np.testing.assert_array_equal(negative.run(pixels), 255 - pixels)
        np.testing.assert_array_equal(negative.run(pixels[:, :, ::-1]), 255 - pixels[:, :, ::-1])


@pytest.mark.parametrize("engine", ENGINES)
def test_what_was_painted_stays_when_the_next_is(engine: str):
    negative = opened(engine, inverting_model())
    pixels = noise(30, 40)[None]
    first = negative.run(pixels)
    negative.run(255 - pixels)
    np.testing.assert_array_equal(first, 255 - pixels)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("model", "word"),
    [
        (b"no model at all", r"x cannot be loaded as an ONNX model \(.+\): give a file that"),
        (
            inverting_model(type=TensorProto.FLOAT),
            r"the input image (float|f32) \(free, free, free, 3\)",
        ),
        (inverting_model(input="photo"), "the input photo uint8"),
        (inverting_model(output="painting"), "the output painting uint8"),
        (inverting_model(channels=4), "free, 4"),
    ],
)
def test_other_models_are_refused(engine: str, model: bytes, word: str):
    with pytest.raises(UserError, match=word) as raised:
        opened(engine, model)
    assert ".cpp" not in str(raised.value)


@pytest.mark.parametrize("path", style_files(), ids=lambda path: path.stem)
def test_the_engines_read_the_same_file_alike(path: Path):
    one, other = (opened(engine, path.read_bytes()) for engine in ENGINES)
    assert one.metadata == other.metadata
    assert one.metadata["title"]


SIDES = (1, 2, 3, 5, 8, 10, 11, 13, 15, 16, 17, 18, 31, 47, 64, 129)


def test_the_engines_paint_alike_at_every_size():
    one, other = (opened(engine) for engine in ENGINES)
    for height, width in itertools.product(SIDES, SIDES):
        pixels = noise(height, width, seed=height)[None]
        difference = np.abs(one.run(pixels).astype(int) - other.run(pixels))
        assert difference.max() <= 1, (height, width)


@pytest.mark.parametrize("size", [(16, 16), (16, 17), (19, 16), (33, 18), (64, 48), (130, 97)])
def test_compiled_for_its_size_openvino_paints_the_same(size: tuple[int, int]):
    one, other = (opened(engine) for engine in ENGINES)
    pixels = noise(*size)[None]
    painted = other.run(pixels)
    assert list(other._compiled) == [pixels.shape]
    assert np.abs(one.run(pixels).astype(int) - painted).max() <= 1


class Compilations:
    """Counts what OpenVINO compiles: sizes, and None for any size."""

    def __init__(self, monkeypatch) -> None:
        self.shapes: list[tuple[int, ...] | None] = []
        compiled = OpenVino._compile

        def counted(engine, model):
            shape = model.inputs[0].get_partial_shape()
            self.shapes.append(tuple(shape.to_shape()) if shape.is_static else None)
            return compiled(engine, model)

        monkeypatch.setattr(OpenVino, "_compile", counted)


def test_a_folder_of_many_sizes_compiles_few(monkeypatch):
    compilations = Compilations(monkeypatch)
    engine = opened("openvino", inverting_model())
    for width in range(40, 80):
        engine.run(noise(30, width)[None])
    assert compilations.shapes == [(1, 30, width, 3) for width in (40, 41, 42, 43)] + [None]


def test_a_size_that_comes_often_takes_the_place_of_the_oldest(monkeypatch):
    compilations = Compilations(monkeypatch)
    engine = opened("openvino", inverting_model())
    for width in (40, 41, 42, 43, 40):
        engine.run(noise(30, width)[None])
    for _ in range(OpenVino.EVICT_AFTER + 3):
        engine.run(noise(30, 50)[None])
    assert compilations.shapes[4:] == [None, (1, 30, 50, 3)]
    assert [shape[2] for shape in engine._compiled] == [42, 43, 40, 50]


def test_large_pictures_leave_room_for_few(monkeypatch):
    monkeypatch.setattr(OpenVino, "BYTES_PER_PIXEL", 10**9 // 2 // 6000)
    compilations = Compilations(monkeypatch)
    engine = opened("openvino", inverting_model())
    for width in (100, 101):
        engine.run(noise(50, width)[None])
    assert compilations.shapes == [(1, 50, 100, 3), None]


def test_small_pictures_get_no_model_of_their_own(monkeypatch):
    compilations = Compilations(monkeypatch)
    engine = opened("openvino", inverting_model())
    for size in ((15, 40), (40, 15), (1, 1)):
        engine.run(noise(*size)[None])
    assert compilations.shapes == [None]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_memory_does_not_grow_with_the_sizes_that_came(engine: str):
    painter = opened(engine)
    random = np.random.default_rng(0)

    def paint(pictures: int) -> None:
        for height, width in random.integers(16, 100, (pictures, 2)):
            painter.run(noise(height, width)[None])

    paint(300)
    before = resident_megabytes()
    paint(1200)
    assert resident_megabytes() - before < 16


def test_openvino_does_as_it_is_told():
    engine = opened("openvino", threads=1)
    engine.run(noise(20, 30)[None])
    model = engine._compiled[1, 20, 30, 3].get_compiled_model()
    assert model.get_property("ENABLE_CPU_PINNING") is False
    assert model.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"
    assert model.get_property("INFERENCE_NUM_THREADS") == 1


def test_threads_share_an_engine():
    engine = opened("openvino", threads=1)
    pictures = [noise(100, 120, seed=i)[None] for i in range(48)]
    expected = [engine.run(picture) for picture in pictures]
    painted: dict[int, np.ndarray] = {}

    def work(first: int) -> None:
        for i in range(first, len(pictures), 6):
            painted[i] = engine.run(pictures[i])

    threads = [threading.Thread(target=work, args=(first,)) for first in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal([painted[i] for i in range(len(pictures))], expected)


def test_bf16_is_asked_for_and_never_chosen():
    photo = noise(96, 128)[None]
    exact = opened("onnxruntime").run(photo).astype(int)
    assert np.abs(opened("openvino").run(photo) - exact).mean() < 0.01
    if has_bf16():
        rough = opened("openvino", precision="bf16").run(photo)
        assert 0.01 < np.abs(rough - exact).mean() < 1
    else:
        with pytest.raises(UserError, match="this processor has no bf16"):
            opened("openvino", precision="bf16")


@pytest.mark.parametrize(
    ("options", "pictures", "expected"),
    [
        ({}, 1, "onnxruntime"),
        ({}, PAYS_FROM - 1, "onnxruntime"),
        ({}, PAYS_FROM, "openvino"),
        ({"engine": "onnxruntime"}, 1000, "onnxruntime"),
        ({"engine": "openvino"}, 1, "openvino"),
        ({"provider": "cuda"}, 1000, "onnxruntime"),
        ({"provider": "CPUExecutionProvider"}, 1000, "openvino"),
        ({"provider": "CPU", "engine": "openvino"}, 1, "openvino"),
        ({"precision": "bf16"}, 1, "openvino"),
    ],
)
def test_auto_takes_what_pays(options: dict[str, str], pictures: int, expected: str, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "AMD64")
    assert choose_engine(EngineOptions(**options), pictures) == expected


def test_auto_chooses_the_engine_by_the_number_of_pictures(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    for pictures, engine in ((1, "onnxruntime"), (PAYS_FROM - 1, "onnxruntime"), (16, "openvino")):
        assert Stylizer("udnie_fast", pictures=pictures).engine == engine
    assert Stylizer("udnie_fast").engine == "onnxruntime"
    assert Stylizer("udnie_fast", engine="openvino").engine == "openvino"


def test_auto_takes_onnx_runtime_where_openvino_is_not_or_is_not_at_home(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert choose_engine(EngineOptions()) == "onnxruntime"
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert choose_engine(EngineOptions()) == "onnxruntime"
    with pytest.raises(
        UserError, match=r"OpenVINO is not installed: pip install \"fast-nst\[openvino\]\""
    ):
        opened("openvino")


def test_a_broken_openvino_is_told_and_auto_does_without(monkeypatch, tmp_path: Path):
    (tmp_path / "openvino.py").write_text("raise OSError('libtbb.so: cannot open')")
    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert choose_engine(EngineOptions()) == "onnxruntime"
    with pytest.raises(UserError, match=r"OpenVINO cannot be imported \(libtbb.so: cannot open\)"):
        opened("openvino")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"engine": "tensorflow"}, "unknown engine 'tensorflow'.*auto, onnxruntime, openvino"),
        ({"engine": "openvino", "provider": "cuda"}, "'cuda' is ONNX Runtime's"),
        ({"engine": "onnxruntime", "precision": "bf16"}, "bf16 is OpenVINO's"),
        ({"provider": "cuda", "precision": "bf16"}, "bf16 is OpenVINO's"),
        ({"precision": "fp16"}, "unknown precision 'fp16'"),
        ({"threads": 0}, "threads is 0: it must be from 1 to 1024"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict, word: str):
    with pytest.raises(UserError, match=word):
        EngineOptions(**options)


def test_openvino_is_imported_without_its_telemetry():
    program = (
        "import sys; from fast_nst import Stylizer; Stylizer(engine='openvino');"
        "assert 'openvino' in sys.modules;"
        "assert not any(name.startswith('openvino_telemetry') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.integration
def test_ctrl_c_is_survived_when_engines_are_gone():
    program = (
        "import ctypes, gc, signal; from fast_nst import Stylizer\n"
        "signal.signal(signal.SIGINT, lambda *_: print('stopped'))\n"
        "import numpy; pixels = numpy.zeros((40, 50, 3), numpy.uint8)\n"
        "for _ in range(2):\n"
        "    both = [Stylizer(name, engine='openvino') for name in ('udnie', 'evening')]\n"
        "    for stylize in both: stylize(pixels, strength=0.6)\n"
        "    del both, stylize; gc.collect()\n"
        "ctypes.CDLL(None).malloc_trim(0)\n"
        "signal.raise_signal(signal.SIGINT)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr


def test_a_stylizer_says_what_it_runs_on():
    stylize = Stylizer(DEFAULT_MODEL, engine="auto", provider="cpu", threads=1)
    assert stylize.engine in ENGINES
    assert repr(stylize) == (
        f"Stylizer({str(DEFAULT_MODEL)!r}, strength=1, detail=0.3, engine={stylize.engine!r}, "
        "provider='cpu', precision='32', threads=1, max_memory='1GB', statistics='exact')"
    )
    blend = repr(Stylizer({"udnie": 3, "evening": 1}, strength=0.5, detail=0.75))
    assert "udnie.onnx': 3, " in blend
    assert "strength=0.5, detail=0.75, engine='onnxruntime'" in blend


def test_strengths_and_blends_run_on_openvino():
    pixels = noise(40, 50)
    for model, strength in (("udnie", 0.6), ({"udnie": 0.5, "evening": 0.5}, 1.2)):
        one, other = (
            Stylizer(model, strength=strength, engine=engine)(pixels).astype(int)
            for engine in ENGINES
        )
        assert np.abs(one - other).max() <= 1


FIRST_PICTURES = """
import os, sys, threading
import numpy as np
from fast_nst.assets import DEFAULT_MODEL
from fast_nst.engines.engine import EngineOptions, open_engine

options = EngineOptions(engine="openvino", threads=1)
engines = [open_engine(DEFAULT_MODEL.read_bytes(), "the model", options) for _ in range(8)]
picture = np.zeros((1, 16, 16, 3), np.uint8)
for engine in engines:
    engine._request(picture.shape)
together = threading.Barrier(len(engines))
sys.setswitchinterval(1e-7)

def paint(engine):
    together.wait()
    engine.run(picture)

threads = [threading.Thread(target=paint, args=(engine,)) for engine in engines]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("painted")
"""


@pytest.mark.integration
def test_threads_may_begin_together():
    # Each thread's first array made it wait for another's import, and that for Python's lock.
    command = [sys.executable, "-c", FIRST_PICTURES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "painted\n"


def test_an_engine_lets_memory_go_when_told():
    for name in ("onnxruntime", "openvino"):
        engine = opened(name, DEFAULT_MODEL.read_bytes())
        pixels = noise(40, 50)[None]
        expected = engine.run(pixels)
        np.testing.assert_array_equal(engine.run(pixels, keep_memory=False), expected)
        np.testing.assert_array_equal(engine.run(pixels), expected)
