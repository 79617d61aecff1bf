"""Engines, which run exported models: ONNX Runtime and OpenVINO behind one interface."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt
import onnxruntime

from fast_nst.engines.forks import abandon, after_fork
from fast_nst.engines.openvino import OpenVino, runs_natively
from fast_nst.engines.openvino import open_graph as open_openvino_graph
from fast_nst.engines.runtimes import library_hint, load_libraries, provider_remedy
from fast_nst.errors import UserError, choose
from fast_nst.models.signature import (
    INPUT,
    OUTPUT,
    Graph,
    Tensor,
    cannot_load,
    check_self_contained,
    check_signature,
)
from fast_nst.numeric import bytes_of
from fast_nst.options import check, option
from fast_nst.pictures.edit import Array

_MAX_THREADS = 1024

ONNX_RUNTIME, OPENVINO = "onnxruntime", "openvino"
ENGINES = ("auto", ONNX_RUNTIME, OPENVINO)
PRECISIONS = ("32", "bf16")
STATISTICS = ("exact", "reduced")
_MIN_MEMORY = 64_000_000  # bytes, of the smallest tile of the largest network
PAYS_FROM = 16  # pictures per thread, from which OpenVINO's start-up time pays off

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
    """--provider."""
    return option("device of ONNX Runtime, if installed", "cpu", metavar="NAME")


def threads_option(of: str = "") -> Any:
    """--threads; `of` is what they are for."""
    help_text = f"CPU threads{of}; default: one per core"
    return option(help_text, None, metavar="N", least=1, most=_MAX_THREADS)


@dataclass(kw_only=True)
class EngineOptions:
    """Engine, device and working memory of the network."""

    engine: str = option(
        "onnxruntime starts fastest; openvino (an extra) paints fastest on x86 CPUs; auto chooses "
        f"openvino, if it is installed, for at least {PAYS_FROM} pictures per core",
        "auto",
        choices=ENGINES,
    )
    provider: str = provider_option()
    precision: str = option(
        "arithmetic of openvino; bf16 is faster and less exact", "32", choices=PRECISIONS
    )
    threads: int | None = threads_option()
    max_memory: str = option(
        "the network's working memory, in MB or GB; larger pictures are painted in tiles without "
        "visible seams, by onnxruntime in float32",
        "1GB",
        metavar="SIZE",
    )
    statistics: str = option(
        "normalization of pictures in tiles; reduced measures a small copy, which is faster and "
        "gives a slightly different picture",
        "exact",
        choices=STATISTICS,
    )

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            UserError: A value is out of its range, or two contradict each other.
        """
        check(self)
        if self.working_bytes < _MIN_MEMORY:
            raise UserError(
                f"max_memory is {self.max_memory}: it must be at least 64MB", "max_memory"
            )
        if self.engine == OPENVINO and not self.on_cpu:
            raise UserError(
                f"provider {self.provider!r} is ONNX Runtime's: leave out engine openvino",
                "provider",
                "engine",
            )
        if self.precision == "bf16" and (self.engine == ONNX_RUNTIME or not self.on_cpu):
            raise UserError(
                "precision bf16 is OpenVINO's: give it with engine openvino, on the CPU",
                "precision",
                "engine",
            )

    def arguments(self) -> dict[str, Any]:
        """These options as keyword arguments of `Stylizer`."""
        return {item.name: getattr(self, item.name) for item in dataclasses.fields(EngineOptions)}

    @property
    def working_bytes(self) -> int:
        """`max_memory`, in bytes."""
        return bytes_of(self.max_memory)

    @property
    def on_cpu(self) -> bool:
        """Whether the provider is the CPU, the only device for which OpenVINO is used."""
        return self.provider.lower() in ("cpu", _PROVIDERS["cpu"].lower())


class Engine(Protocol):
    """A loaded model that runs on images of any size, from any thread."""

    @property
    def metadata(self) -> dict[str, str]:
        """The file's metadata."""

    def run(self, images: Array, keep_memory: bool = True) -> Array:
        """Run the network.

        Args:
            images: (N, H, W, 3) uint8.
            keep_memory: Keep the working memory for the next call.

        Returns:
            (N, H, W, 3) uint8; of another shape if the model is not one of fast_nst's.
        """


def choose_engine(options: EngineOptions, pictures: float = math.inf) -> str:
    """Resolve the engine "auto" to the one that is faster.

    Args:
        options: Engine, provider and precision.
        pictures: Number of pictures per thread; by default enough for OpenVINO to pay off.

    Returns:
        `ONNX_RUNTIME` or `OPENVINO`.
    """
    if options.engine != "auto":
        return options.engine
    if options.precision == "bf16":
        return OPENVINO
    is_worth_it = options.on_cpu and pictures >= PAYS_FROM
    return OPENVINO if is_worth_it and runs_natively() else ONNX_RUNTIME


def open_engine(
    data: bytes, name: str, options: EngineOptions, memory: int | None = None
) -> Engine:
    """Load an exported model, and check its signature.

    Args:
        data: The content of the model file.
        name: What error messages call it.
        options: Engine, device, threads and memory.
        memory: Bytes that it may keep between two calls; default: all working memory.

    Raises:
        UserError: The model cannot be loaded, or the engine or provider is not installed.
    """
    check_self_contained(data, name)
    if choose_engine(options) == OPENVINO:
        held = options.working_bytes if memory is None else memory
        return OpenVino(data, name, options.precision, options.threads, held)
    return OnnxRuntime(data, name, options.provider, options.threads)


def cores() -> int:
    """The number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def providers() -> list[str]:
    """The devices that the installed ONNX Runtime can use, by their short names."""
    installed = onnxruntime.get_available_providers()
    return [name for name, full in _PROVIDERS.items() if full in installed]


def open_graph(data: bytes, options: EngineOptions) -> Graph:
    """Load a derived graph of any signature with ONNX Runtime.

    OpenVINO's sums over a feature map are less exact, and take 50 % longer.

    Args:
        data: The serialized model.
        options: Of these, provider and threads are used.

    Returns:
        The graph; inputs that it does not have are ignored.
    """
    session = _ForkSafeSession(data, "the derived model", options.provider, options.threads)
    names = [node.name for node in session.here.get_inputs()]

    def run(feeds: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        return list(session.here.run(None, {name: feeds[name] for name in names}))

    return run


def open_graph_of_size(
    data: bytes, options: EngineOptions, shapes: Mapping[str, Sequence[int]], workers: int
) -> Graph:
    """Load a derived graph for inputs of fixed shapes, with the engine of the options.

    Args:
        data: The serialized model.
        options: Engine, provider, precision and threads; the threads are for all workers together.
        shapes: The shape of each input, by name.
        workers: How many threads may run it at a time.
    """
    if choose_engine(options) == OPENVINO:
        return open_openvino_graph(data, options.precision, options.threads, shapes, workers)
    threads = max((options.threads or cores()) // workers, 1)
    return open_graph(data, dataclasses.replace(options, threads=threads))


class OnnxRuntime:
    """ONNX Runtime on one of its devices.

    Args:
        data: The content of the model file.
        name: What error messages call it.
        provider: The device, by its short name or ONNX Runtime's.
        threads: CPU threads per image; None is one per core.

    Raises:
        UserError: The model cannot be loaded, or the provider is not installed.
    """

    def __init__(self, data: bytes, name: str, provider: str, threads: int | None) -> None:
        self._session = _ForkSafeSession(data, name, provider, threads)
        session = self._session.here
        check_signature(
            name, map(_tensor, session.get_inputs()), map(_tensor, session.get_outputs())
        )

    @property
    def metadata(self) -> dict[str, str]:
        """The file's metadata."""
        return dict(self._session.here.get_modelmeta().custom_metadata_map)

    def run(self, images: Array, keep_memory: bool = True) -> Array:
        """Run the network, see `Engine.run`."""
        options = None if keep_memory else _SHRINKING
        painted: Array = self._session.here.run([OUTPUT], {INPUT: images}, options)[0]
        return painted


_SHRINKING = onnxruntime.RunOptions()
_SHRINKING.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")


class _ForkSafeSession:
    """An inference session of ONNX Runtime, which is reopened in a forked process."""

    def __init__(self, data: bytes, name: str, provider: str, threads: int | None) -> None:
        self._open = functools.partial(_opened, data, name, provider, threads)
        self._opening = threading.Lock()
        self._session: onnxruntime.InferenceSession | None = self._open()
        after_fork(self, _ForkSafeSession._reset)

    @property
    def here(self) -> onnxruntime.InferenceSession:
        """The session of this process."""
        with self._opening:
            if self._session is None:
                self._session = self._open()
            return self._session

    def _reset(self) -> None:
        abandon(self._session)
        self._session, self._opening = None, threading.Lock()


def _opened(
    data: bytes, name: str, provider: str, threads: int | None
) -> onnxruntime.InferenceSession:
    full_name = _full_name(provider)
    load_libraries(full_name)
    try:
        session = onnxruntime.InferenceSession(
            data, _session_options(threads), providers=[full_name]
        )
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise cannot_load(name, error) from error
    used = session.get_providers()[0]
    if used != full_name:  # ONNX Runtime falls back silently
        raise UserError(
            f"{provider!r} is installed but does not start here, the model would run on {used}: "
            f"check the device's driver and libraries{library_hint(full_name)}, or give provider "
            "cpu",
            "provider",
        )
    return session


def _full_name(provider: str) -> str:
    """ONNX Runtime's name of an installed provider, given that or the short one."""
    if provider in onnxruntime.get_available_providers():
        return provider
    short_names = {full: name for name, full in _PROVIDERS.items()}
    short_name = choose("provider", short_names.get(provider, provider.lower()), _PROVIDERS)
    if short_name not in providers():
        raise UserError(
            f"the installed ONNX Runtime lacks {short_name!r}; it has: {', '.join(providers())}; "
            f"{provider_remedy(short_name)}"
        )
    return _PROVIDERS[short_name]


def _session_options(threads: int | None) -> onnxruntime.SessionOptions:
    """The fastest settings according to `benchmarks/engines.py`."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised too
    if threads is not None:
        options.intra_op_num_threads = threads
    # Idle threads spin, and would keep the cores from the threads of another session.
    options.add_session_config_entry("session.intra_op.spin_duration_us", "200")
    options.add_session_config_entry("session.force_spinning_stop", "1")  # for older versions
    options.enable_mem_pattern = False  # keeps a plan for every size it has seen
    if _arena_is_shared:
        options.add_session_config_entry("session.use_env_allocators", "1")
    return options


_arena_is_shared = False  # the arena belongs to the process


def share_arena() -> None:
    """Make sessions that are opened later in this process share one memory arena.

    Without it, each session keeps the most memory that it ever used. Sessions that run at the same
    time get up to 10 % slower, since memory moves between cores.
    """
    global _arena_is_shared
    if _arena_is_shared:
        return
    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg(0, -1, -1, -1))
    _arena_is_shared = True


def _tensor(value: Any) -> Tensor:
    return Tensor(
        value.name,
        value.type.removeprefix("tensor(").removesuffix(")"),
        [length if isinstance(length, int) else None for length in value.shape],
    )
