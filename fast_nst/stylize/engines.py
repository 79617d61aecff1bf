"""What runs an exported model: ONNX Runtime or OpenVINO, behind one small interface."""

from __future__ import annotations

import contextlib
import functools
import math
import platform
import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnxruntime

from fast_nst.errors import UserError, choose
from fast_nst.options import check, option
from fast_nst.pictures.edit import Array

INPUT, OUTPUT = "image", "stylized"
_MOST_THREADS = 1024

ONNX_RUNTIME, OPENVINO = "onnxruntime", "openvino"
ENGINES = ("auto", ONNX_RUNTIME, OPENVINO)
PRECISIONS = ("32", "bf16")
PAYS_FROM = 16  # pictures; before that, importing and compiling cost more than OpenVINO saves

_X86 = ("x86_64", "amd64")  # where OpenVINO was measured, and brings its own kernels

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}


def provider_option() -> Any:
    """Which of ONNX Runtime's devices."""
    return option("device that ONNX Runtime uses, if installed", "cpu", metavar="NAME")


def threads_option(of: str = "") -> Any:
    """How many threads work on a picture."""
    help_text = f"CPU threads{of}; default: one a core"
    return option(help_text, None, metavar="N", least=1, most=_MOST_THREADS)


@dataclass(kw_only=True)
class EngineOptions:
    """What runs the network."""

    engine: str = option(
        "onnxruntime starts fastest; openvino, an extra of its own, paints fastest on x86 CPUs; "
        f"auto takes it, where it is installed, from {PAYS_FROM} pictures on",
        "auto",
        choices=ENGINES,
    )
    provider: str = provider_option()
    precision: str = option("of openvino; bf16 is faster and less exact", "32", choices=PRECISIONS)
    threads: int | None = threads_option()

    def __post_init__(self) -> None:
        """Refuse what is out of range, and what does not go together.

        Raises:
            UserError: A value is not allowed, or one asks for OpenVINO and another refuses it.
        """
        check(self)
        if self.engine == OPENVINO and self.provider != "cpu":
            raise UserError(
                f"provider {self.provider!r} is ONNX Runtime's: leave out engine openvino"
            )
        if self.precision == "bf16" and (self.engine == ONNX_RUNTIME or self.provider != "cpu"):
            raise UserError(
                "precision bf16 is OpenVINO's: give it with engine openvino, on the CPU"
            )


class Engine(Protocol):
    """A model, loaded and ready to run on pictures of any size, from any thread."""

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself."""

    def run(self, images: Array) -> Array:
        """(N, H, W, 3) uint8 in, the same out; a caller minds that the model may be a bad one."""


def choose_engine(options: EngineOptions, pictures: float = math.inf) -> str:
    """`ONNX_RUNTIME` or `OPENVINO`, whichever was asked for or is faster here.

    Args:
        options: What was asked for.
        pictures: How many there are to paint; by default more than it takes to pay.
    """
    if options.engine != "auto":
        return options.engine
    if options.precision == "bf16":
        return OPENVINO
    is_worth_it = options.provider == "cpu" and pictures >= PAYS_FROM
    return OPENVINO if is_worth_it and _openvino_runs_natively() else ONNX_RUNTIME


def open_engine(data: bytes, name: str, options: EngineOptions) -> Engine:
    """Load a model and make sure that it is one of ours: pixels in, pixels out.

    Args:
        data: The model file.
        name: What to call it in an error.
        options: What to run it with.

    Raises:
        UserError: The model cannot be used, or the engine or provider not be had.
    """
    if choose_engine(options) == OPENVINO:
        return OpenVino(data, name, options.precision, options.threads)
    return OnnxRuntime(data, name, options.provider, options.threads)


def providers() -> list[str]:
    """The devices that the installed ONNX Runtime can use, by their short names."""
    installed = onnxruntime.get_available_providers()
    return [name for name, full in _PROVIDERS.items() if full in installed]


class OnnxRuntime:
    """ONNX Runtime, on one of its devices.

    Args:
        data: The model file.
        name: What to call it in an error.
        provider: Device, by its short name or ONNX Runtime's own.
        threads: Of one picture's arithmetic; None is one a core.

    Raises:
        UserError: The model cannot be used, or the provider not be had.
    """

    def __init__(self, data: bytes, name: str, provider: str, threads: int | None) -> None:
        full_name = _full_name(provider)
        try:
            self._session = onnxruntime.InferenceSession(
                data, _session_options(threads), providers=[full_name]
            )
        except Exception as error:  # its errors share no base class
            raise _cannot_load(name, error) from error
        used = self._session.get_providers()[0]
        if used != full_name:  # it falls back without a word
            raise UserError(
                f"the provider {provider!r} is installed but does not start here, the model would "
                f"run on {used}: check the device's driver and libraries, or give --provider cpu"
            )
        _check_signature(
            name,
            map(_onnx_runtime_tensor, self._session.get_inputs()),
            map(_onnx_runtime_tensor, self._session.get_outputs()),
        )

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, images: Array) -> Array:
        """(N, H, W, 3) uint8 in, the same out."""
        painted: Array = self._session.run([OUTPUT], {INPUT: images})[0]
        return painted


def _full_name(provider: str) -> str:
    """ONNX Runtime's name of an installed provider, given that or the short one."""
    if provider in onnxruntime.get_available_providers():
        return provider
    short_names = {full: name for name, full in _PROVIDERS.items()}
    short_name = choose("provider", short_names.get(provider, provider.lower()), _PROVIDERS)
    if short_name not in providers():
        raise UserError(
            f"the installed ONNX Runtime lacks {short_name!r}; it has: {', '.join(providers())}"
        )
    return _PROVIDERS[short_name]


def _session_options(threads: int | None) -> onnxruntime.SessionOptions:
    """What `benchmarks/engines.py` found best; the rest is ONNX Runtime's default."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised; the log repeats it
    if threads is not None:
        options.intra_op_num_threads = threads
    # Threads that wait for work spin; those of a second session then take the first one's cores.
    options.add_session_config_entry("session.intra_op.spin_duration_us", "200")
    options.add_session_config_entry("session.force_spinning_stop", "1")  # for older versions
    options.enable_mem_pattern = False  # would remember each size that ever came
    return options


class OpenVino:
    """OpenVINO, on the CPU.

    A model compiled for one size is a third faster than one for any, so sizes that come often get
    their own, the least recently used of which makes room. The others share one for any size.
    Pictures of one engine are painted one after the other, whatever thread they come from.

    Args:
        data: The model file.
        name: What to call it in an error.
        precision: Of the arithmetic, "32" or "bf16".
        threads: Of one picture's arithmetic; None is one a core.

    Raises:
        UserError: OpenVINO is not there, the processor has no bf16, or the model cannot be used.
    """

    KEPT_SIZES = 4
    KEPT_PIXELS = 16_000_000  # of all of these together; each takes about 60 bytes
    OFTEN = 64  # times that a size comes before another makes room for it: compiling takes its time
    SMALLEST = 16  # px; compiled for a size under 11, OpenVINO 2026.4 paints something else

    def __init__(self, data: bytes, name: str, precision: str, threads: int | None) -> None:
        self._core = _core(_import_openvino())
        if precision == "bf16" and "BF16" not in self._core.get_property(
            "CPU", "OPTIMIZATION_CAPABILITIES"
        ):
            raise UserError("this processor has no bf16: leave --precision at 32")
        try:
            self._model = self._core.read_model(data)
        except Exception as error:  # its errors share no base class
            raise _cannot_load(name, error) from error
        _check_signature(
            name,
            map(_openvino_tensor, self._model.inputs),
            map(_openvino_tensor, self._model.outputs),
        )
        self._settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "ENABLE_CPU_PINNING": False,  # pins the threads of two models to the same cores
            "CPU_RUNTIME_CACHE_CAPACITY": 16,  # sizes; the default remembers thousands
        }
        if threads is not None:
            self._settings["INFERENCE_NUM_THREADS"] = threads
        self._lock = threading.Lock()
        self._for_size: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self._for_any: Any = None
        self._came: Counter[tuple[int, ...]] = Counter()

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself."""
        if not self._model.has_rt_info("framework"):
            return {}
        return {
            key: str(value.value) for key, value in self._model.get_rt_info()["framework"].items()
        }

    def run(self, images: Array) -> Array:
        """(N, H, W, 3) uint8 in, the same out."""
        with self._lock:
            request = self._request(images.shape)
            painted: Array = request.infer([np.ascontiguousarray(images)], share_inputs=True)[0]
        return painted

    def _request(self, shape: tuple[int, ...]) -> Any:
        """What runs pictures of this shape."""
        if shape in self._for_size:
            self._for_size.move_to_end(shape)
            return self._for_size[shape]
        self._came[shape] += 1
        may_have_its_own = min(shape[1:3]) >= self.SMALLEST
        if may_have_its_own and (self._has_room(shape) or self._came[shape] >= self.OFTEN):
            self._came.clear()
            while self._for_size and not self._has_room(shape):
                self._for_size.popitem(last=False)
            model = self._model.clone()
            model.reshape(shape)
            self._for_size[shape] = self._compiled(model)
            return self._for_size[shape]
        if self._for_any is None:
            self._for_any = self._compiled(self._model)
        return self._for_any

    def _has_room(self, shape: tuple[int, ...]) -> bool:
        pixels = [math.prod(kept[:3]) for kept in (*self._for_size, shape)]
        return len(pixels) <= self.KEPT_SIZES and sum(pixels) <= self.KEPT_PIXELS

    def _compiled(self, model: Any) -> Any:
        return self._core.compile_model(model, "CPU", self._settings).create_infer_request()


def _openvino_runs_natively() -> bool:
    if platform.machine().lower() not in _X86:
        return False
    try:
        _import_openvino()
    except UserError:
        return False
    return True


def _import_openvino() -> Any:
    try:
        with _hidden("openvino_telemetry"):
            import openvino
    except Exception as error:  # a broken installation raises what it likes
        if isinstance(error, ModuleNotFoundError):
            reason = "is not installed"
        else:
            reason = f"cannot be imported ({' '.join(str(error).split())[:160]})"
        raise UserError(
            f"OpenVINO {reason}: pip install 'fast-nst[openvino]', or leave out --engine openvino"
        ) from error
    return openvino


@functools.cache
def _core(openvino: Any) -> Any:
    """OpenVINO's one entry, made once.

    Each gives the thread that makes it another stack for signals, which is freed with it: without
    the last one, the next Ctrl-C would crash.
    """
    return openvino.Core()


@contextlib.contextmanager
def _hidden(module: str) -> Iterator[None]:
    """Imports as if a module were not installed.

    `import openvino` reports itself to Google Analytics if it finds its telemetry, and does without
    if not; who paints pictures was not asked.
    """
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


def _cannot_load(name: str, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:160]
    return UserError(f"{name} cannot be loaded as an ONNX model: {reason}")


@dataclass(frozen=True)
class _Tensor:
    """What goes in or comes out; a free length is None."""

    name: str
    type: str
    shape: Sequence[int | None]

    def __str__(self) -> str:
        lengths = ("free" if length is None else str(length) for length in self.shape)
        return f"{self.name} {self.type} ({', '.join(lengths)})"


def _onnx_runtime_tensor(given: Any) -> _Tensor:
    return _Tensor(
        given.name,
        given.type.removeprefix("tensor(").removesuffix(")"),
        [length if isinstance(length, int) else None for length in given.shape],
    )


def _openvino_tensor(given: Any) -> _Tensor:
    type_name = given.get_element_type().get_type_name()
    return _Tensor(
        given.get_any_name(),
        "uint8" if type_name == "u8" else type_name,
        [length.get_length() if length.is_static else None for length in given.get_partial_shape()],
    )


def _check_signature(model: str, inputs: Iterable[_Tensor], outputs: Iterable[_Tensor]) -> None:
    for kind, expected, found in (
        ("input", INPUT, list(inputs)),
        ("output", OUTPUT, list(outputs)),
    ):
        fits = (
            len(found) == 1
            and found[0].name == expected
            and found[0].type == "uint8"
            and len(found[0].shape) == 4
            and found[0].shape[3] in (3, None)
            and list(found[0].shape[:3]) == [None, None, None]
        )
        if not fits:
            raise UserError(
                f"{model} has the {kind} {', '.join(map(str, found))}; a fast_nst model has one "
                f"{kind} {expected!r} of uint8 (N, H, W, 3) with free N, H, W: export it with "
                "fast-nst export"
            )
