"""What runs an exported model: ONNX Runtime or OpenVINO, behind one small interface."""

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
from fast_nst.options import bytes_of, check, option
from fast_nst.pictures.edit import Array

_MOST_THREADS = 1024

ONNX_RUNTIME, OPENVINO = "onnxruntime", "openvino"
ENGINES = ("auto", ONNX_RUNTIME, OPENVINO)
PRECISIONS = ("32", "bf16")
STATISTICS = ("exact", "reduced")
_LEAST_MEMORY = 64_000_000  # bytes: of the smallest tile of the heaviest network
PAYS_FROM = 16  # pictures a thread; fewer cost more to import and compile for than they save

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
    """The device of ONNX Runtime."""
    return option("device of ONNX Runtime, if installed", "cpu", metavar="NAME")


def threads_option(of: str = "") -> Any:
    """The number of CPU threads."""
    help_text = f"CPU threads{of}; default: one per core"
    return option(help_text, None, metavar="N", least=1, most=_MOST_THREADS)


@dataclass(kw_only=True)
class EngineOptions:
    """What runs the network, and its working memory."""

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
        """Refuse what is out of range, and what does not go together.

        Raises:
            UserError: A value is not allowed, or one asks for OpenVINO and another refuses it.
        """
        check(self)
        if self.working_bytes < _LEAST_MEMORY:
            raise UserError(f"--max-memory is {self.max_memory}: it must be at least 64MB")
        if self.engine == OPENVINO and not self.on_cpu:
            raise UserError(
                f"provider {self.provider!r} is ONNX Runtime's: leave out engine openvino"
            )
        if self.precision == "bf16" and (self.engine == ONNX_RUNTIME or not self.on_cpu):
            raise UserError(
                "precision bf16 is OpenVINO's: give it with engine openvino, on the CPU"
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
        """Whether the provider, by either of its names, is the one that OpenVINO can stand for."""
        return self.provider.lower() in ("cpu", _PROVIDERS["cpu"].lower())


class Engine(Protocol):
    """A model, loaded and ready to run on pictures of any size, from any thread."""

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself."""

    def run(self, images: Array, keep_memory: bool = True) -> Array:
        """(N, H, W, 3) uint8 in, the same out; a caller minds that the model may be a bad one.

        Working memory is kept for the next picture, unless `keep_memory` is False.
        """


def choose_engine(options: EngineOptions, pictures: float = math.inf) -> str:
    """`ONNX_RUNTIME` or `OPENVINO`, whichever was asked for or is faster here.

    Args:
        options: What was asked for.
        pictures: How many each thread has to paint; by default more than it takes to pay.
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
    """Load a model and make sure that it is one of ours: pixels in, pixels out.

    Args:
        data: The model file.
        name: What to call it in an error.
        options: What to run it with.
        memory: What it may hold between two pictures, in bytes; default: what `options` say.

    Raises:
        UserError: The model cannot be used, or the engine or provider not be had.
    """
    check_self_contained(data, name)
    if choose_engine(options) == OPENVINO:
        held = options.working_bytes if memory is None else memory
        return OpenVino(data, name, options.precision, options.threads, held)
    return OnnxRuntime(data, name, options.provider, options.threads)


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def providers() -> list[str]:
    """The devices that the installed ONNX Runtime can use, by their short names."""
    installed = onnxruntime.get_available_providers()
    return [name for name, full in _PROVIDERS.items() if full in installed]


def open_graph(data: bytes, options: EngineOptions) -> Graph:
    """Load a model made in memory, whatever it takes and gives, with ONNX Runtime.

    OpenVINO sums over a map less exactly, and takes half as long again for it.

    Args:
        data: The model file.
        options: Of them, provider and threads.

    Returns:
        It takes what the model's inputs are, by their names (and may be given more), and gives the
        outputs, in the model's order.
    """
    session = _ForkSafeSession(data, "the derived model", options.provider, options.threads)
    names = [given.name for given in session.here.get_inputs()]

    def run(feeds: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        return list(session.here.run(None, {name: feeds[name] for name in names}))

    return run


def open_graph_of_size(
    data: bytes, options: EngineOptions, shapes: Mapping[str, Sequence[int]], workers: int
) -> Graph:
    """As `open_graph`, with whichever engine `options` say.

    Args:
        data: The model file.
        options: Of them, engine, provider, precision and threads: those of all workers together.
        shapes: The only ones that its inputs will have, by name.
        workers: How many threads may run it at a time.
    """
    if choose_engine(options) == OPENVINO:
        return open_openvino_graph(data, options.precision, options.threads, shapes, workers)
    threads = max((options.threads or cores()) // workers, 1)
    return open_graph(data, dataclasses.replace(options, threads=threads))


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
        self._session = _ForkSafeSession(data, name, provider, threads)
        session = self._session.here
        check_signature(
            name, map(_tensor, session.get_inputs()), map(_tensor, session.get_outputs())
        )

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself."""
        return dict(self._session.here.get_modelmeta().custom_metadata_map)

    def run(self, images: Array, keep_memory: bool = True) -> Array:
        """(N, H, W, 3) uint8 in, the same out."""
        options = None if keep_memory else _LETTING_GO
        painted: Array = self._session.here.run([OUTPUT], {INPUT: images}, options)[0]
        return painted


_LETTING_GO = onnxruntime.RunOptions()
_LETTING_GO.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")


class _ForkSafeSession:
    """ONNX Runtime's session of a model; in a process that is forked off it is opened anew."""

    def __init__(self, data: bytes, name: str, provider: str, threads: int | None) -> None:
        self._open = functools.partial(_opened, data, name, provider, threads)
        self._opening = threading.Lock()
        self._session: onnxruntime.InferenceSession | None = self._open()
        after_fork(self, _ForkSafeSession._begin_anew)

    @property
    def here(self) -> onnxruntime.InferenceSession:
        """That of this process."""
        with self._opening:
            if self._session is None:
                self._session = self._open()
            return self._session

    def _begin_anew(self) -> None:
        abandon(self._session)
        self._session, self._opening = None, threading.Lock()


def _opened(
    data: bytes, name: str, provider: str, threads: int | None
) -> onnxruntime.InferenceSession:
    full_name = _full_name(provider)
    try:
        session = onnxruntime.InferenceSession(
            data, _session_options(threads), providers=[full_name]
        )
    except Exception as error:  # its errors share no base class
        raise cannot_load(name, error) from error
    used = session.get_providers()[0]
    if used != full_name:  # it falls back without a word
        raise UserError(
            f"the provider {provider!r} is installed but does not start here, the model would "
            f"run on {used}: check the device's driver and libraries, or give --provider cpu"
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
    if _arena_is_shared:
        options.add_session_config_entry("session.use_env_allocators", "1")
    return options


_arena_is_shared = False  # of the process, as the arena itself is


def share_arena() -> None:
    """Let the networks that ONNX Runtime opens from now on, in this process, share working memory.

    For those who keep many: each otherwise holds what it once took. Several that paint at a time
    are slower by up to a tenth, since memory then passes from core to core.
    """
    global _arena_is_shared
    if _arena_is_shared:
        return
    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg(0, -1, -1, -1))
    _arena_is_shared = True


def _tensor(given: Any) -> Tensor:
    return Tensor(
        given.name,
        given.type.removeprefix("tensor(").removesuffix(")"),
        [length if isinstance(length, int) else None for length in given.shape],
    )
