"""A checkpoint is whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fast_nst.callbacks import AtomicCheckpoints


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(tmp_path: Path):
    target = tmp_path / "last.ckpt"
    checkpoints = AtomicCheckpoints()
    checkpoints.save_checkpoint({"step": 1}, target)
    with pytest.raises(Exception, match="pickle"):
        checkpoints.save_checkpoint({"step": 2, "broken": lambda: None}, target)
    assert torch.load(target, weights_only=True) == {"step": 1}
    assert list(tmp_path.iterdir()) == [target]
