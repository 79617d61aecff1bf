"""The command as a process: scripts, help, imports, pipes."""

from __future__ import annotations

import dataclasses
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from fast_nst import __version__
from fast_nst.commands.main import COMMANDS, main
from fast_nst.commands.train import TrainOptions
from fast_nst.pictures.read import open_image

ROOT = Path(__file__).parents[2]


def python(*arguments, **options) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, **options)


def test_first_command_of_readme(tmp_path: Path):
    photo = ROOT / "fast_nst" / "assets" / "photos" / "chelsea.jpg"
    done = python("-X", "importtime", ROOT / "infer.py", photo, "-o", tmp_path / "out.jpg")
    assert done.returncode == 0, done.stderr
    assert open_image(tmp_path / "out.jpg").size == open_image(photo).size
    imported = {line.split(b"|")[-1].strip() for line in done.stderr.splitlines()}
    assert b"onnxruntime" in imported
    assert not {b"torch", b"torchvision", b"lightning", b"onnx"} & imported
    assert not {b"importlib.metadata", b"platformdirs", b"shtab"} & imported  # slow


@pytest.mark.parametrize("command", ["train", "export", "infer"])
def test_scripts_and_subcommands_are_equal(command: str, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"{command}.py", "--help"])
    with pytest.raises(SystemExit) as door:
        runpy.run_path(str(ROOT / f"{command}.py"), run_name="__main__")
    through_the_door = capsys.readouterr().out
    with pytest.raises(SystemExit) as subcommand:
        main([command, "--help"])
    assert door.value.code == subcommand.value.code == 0
    assert capsys.readouterr().out == through_the_door
    assert f"usage: fast-nst {command}" in through_the_door


def test_interrupt_exits_with_130(monkeypatch, capsys):
    def interrupted(*_) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("fast_nst.commands.infer.run", interrupted)
    assert main(["infer"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_train_help_lists_settings_and_defaults(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for item in dataclasses.fields(TrainOptions):
        assert f"--{item.name.replace('_', '-')} " in text
        meaning = " ".join(item.metadata["help"].split())
        assert meaning in text, item.name
        if isinstance(item.default, int | float) and not isinstance(item.default, bool):
            assert f" (default: {item.default:g})" in text.partition(meaning)[2][:40], item.name


def test_overview_and_version(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)
    assert "exit codes: 0 " in out
    assert main(["help"]) == 0
    assert capsys.readouterr().out == out
    for flag in ("-V", "--version"):
        assert main([flag]) == 0
        assert capsys.readouterr().out == f"fast-nst {__version__}\n"
    assert main([]) == 2
    capsys.readouterr()
    assert main(["trian"]) == 2
    assert "Did you mean 'train'" in capsys.readouterr().err


def test_python_m_runs_the_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fast_nst", "-V"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("fast_nst", run_name="__main__")
    assert not ended.value.code
    assert capsys.readouterr().out == f"fast-nst {__version__}\n"


WITHOUT_EXTRA = """
import sys
from fast_nst.commands.main import _TRAINING_PACKAGES, COMMANDS, main
for name in _TRAINING_PACKAGES:
    sys.modules[name] = None  # importing it fails
for name in COMMANDS:
    try:
        main(["help", name])
    except SystemExit as ended:
        assert ended.code == 0, name
"""


def test_help_of_every_command_without_the_train_extra():
    done = python("-c", WITHOUT_EXTRA, text=True)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert f"usage: fast-nst {name} " in done.stdout
    assert done.stdout.count("exit codes: 0 ") == len(COMMANDS)


def test_running_without_the_train_extra_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr("fast_nst.commands.main._TRAINING_PACKAGES", ("no_such_package",))
    for name in ("train", "preview", "export", "optimize", "compare"):
        assert main([name]) == 2
        line = 'error: no_such_package is not installed: pip install "fast-nst[train]"\n'
        assert capsys.readouterr().err == line


def test_torchvision_of_another_torch_is_one_line(tmp_path: Path):
    reason = "operator torchvision::nms does not exist"
    (tmp_path / "torchvision.py").write_text(f"raise RuntimeError({reason!r})")
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    done = python("-m", "fast_nst", "train", text=True, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 2
    assert done.stderr == (
        f"error: the packages of the train extra cannot be imported ({reason}): where one of torch "
        "and torchvision was updated alone, run pip install -U torch torchvision\n"
    )


def test_options_with_their_former_addresses():
    from fast_nst.choices import LAYERS, SOURCES
    from fast_nst.devices import PRECISIONS
    from fast_nst.losses import LossSettings
    from fast_nst.networks import NETWORKS
    from fast_nst.training.settings import Recipe

    assert issubclass(Recipe, LossSettings)
    choices = {item.name: item.metadata["choices"] for item in dataclasses.fields(Recipe)}
    assert choices["network"] == (*NETWORKS,)
    assert choices["precision"] == (*PRECISIONS, "16")
    assert "relu4_2" in LAYERS
    help_of = {item.name: item.metadata["help"] for item in dataclasses.fields(Recipe)}
    assert all(source in help_of["vgg"] for source in SOURCES)


def test_closed_output_pipe_is_no_crash(tmp_path: Path):
    photo = ROOT / "fast_nst" / "assets" / "photos" / "rocket.jpg"
    command = f"'{sys.executable}' '{ROOT}/infer.py' '{photo}' -o - -q | head -c 1 >/dev/null"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=True)
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr
