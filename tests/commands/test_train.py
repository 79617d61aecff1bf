"""`fast-nst train` from flags to files."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from PIL import Image

from fast_nst.assets import CONFIGS, SAMPLE_STYLE
from fast_nst.commands.main import main
from fast_nst.training.checkpoints import read_checkpoint
from fast_nst.training.run import TrainResult
from tests.conftest import noise


def test_unreadable_photographs_are_counted_and_named(photographs: Path, tmp_path: Path, capsys):
    out = tmp_path / "run"
    command = f"train --photos {photographs} --out {out} --steps 3 --size 32 --style-size 32"
    assert main([*command.split(), "--batch-size", "4", "--precision", "32"]) == 0
    out, err = capsys.readouterr()
    assert "broken.jpg" in err
    assert "empty.png" in err
    assert "2 photographs skipped" in err
    assert "Installed as 'sample_style'." in out
    assert "fast-nst infer PHOTO.jpg --style sample_style -o" in out  # the next command to type


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ("--style MISSING", "no file"),
        ("--style FOLDER", "no images"),
        ("--style SMALL SMALL", "--out belongs to one style"),
        ("--style SMALL,SMALL", "--out belongs to one style"),
        ("--strategy slow", "Lightning refuses"),
        ("--num-nodes 0", "at least 1"),
        ("--trainer.strategy ddp", "give --strategy instead"),
        ("--from-preview 1", "no preview in"),
        ("--from-preview 1 --init scratch", "--init contradicts --from-preview"),
        ("--style SMALL", "at least 32 px"),
        ("--photos MISSING", "no folder"),
        ("--photos EMPTY", "no images"),
        ("--photos SMALL", "is a file"),
        ("--network fats", "Did you mean 'fast'"),
        ("--style-layers relu4-1", "Did you mean 'relu4_1'"),
        ("--content-layers relu9_9", "unknown VGG-19 layer"),
        ("--vgg nothing.pth", "no VGG-19 weights at"),
        ("--vgg SMALL", "not a file of tensors"),
        ("--style-weight 0", "above 0"),
        ("--steps many", "steps"),
        ("--accelerator abacus", "Lightning refuses"),
        ("--accelerator cuda", "Lightning refuses"),
        ("--devices some", "--devices is 'some'"),
        ("--devices=", "--devices is ''"),
        ("--precision 7", "unknown precision"),
        ("--trainer.max_steps 7", "give --steps instead"),
        ("--stlye x.jpg", "Did you mean '--style'"),
        ("--resume MISSING", "no checkpoint"),
        ("--resume SMALL", "not a checkpoint"),
        ("--out SMALL/below", "cannot make the folder"),
        ("--config MISSING", "does not exist"),
        ("--config UNKNOWN_KEY", "stpes"),
        ("--config UNKNOWN_TRAINER_KEY", "max_tiem"),
        ("--config NO_LIST", "unknown VGG-19 layer 'relu1-1'"),
        ("--config SMALL", "--config is not a text file"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(
    tmp_path: Path, photographs: Path, capsys, arguments: str, word: str
):
    Image.new("RGB", (31, 300), "red").save(tmp_path / "small.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.yaml").write_text("stpes: 3\n")
    (tmp_path / "worse.yaml").write_text("trainer: {max_tiem: 3}\n")
    (tmp_path / "string.yaml").write_text("style_layers: relu1-1\n")
    for name, path in (
        ("NO_LIST", "string.yaml"),
        ("UNKNOWN_TRAINER_KEY", "worse.yaml"),
        ("UNKNOWN_KEY", "bad.yaml"),
        ("MISSING", "missing"),
        ("SMALL", "small.png"),
        ("FOLDER", "empty"),
        ("EMPTY", "empty"),
    ):
        arguments = arguments.replace(name, str(tmp_path / path))
    defaults = f"--photos {photographs} --out {tmp_path / 'run'} --steps 1 --size 32"
    code = main(["train", *defaults.split(), *arguments.split()])
    err = capsys.readouterr().err
    assert code == 2, err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert word in err
    assert not (tmp_path / "run" / "last.ckpt").exists()


RECIPES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
TINY = "--steps 2 --size 32 --style-size 32 --precision 32 --network fast --content-layers relu1_1"
TINY += " --style-layers relu1_1"


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_is_accepted_by_name_and_by_path(
    name: str, tmp_path: Path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()  # nothing of that name stands in the way
    path = CONFIGS / f"{name}.yaml"
    style = yaml.safe_load(path.read_text(encoding="utf-8")).get("style")
    if style:
        Path("paintings").mkdir()
        Path(style).write_bytes(SAMPLE_STYLE.read_bytes())
    for given in (name, str(path)):
        assert main(["train", "--config", given, "--photos", "nowhere"]) == 2
        assert capsys.readouterr().err == "error: no folder 'nowhere': check the name\n"


def test_a_recipe_that_there_is_not(capsys):
    assert main(["train", "--config", "wheat_feld"]) == 2
    err = capsys.readouterr().err
    assert "unknown recipe 'wheat_feld'. Did you mean 'wheat_field'?" in err
    assert err.count("\n") == 1


@pytest.mark.slow
def test_the_settings_of_every_run_are_accepted(
    run: TrainResult, photographs: Path, tmp_path: Path, monkeypatch, capsys
):
    """Without a style, to a folder that was named, resumed, of a series."""
    monkeypatch.chdir(tmp_path)
    tiny = ["--photos", str(photographs), *TINY.split()]
    Image.fromarray(noise(40, 40)).save("Волна é, 浪.png")
    Image.fromarray(noise(40, 40)).save("sea.png")
    assert main(["train", *tiny]) == 0
    assert main(["train", "--style", "Волна é, 浪.png", "sea.png", *tiny]) == 0
    assert main(["train", "--resume", "last", "--style", "sea.png", "--steps", "3"]) == 0
    made = sorted(Path("runs").glob("*/config.yaml"))
    assert len(made) == 3
    capsys.readouterr()
    for path in (run.folder / "config.yaml", *made):
        assert main(["train", "--config", str(path), "--photos", "nowhere"]) == 2
        assert capsys.readouterr().err == "error: no folder 'nowhere': check the name\n"
    again = ["train", "--config", "runs/sea/config.yaml"]
    assert main(again) == 0
    before, after = (read_checkpoint(f"runs/{name}/last.ckpt") for name in ("sea", "sea-2"))
    assert after.step == 3
    assert after.config.recipe() == before.config.recipe()


def test_files_are_utf8_whatever_the_locale(tmp_path: Path):
    Path(tmp_path, "a.yaml").write_bytes("\ufeffartist: Fernand Léger 浪\n".encode())
    program = (
        "import sys; from fast_nst.commands.parsing import parse; "
        "from fast_nst.training.settings import TrainConfig; "
        "print(ascii(parse(TrainConfig, ['--config', sys.argv[1]], 'x', None).artist))"
    )
    plain = {**os.environ, "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", program, str(tmp_path / "a.yaml")]
    said = subprocess.run(command, env=plain, capture_output=True, text=True)
    assert said.stdout.strip() == ascii("Fernand Léger 浪"), said.stderr


def test_a_resumed_run_whose_painting_is_gone_says_how_to_name_it(
    photographs: Path, tmp_path: Path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(noise(40, 40)).save("sea.png")
    photos = shutil.copytree(photographs, tmp_path / "photos")
    assert main(["train", "--style", "sea.png", "--photos", "photos", *TINY.split()]) == 0
    Path("sea.png").rename("moved.png")
    capsys.readouterr()
    resume = ["train", "--resume", "runs/sea/last.ckpt", "--steps", "3"]
    assert main(resume) == 2
    assert capsys.readouterr().err == (
        "error: the painting 'sea.png' that this run was trained on is not there any more: say "
        "where it is now, with --style\n"
    )
    photos.rename("pictures")
    resume += ["--style", "moved.png"]
    assert main(resume) == 2
    assert "with --photos" in capsys.readouterr().err
    assert main([*resume, "--photos", "pictures"]) == 0
    assert read_checkpoint("runs/sea/last.ckpt").step == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_signals_that_end_a_process_save_what_there_is(
    name: str, photographs: Path, tmp_path: Path
):
    command = f"train --photos {photographs} --out {tmp_path / 'run'} {TINY} --steps 100000"
    program = [sys.executable, "-u", "-m", "fast_nst.commands.main", *command.split()]
    process = subprocess.Popen(program, cwd=tmp_path, stderr=subprocess.PIPE)
    logs = tmp_path / "run" / "tensorboard"
    while not any(path.stat().st_size > 200 for path in logs.glob("events*")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(getattr(signal, name))
    err = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 0, err
    assert 0 < read_checkpoint(tmp_path / "run" / "last.ckpt").step < 100000
    assert (tmp_path / "run" / "model.onnx").is_file()
    assert "Traceback" not in err
