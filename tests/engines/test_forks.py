"""Stylizers that are made before a process forks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

# Paints before the fork, forks as a server does that loads before, and paints in the child.
SCRIPT = """
import os, sys
import numpy as np
from fast_nst import Stylizer

pixels = np.random.default_rng(0).integers(0, 256, (300, 320, 3), np.uint8)
stylize = Stylizer("udnie_fast", max_memory="64MB", detail=0, engine={engine!r})
{before}
child = os.fork()
if child == 0:
    {work}
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
{after}
"""
PAINTED = "expected = stylize(pixels)"
AS_BEFORE = "np.testing.assert_array_equal(stylize(pixels), expected)"
HELD = "stylize.session._lock.acquire(); stylize.session._budget.reserve(10**12).__enter__()"
WORK = {
    "nothing": "pass",
    "same": AS_BEFORE,
    "many strengths": "[stylize(pixels[:32, :32], strength=0.3 + k / 20) for k in range(12)]",
    "film": "assert len(list(stylize.stream([pixels[:32, :32]] * 3))) == 3",
    "tiles": ("large = np.tile(pixels, (3, 3, 1)); assert stylize(large).shape == (900, 960, 3)"),
    "anew": "assert Stylizer('evening_fast')(pixels).shape == pixels.shape",
}


def forked(
    before: str, work: str, after: str = "", engine: str = "onnxruntime"
) -> subprocess.CompletedProcess[str]:
    """A hang is a failure: of the child, or of its end."""
    script = SCRIPT.format(before=before, work=work, after=after, engine=engine)
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


@pytest.mark.parametrize("work", WORK)
def test_a_child_paints_and_ends(work: str):
    done = forked(PAINTED, WORK[work], AS_BEFORE)
    assert done.returncode == 0, done.stderr


def test_what_another_thread_held_is_free_in_the_child():
    done = forked(HELD, "assert stylize(pixels).shape == pixels.shape")
    assert done.returncode == 0, done.stderr


def test_openvino_says_that_it_must_be_used_after_the_fork():
    pytest.importorskip("openvino")
    work = """
    from fast_nst.errors import UserError
    assert Stylizer("evening_fast", engine="auto").engine == "onnxruntime"
    for paint in (stylize, lambda pixels: Stylizer("evening_fast", engine="openvino")(pixels)):
        try:
            paint(pixels)
        except UserError as error:
            assert str(error).startswith("OpenVINO was in use when this process was forked"), error
        else:
            raise AssertionError
    """.strip()
    done = forked(PAINTED, work, engine="openvino")
    assert done.returncode == 0, done.stderr


def test_onnx_runtime_reports_nothing(tmp_path: Path):
    """Its telemetry leaves a database at home, and a thread from its import on."""
    script = "from fast_nst import Stylizer; Stylizer('udnie_fast', threads=1)"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "ORT_"))}
    subprocess.run([sys.executable, "-c", script], env={**kept, "HOME": str(tmp_path)}, check=True)
    assert list(tmp_path.rglob("*onnx*")) == []
