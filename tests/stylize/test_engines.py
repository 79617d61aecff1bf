"""The device that was asked for is the device that runs."""

from __future__ import annotations

import onnxruntime
import pytest

from fast_nst.errors import UserError
from fast_nst.stylize.engines import open_session, providers
from tests.conftest import inverting_model

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class FallsBack(onnxruntime.InferenceSession):
    """What ONNX Runtime does where CUDA is installed and its libraries are not."""

    def __init__(self, model, options, providers) -> None:
        super().__init__(model, options, providers=[CPU])


def test_a_silent_fallback_is_refused(monkeypatch):
    monkeypatch.setattr(onnxruntime, "InferenceSession", FallsBack)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    assert providers() == ["cpu", "cuda"]
    with pytest.raises(UserError, match=r"'cuda' is installed but does not start here.* on CPU"):
        open_session(inverting_model(), "x", "cuda", None)
    assert open_session(inverting_model(), "x", "cpu", None).get_providers() == [CPU]
