"""What is said where ONNX Runtime is missing, incomplete, or installed twice."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import onnxruntime
import pytest

from fast_nst.engines.engine import OnnxRuntime, providers
from fast_nst.engines.runtimes import check_onnxruntime, installed, load_libraries, provider_remedy
from fast_nst.errors import UserError
from tests.conftest import inverting_model

WANTED = {"cuda": '"onnxruntime-gpu[cuda,cudnn]"', "directml": "onnxruntime-directml"}


@pytest.fixture
def distributions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that makes these, and only these, the installed distributions."""

    def install(*names: str) -> None:
        for name in names:
            info = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        search = metadata.MetadataPathFinder.find_distributions
        here = metadata.DistributionFinder.Context(path=[str(tmp_path)])
        monkeypatch.setattr(metadata, "distributions", lambda: search(here))

    return install


def test_this_environment_has_one_distribution():
    assert len(installed()) == 1
    check_onnxruntime()


def test_no_onnxruntime_is_one_line():
    blocked = "import sys; sys.modules['onnxruntime'] = None"
    run = (
        "from fast_nst.commands.main import main; sys.exit(main(['infer', 'a.jpg', '-o', 'b.jpg']))"
    )
    command = [sys.executable, "-c", f"{blocked}; {run}"]
    done = subprocess.run(command, capture_output=True, text=True)
    message = "error: onnxruntime is not installed: pip install onnxruntime\n"
    assert (done.returncode, done.stderr) == (2, message)


def test_what_remains_after_an_uninstall_is_told(monkeypatch, distributions):
    distributions("onnxruntime-gpu", "numpy")
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    remedy = "files are missing.*pip install --force-reinstall --no-deps onnxruntime-gpu$"
    with pytest.raises(UserError, match=remedy):
        check_onnxruntime()


def test_an_import_that_fails_says_why(tmp_path: Path, monkeypatch, distributions):
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime" / "__init__.py").write_text("import onnxruntime.capi")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnxruntime")
    monkeypatch.delitem(sys.modules, "onnxruntime.capi", raising=False)
    distributions("onnxruntime", "onnxruntime_gpu")
    with pytest.raises(UserError, match=r"it lacks onnxruntime\.capi.*are both installed"):
        check_onnxruntime()


def test_two_distributions_overwrite_each_other(distributions):
    distributions("onnxruntime", "onnxruntime_gpu", "onnxruntime-extensions")
    assert installed() == ["onnxruntime", "onnxruntime-gpu"]
    assert provider_remedy("cuda") == (
        "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files: "
        "pip uninstall -y onnxruntime onnxruntime-gpu, then pip install "
        '"onnxruntime-gpu[cuda,cudnn]"'
    )
    assert provider_remedy("directml").endswith("then pip install onnxruntime-directml")


def test_the_distribution_that_is_installed_is_replaced(distributions):
    distributions("onnxruntime-gpu")
    other = ": pip uninstall -y onnxruntime-gpu, then pip install onnxruntime-directml"
    assert provider_remedy("directml").endswith(other)
    assert "pip" not in provider_remedy("cuda")  # it is there, and needs the driver


def test_a_provider_that_is_missing_says_what_it_needs():
    """No distribution has both."""
    needs = {"cuda": r"NVIDIA GPU .* CUDA and cuDNN", "directml": "DirectX 12"}
    missing = next(name for name in needs if name not in providers())
    with pytest.raises(UserError, match=f"lacks '{missing}'.* {needs[missing]}") as raised:
        OnnxRuntime(inverting_model(), "x", missing, None)
    assert str(raised.value).endswith(f"then pip install {WANTED[missing]}")


def test_libraries_of_nvidias_packages_are_loaded_for_cuda_alone(monkeypatch, capsys):
    monkeypatch.setattr(
        onnxruntime, "preload_dlls", lambda: sys.stdout.write("loaded"), raising=False
    )
    load_libraries("CPUExecutionProvider")
    assert capsys.readouterr().err == ""
    load_libraries("CUDAExecutionProvider")
    assert capsys.readouterr() == ("", "loaded")
