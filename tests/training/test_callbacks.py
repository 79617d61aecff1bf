"""What Lightning calls back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fast_nst.training.callbacks import Defects, PreviewImages
from fast_nst.training.data import ValidationBatch
from fast_nst.training.initialization import Initialization
from fast_nst.training.module import StyleTransfer
from fast_nst.training.saving import TensorBoardLogs
from fast_nst.training.settings import TrainConfig


class Log:
    """The part of TensorBoard's writer that previews use."""

    def __init__(self) -> None:
        self.images: dict[str, torch.Tensor] = {}

    def add_image(self, name: str, image: torch.Tensor, step: int) -> None:
        assert name not in self.images
        self.images[name] = image


def test_previews_are_numbered_through_batches_of_any_length(tmp_path: Path, monkeypatch):
    logger = TensorBoardLogs(tmp_path)
    log = Log()
    monkeypatch.setattr(TensorBoardLogs, "experiment", log)
    trainer = SimpleNamespace(logger=logger, global_step=1)
    preview = PreviewImages()
    preview.on_validation_epoch_start()
    batches = [torch.full((n, 3, 4, 4), n / 10) for n in (3, 3, 2)]
    for i, batch in enumerate(batches):
        # The paintings come from the validation step: no module is asked for them again.
        preview.on_validation_batch_end(trainer, None, 1 - batch, ValidationBatch(batch), i)
    assert list(log.images) == [f"preview/{i}" for i in range(8)]
    assert log.images["preview/7"].shape == (3, 8, 4)
    assert log.images["preview/7"][0, :, 0].tolist() == pytest.approx([0.2] * 4 + [0.8] * 4)


def test_defects_are_measured_in_a_twentieth_of_the_time(monkeypatch):
    clock = SimpleNamespace(now=0.0)

    def measure(*_: object) -> dict[str, float]:
        clock.now += 2.0
        return {"screen": 1.5}

    monkeypatch.setattr("fast_nst.training.callbacks.time.monotonic", lambda: clock.now)
    monkeypatch.setattr("fast_nst.training.callbacks.inspect", measure)
    config = TrainConfig(network="fast")
    module = StyleTransfer(config, torch.nn.Identity(), Initialization("scratch"))
    logged: list[float] = []
    monkeypatch.setattr(module, "log_dict", lambda values: logged.append(values["val/screen"]))
    callback = Defects()
    for now in (0.0, 10.0, 41.0, 42.0, 60.0, 84.0):
        clock.now = max(clock.now, now)
        callback.on_validation_epoch_end(None, module)
    assert logged == [1.5] * 3  # at 0, 42 and 84 seconds: each takes 2, the next is 40 later
