"""What Lightning calls back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fast_nst.training.callbacks import PreviewImages
from fast_nst.training.saving import Logs


class Log:
    """The part of TensorBoard's writer that previews use."""

    def __init__(self) -> None:
        self.images: dict[str, torch.Tensor] = {}

    def add_image(self, name: str, image: torch.Tensor, step: int) -> None:
        assert name not in self.images
        self.images[name] = image


def test_previews_are_numbered_through_batches_of_any_length(tmp_path: Path, monkeypatch):
    logger = Logs(tmp_path)
    log = Log()
    monkeypatch.setattr(Logs, "experiment", log)
    trainer = SimpleNamespace(logger=logger, global_step=1)
    preview = PreviewImages()
    preview.on_validation_epoch_start()
    batches = [torch.full((n, 3, 4, 4), n / 10) for n in (3, 3, 2)]
    for i, batch in enumerate(batches):
        # The paintings come from the validation step: no module is asked for them again.
        preview.on_validation_batch_end(trainer, None, 1 - batch, batch, i)
    assert list(log.images) == [f"preview/{i}" for i in range(8)]
    assert log.images["preview/7"].shape == (3, 8, 4)
    assert log.images["preview/7"][0, :, 0].tolist() == pytest.approx([0.2] * 4 + [0.8] * 4)
