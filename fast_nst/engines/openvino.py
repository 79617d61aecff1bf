"""OpenVINO as an engine. It is imported when one is opened, for it takes its time."""

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

_FIRST_ARRAY = threading.Lock()
_X86 = ("x86_64", "amd64")  # where OpenVINO was measured, and brings its own kernels


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
        memory: What it may hold between two pictures, in bytes. Half of it is for the models of
            single sizes.

    Raises:
        UserError: OpenVINO is not there, the processor has no bf16, or the model cannot be used.
    """

    KEPT_SIZES = 4
    BYTES_A_PIXEL = 62  # that a model of a single size holds
    OFTEN = 64  # times that a size comes before another makes room for it: compiling takes its time
    REMEMBERED = 1000  # sizes that are counted
    SMALLEST = 16  # px; compiled for a size under 11, OpenVINO 2026.4 paints something else

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
            raise UserError("this processor has no bf16: leave --precision at 32")
        try:
            self._model = self._core.read_model(data)
        except Exception as error:  # its errors share no base class
            raise cannot_load(name, error) from error
        check_signature(
            name,
            map(_tensor, self._model.inputs),
            map(_tensor, self._model.outputs),
        )
        self._settings = settings(precision, threads)
        self._kept_pixels = memory // 2 // self.BYTES_A_PIXEL
        self._lock = threading.Lock()
        self._for_size: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self._for_any: Any = None
        self._came: Counter[tuple[int, ...]] = Counter()
        after_fork(self, abandon)

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself."""
        if not self._model.has_rt_info("framework"):
            return {}
        return {
            key: str(value.value) for key, value in self._model.get_rt_info()["framework"].items()
        }

    def run(self, images: Array, keep_memory: bool = True) -> Array:
        """(N, H, W, 3) uint8 in, the same out."""
        _check_process()
        with self._lock:
            request = self._request(images.shape)
            painted: Array = request.infer([np.ascontiguousarray(images)], share_inputs=True)[0]
            if not keep_memory:
                self._for_any = None
        return painted

    def _request(self, shape: tuple[int, ...]) -> Any:
        """What runs pictures of this shape."""
        if shape in self._for_size:
            self._for_size.move_to_end(shape)
            return self._for_size[shape]
        if len(self._came) > self.REMEMBERED:
            self._came.clear()
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
        return len(pixels) <= self.KEPT_SIZES and sum(pixels) <= self._kept_pixels

    def _compiled(self, model: Any) -> Any:
        return self._core.compile_model(model, "CPU", self._settings).create_infer_request()


def open_graph(
    data: bytes,
    precision: str,
    threads: int | None,
    shapes: Mapping[str, Sequence[int]],
    workers: int,
) -> Graph:
    """Load a model made in memory, for inputs of these shapes alone.

    Args:
        data: The model file.
        precision: See `OpenVino`.
        threads: Of all workers together; None is one a core.
        shapes: Of all inputs, by name.
        workers: How many threads may run it at a time.
    """
    core = _core(_import_openvino())
    model = core.read_model(data)
    model.reshape({name: list(shape) for name, shape in shapes.items()})
    compiled = core.compile_model(
        model, "CPU", {**settings(precision, threads), "NUM_STREAMS": workers}
    )
    requests: SimpleQueue[Any] = SimpleQueue()
    for _ in range(workers):
        requests.put(compiled.create_infer_request())

    def run(feeds: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        _check_process()
        given = {name: np.asarray(feeds[name], order="C") for name in shapes}
        request = requests.get()
        try:
            found = request.infer(given, share_inputs=True)
            return [np.array(values) for values in found.values()]
        finally:
            requests.put(request)

    after_fork(run, abandon)
    return run


def settings(precision: str, threads: int | None) -> dict[str, Any]:
    """What OpenVINO is told of every model."""
    said: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "ENABLE_CPU_PINNING": False,  # pins the threads of two models to the same cores
        "CPU_RUNTIME_CACHE_CAPACITY": 16,  # sizes; the default remembers thousands
    }
    if threads is not None:
        said["INFERENCE_NUM_THREADS"] = threads
    return said


def _import_openvino() -> Any:
    _check_process()
    try:
        with _hidden("openvino_telemetry"):
            import openvino
    except Exception as error:  # a broken installation raises what it likes
        if isinstance(error, ModuleNotFoundError) and error.name == "openvino":
            reason = "is not installed"
        else:
            reason = f"cannot be imported ({' '.join(str(error).split())[:160]})"
        raise UserError(
            f"OpenVINO {reason}: pip install 'fast-nst[openvino]', or do without --engine "
            "openvino and --precision bf16"
        ) from error
    return openvino


@functools.cache
def _core(openvino: Any) -> Any:
    """OpenVINO's one entry, made once.

    Each gives the thread that makes it another stack for signals, which is freed with it: without
    the last one, the next Ctrl-C would crash.

    The first array that OpenVINO takes makes it import something: of two threads with a first array
    each, one would hold what the other waits for, for good. So it takes one here.
    """
    with _FIRST_ARRAY:
        openvino.Tensor(np.zeros(1, np.uint8))
    core = openvino.Core()
    after_fork(core, _lose)
    return core


_is_lost = False  # whether this process was forked off one that had OpenVINO's threads


def _lose(core: Any) -> None:
    global _is_lost
    _is_lost = True
    abandon(core)


def _check_process() -> None:
    """Refuse what would hang.

    Raises:
        UserError: OpenVINO's threads are those of another process.
    """
    if _is_lost:
        raise UserError(
            "OpenVINO was in use when this process was forked, and would hang here: use it after "
            "the fork only, start processes with spawn, or give engine onnxruntime"
        )


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
        sys.modules.pop(module, None)  # another thread may have been here meanwhile


def _tensor(given: Any) -> Tensor:
    type_name = given.get_element_type().get_type_name()
    return Tensor(
        given.get_any_name(),
        "uint8" if type_name == "u8" else type_name,
        [length.get_length() if length.is_static else None for length in given.get_partial_shape()],
    )


def has_bf16() -> bool:
    """Whether this processor calculates in bf16.

    Raises:
        UserError: OpenVINO, which knows, is not there.
    """
    return "BF16" in _core(_import_openvino()).get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def runs_natively() -> bool:
    """Whether OpenVINO works here, and the processor is one that it was measured on."""
    if _is_lost or platform.machine().lower() not in _X86:
        return False
    try:
        _import_openvino()
    except UserError:
        return False
    return True
