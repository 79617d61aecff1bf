"""What runs an exported model: ONNX Runtime on one of its devices, behind our signature."""

from __future__ import annotations

import onnxruntime

from fast_nst.errors import UserError, choose

INPUT, OUTPUT = "image", "stylized"
MOST_THREADS = 1024

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


def providers() -> list[str]:
    """The devices that the installed ONNX Runtime can use, by their short names."""
    installed = onnxruntime.get_available_providers()
    return [name for name, full in _PROVIDERS.items() if full in installed]


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
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised; the log repeats it
    if threads is not None:
        options.intra_op_num_threads = threads
    return options


def open_session(
    data: bytes, name: str, provider: str, threads: int | None
) -> onnxruntime.InferenceSession:
    """Load a model and make sure that it is one of ours: pixels in, pixels out.

    Args:
        data: The model file.
        name: What to call it in an error.
        provider: Device, by its short name or ONNX Runtime's own.
        threads: Of one picture's arithmetic; None is one a core.

    Raises:
        UserError: The model cannot be used, or the provider not be had.
    """
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise UserError(
            f"threads is {threads}: it must be at least 1 and at most {MOST_THREADS}, or left out "
            "for all cores"
        )
    full_name = _full_name(provider)
    try:
        session = onnxruntime.InferenceSession(
            data, _session_options(threads), providers=[full_name]
        )
    except Exception as error:  # ONNX Runtime's own errors share no base class
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{name} cannot be loaded as an ONNX model: {reason}") from error
    used = session.get_providers()[0]
    if used != full_name:  # ONNX Runtime falls back without a word
        raise UserError(
            f"the provider {provider!r} is installed but does not start here, the model would run "
            f"on {used}: check the device's driver and libraries, or give --provider cpu"
        )
    _check_signature(session, name)
    return session


def _check_signature(session: onnxruntime.InferenceSession, name: str) -> None:
    for kind, expected, found in (
        ("input", INPUT, session.get_inputs()),
        ("output", OUTPUT, session.get_outputs()),
    ):
        signature = ", ".join(f"{item.name} {item.type}{item.shape}" for item in found)
        fits = (
            len(found) == 1
            and found[0].name == expected
            and found[0].type == "tensor(uint8)"
            and len(found[0].shape) == 4
            and found[0].shape[3] in (3, None)
            and not any(isinstance(length, int) for length in found[0].shape[:3])
        )
        if not fits:
            raise UserError(
                f"{name} has the {kind} {signature}; a fast_nst model has one {kind} {expected!r} "
                "of uint8 (N, H, W, 3) with free N, H, W: export it with fast-nst export"
            )
