"""The engine OpenVINO. Its package is imported only when an engine is opened, since it is slow."""

from __future__ import annotations

import contextlib
import functools
import math
import platform
import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from fast_nst.engines.forks import abandon, after_fork
from fast_nst.errors import UserError
from fast_nst.models.signature import Graph, Tensor, cannot_load, check_signature
from fast_nst.pictures.edit import Array

_IMPORT_LOCK = threading.Lock()
_X86 = ("x86_64", "amd64")  # other machines were not measured


class OpenVino:
    """OpenVINO on the CPU.

    A model compiled for a fixed size is a third faster than one of dynamic size. Frequent sizes get
    a model of their own, in a cache that evicts the least recently used; other sizes share a
    dynamic one. Calls from several threads run one at a time.

    Args:
        data: The content of the model file.
        name: What error messages call it.
        precision: Of the arithmetic, "32" or "bf16".
        threads: CPU threads per image; None is one per core.
        memory: Bytes that it may keep between two calls; half of it is for models of fixed size.

    Raises:
        UserError: OpenVINO is not installed, the processor has no bf16, or the model cannot be
            loaded.
    """

    MAX_COMPILED = 4  # models of fixed size
    BYTES_PER_PIXEL = 62  # kept by a model of fixed size
    EVICT_AFTER = 64  # calls of a new size before it replaces a cached one; compiling is slow
    MAX_COUNTED = 1000  # sizes whose calls are counted
    MIN_SIDE = 16  # px; models compiled for less than 11 are wrong with OpenVINO 2026.4

    def __init__(
        self,
        data: bytes,
        name: str,
        precision: str,
        threads: int | None,
        memory: int = 10**9,
    ) -> None:
        self._core = _core(_import_openvino())
        if precision == "bf16" and not has_bf16():
            raise UserError("this processor has no bf16: leave precision at 32", "precision")
        try:
            self._model = self._core.read_model(data)
        except Exception as error:  # OpenVINO's errors share no base class
            raise cannot_load(name, error) from error
        check_signature(
            name,
            map(_tensor, self._model.inputs),
            map(_tensor, self._model.outputs),
        )
        self._config = compile_config(precision, threads)
        self._max_pixels = memory // 2 // self.BYTES_PER_PIXEL
        self._lock = threading.Lock()
        self._compiled: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self._dynamic: Any = None
        self._calls: Counter[tuple[int, ...]] = Counter()
        after_fork(self, abandon)

    @property
    def metadata(self) -> dict[str, str]:
        """The file's metadata."""
        if not self._model.has_rt_info("framework"):
            return {}
        return {
            key: str(value.value) for key, value in self._model.get_rt_info()["framework"].items()
        }

    def run(self, images: Array, keep_memory: bool = True) -> Array:
        """Run the network, see `Engine.run`."""
        _check_process()
        with self._lock:
            request = self._request(images.shape)
            painted: Array = request.infer([np.ascontiguousarray(images)], share_inputs=True)[0]
            if not keep_memory:
                self._dynamic = None
        return painted

    def _request(self, shape: tuple[int, ...]) -> Any:
        """The inference request for images of this shape."""
        if shape in self._compiled:
            self._compiled.move_to_end(shape)
            return self._compiled[shape]
        if len(self._calls) > self.MAX_COUNTED:
            self._calls.clear()
        self._calls[shape] += 1
        is_frequent = self._has_room(shape) or self._calls[shape] >= self.EVICT_AFTER
        if min(shape[1:3]) >= self.MIN_SIDE and is_frequent:
            self._calls.clear()
            while self._compiled and not self._has_room(shape):
                self._compiled.popitem(last=False)
            model = self._model.clone()
            model.reshape(shape)
            self._compiled[shape] = self._compile(model)
            return self._compiled[shape]
        if self._dynamic is None:
            self._dynamic = self._compile(self._model)
        return self._dynamic

    def _has_room(self, shape: tuple[int, ...]) -> bool:
        pixels = [math.prod(cached[:3]) for cached in (*self._compiled, shape)]
        return len(pixels) <= self.MAX_COMPILED and sum(pixels) <= self._max_pixels

    def _compile(self, model: Any) -> Any:
        return self._core.compile_model(model, "CPU", self._config).create_infer_request()


def open_graph(
    data: bytes,
    precision: str,
    threads: int | None,
    shapes: Mapping[str, Sequence[int]],
    workers: int,
) -> Graph:
    """Load a derived graph for inputs of fixed shapes.

    Args:
        data: The serialized model.
        precision: Of the arithmetic, "32" or "bf16".
        threads: CPU threads of all workers together; None is one per core.
        shapes: The shape of each input, by name.
        workers: How many threads may run it at a time.
    """
    core = _core(_import_openvino())
    model = core.read_model(data)
    model.reshape({name: list(shape) for name, shape in shapes.items()})
    compiled = core.compile_model(
        model, "CPU", {**compile_config(precision, threads), "NUM_STREAMS": workers}
    )
    requests: SimpleQueue[Any] = SimpleQueue()
    for _ in range(workers):
        requests.put(compiled.create_infer_request())

    def run(feeds: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        _check_process()
        inputs = {name: np.asarray(feeds[name], order="C") for name in shapes}
        request = requests.get()
        try:
            outputs = request.infer(inputs, share_inputs=True)
            return [np.array(values) for values in outputs.values()]
        finally:
            requests.put(request)

    after_fork(run, abandon)
    return run


def compile_config(precision: str, threads: int | None) -> dict[str, Any]:
    """The properties with which every model is compiled."""
    config: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "ENABLE_CPU_PINNING": False,  # would pin the threads of two models to the same cores
        "CPU_RUNTIME_CACHE_CAPACITY": 16,  # sizes; the default is thousands
    }
    if threads is not None:
        config["INFERENCE_NUM_THREADS"] = threads
    return config


def _import_openvino() -> Any:
    _check_process()
    try:
        with _hidden("openvino_telemetry"):
            import openvino
    except Exception as error:  # a broken installation may raise anything
        if isinstance(error, ModuleNotFoundError) and error.name == "openvino":
            reason = "is not installed"
        else:
            reason = f"cannot be imported ({' '.join(str(error).split())[:160]})"
        raise UserError(
            f'OpenVINO {reason}: pip install "fast-nst[openvino]", or leave out engine openvino '
            "and precision bf16",
            "engine",
            "precision",
        ) from error
    return openvino


@functools.cache
def _core(openvino: Any) -> Any:
    """The one `Core` of the process, which is never freed.

    A `Core` installs a signal stack in the thread that makes it, and frees it at its end: the next
    Ctrl-C would crash. OpenVINO also imports a module at the first array that it gets, and two
    threads that do so at the same time deadlock; hence one is made here, under a lock.
    """
    with _IMPORT_LOCK:
        openvino.Tensor(np.zeros(1, np.uint8))
    core = openvino.Core()
    after_fork(core, _mark_forked)
    return core


_is_forked = False  # whether this process was forked from one that has OpenVINO's threads


def _mark_forked(core: Any) -> None:
    global _is_forked
    _is_forked = True
    abandon(core)


def _check_process() -> None:
    """Refuse a process in which OpenVINO would hang.

    Raises:
        UserError: The process was forked after OpenVINO had started its threads.
    """
    if _is_forked:
        raise UserError(
            "OpenVINO was in use when this process was forked, and would hang here: use it after "
            "the fork only, start processes with spawn, or give engine onnxruntime",
            "engine",
        )


@contextlib.contextmanager
def _hidden(module: str) -> Iterator[None]:
    """Import as if a module were not installed.

    `import openvino` sends a report to Google Analytics if the package openvino_telemetry is
    installed.
    """
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop(module, None)  # another thread may have been here meanwhile


def _tensor(value: Any) -> Tensor:
    type_name = value.get_element_type().get_type_name()
    return Tensor(
        value.get_any_name(),
        "uint8" if type_name == "u8" else type_name,
        [length.get_length() if length.is_static else None for length in value.get_partial_shape()],
    )


def has_bf16() -> bool:
    """Whether this processor has bf16 arithmetic.

    Raises:
        UserError: OpenVINO, which knows it, is not installed.
    """
    return "BF16" in _core(_import_openvino()).get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def runs_natively() -> bool:
    """Whether OpenVINO works in this process, on a processor on which it was measured."""
    if _is_forked or platform.machine().lower() not in _X86:
        return False
    try:
        _import_openvino()
    except UserError:
        return False
    return True
