"""The public names of the package, and training from Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import fast_nst
from fast_nst.errors import UserError


def test_dir_lists_the_public_names_which_all_load():
    assert set(fast_nst.__all__) < set(dir(fast_nst))
    assert all(getattr(fast_nst, name) is not None for name in fast_nst.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Stylist'"):
        fast_nst.Stylist  # noqa: B018


def test_train_checks_its_settings_before_it_begins(tmp_path: Path):
    with pytest.raises(UserError, match="steps is 0: it must be at least 1"):
        fast_nst.train(steps=0)
    with pytest.raises(TypeError, match="stepz"):
        fast_nst.train(stepz=1)
    with pytest.raises(UserError, match=r"missing\.png"):
        fast_nst.train(tmp_path / "missing.png", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_train_without_pytorch_names_the_extra():
    code = "import sys; sys.modules['torch'] = None; import fast_nst; fast_nst.train()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'UserError: torch is not installed: pip install "fast-nst[train]"' in done.stderr
