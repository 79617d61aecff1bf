"""The installed distributions of ONNX Runtime, and what each of its devices needs.

onnxruntime, onnxruntime-gpu and the others contain the same package: the one that is installed last
overwrites the files of the other, and to uninstall either leaves a package without its code.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from fast_nst.errors import UserError, one_line

_CPU = "onnxruntime"
_CUDA = '"onnxruntime-gpu[cuda,cudnn]"'
_ON_CUDA = ("CUDAExecutionProvider", "TensorrtExecutionProvider")
_CUDA_NEEDS = (
    "it needs an NVIDIA GPU with its driver on Linux or Windows, CUDA and cuDNN, and "
    "onnxruntime-gpu in place of onnxruntime"
)
# Provider -> what it needs, and what to install for it.
_NEEDS = {
    "cuda": (_CUDA_NEEDS, _CUDA),
    "tensorrt": (f"{_CUDA_NEEDS}, and NVIDIA's TensorRT", _CUDA),
    "directml": (
        "it needs Windows, a GPU for DirectX 12, and onnxruntime-directml in place of onnxruntime",
        "onnxruntime-directml",
    ),
    "rocm": (
        "it needs Linux, an AMD GPU with ROCm, and onnxruntime-rocm in place of onnxruntime",
        "onnxruntime-rocm",
    ),
    "migraphx": (
        "it needs Linux, an AMD GPU with ROCm, and onnxruntime-migraphx in place of onnxruntime",
        "onnxruntime-migraphx",
    ),
    "openvino": (
        "engine openvino is faster on CPUs; for Intel's GPUs it needs onnxruntime-openvino in "
        "place of onnxruntime",
        "onnxruntime-openvino",
    ),
    "coreml": ("it is a part of onnxruntime on macOS only", ""),
}


def check_onnxruntime() -> None:
    """Check that ONNX Runtime can be imported.

    Raises:
        UserError: It is not installed, or its files are incomplete.
    """
    try:
        import onnxruntime as module
    except ModuleNotFoundError as error:
        if error.name == "onnxruntime":
            raise UserError(f"onnxruntime is not installed: pip install {_CPU}") from error
        raise _broken(f"it lacks {error.name}") from error
    except ImportError as error:  # such as a shared library of the system that is missing
        raise _broken(one_line(error)) from error
    if not hasattr(module, "InferenceSession"):
        raise _broken("files are missing, as after uninstalling one of two distributions")


def provider_remedy(provider: str) -> str:
    """What a provider needs that the installed ONNX Runtime does not have.

    Args:
        provider: Its short name, such as "cuda".
    """
    needs, wanted = _NEEDS.get(provider, ("", ""))
    names = installed()
    if len(names) > 1:
        return _conflict(wanted or _CPU)
    is_there = not wanted or _bare(wanted) in names
    return needs if is_there else f"{needs}: {_swap(wanted, *names)}"


def library_hint(provider: str) -> str:
    """How to install a provider's libraries, in parentheses; `provider` is ONNX Runtime's name."""
    return f" (CUDA and cuDNN: pip install {_CUDA})" if provider in _ON_CUDA else ""


def load_libraries(provider: str) -> None:
    """Load the libraries of NVIDIA's Python packages, which no search path of the system has.

    Args:
        provider: ONNX Runtime's name of it; only those on CUDA need any.
    """
    import onnxruntime

    if provider in _ON_CUDA:
        preload = getattr(onnxruntime, "preload_dlls", None)  # since 1.21
        if preload is not None:
            with contextlib.redirect_stdout(sys.stderr):  # it prints what is missing
                preload()


def installed() -> list[str]:
    """The distributions of ONNX Runtime that are installed, sorted."""
    from importlib import metadata  # slow, and needed for error messages only

    names = {_name(distribution) for distribution in metadata.distributions()}
    # Plug-ins such as onnxruntime-ep-webgpu and onnxruntime-extensions are packages of their own.
    others = {_bare(wanted) for _, wanted in _NEEDS.values()}
    return sorted(names & {_CPU, *others})


def _bare(requirement: str) -> str:
    """The name of a distribution in a requirement that is quoted for a shell."""
    return requirement.strip('"').partition("[")[0]


def _name(distribution: Any) -> str:
    return str(distribution.metadata["Name"] or "").lower().replace("_", "-")


def _broken(reason: str) -> UserError:
    names = installed() or [_CPU]
    if len(names) > 1:
        return UserError(f"onnxruntime cannot be imported ({reason}): {_conflict(names[-1])}")
    return UserError(
        f"onnxruntime cannot be imported ({reason}): pip install --force-reinstall --no-deps "
        f"{names[0]}"
    )


def _conflict(wanted: str) -> str:
    names = installed()
    return (
        f"{' and '.join(names)} are both installed and overwrite each other's files: "
        f"{_swap(wanted, *names)}"
    )


def _swap(wanted: str, *unwanted: str) -> str:
    return f"pip uninstall -y {' '.join(unwanted)}, then pip install {wanted}"
