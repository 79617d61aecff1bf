"""Arguments of Lightning's Trainer as YAML gives them."""

from __future__ import annotations

import pytest
from lightning.pytorch.callbacks import LearningRateMonitor

from fast_nst.errors import UserError
from fast_nst.training.trainer import trainer_arguments


@pytest.mark.parametrize(
    "given",
    [
        {"max_time": "00:01:00:00", "limit_val_batches": 1, "logger": False, "plugins": []},
        {"gradient_clip_val": 0.5, "limit_train_batches": 0.5, "deterministic": "warn"},
        {"callbacks": None, "max_time": {"hours": 1}, "profiler": "simple", "benchmark": True},
    ],
)
def test_plain_values_stay_as_they_are(given: dict):
    assert trainer_arguments(given) == given


def test_class_paths_become_objects():
    path = "lightning.pytorch.callbacks.LearningRateMonitor"
    callback = {"class_path": path, "init_args": {"logging_interval": "step"}}
    found = trainer_arguments({"callbacks": [callback], "max_time": {"minutes": 1}})
    assert found["max_time"] == {"minutes": 1}
    (made,) = found["callbacks"]
    assert isinstance(made, LearningRateMonitor)
    assert made.logging_interval == "step"


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"max_tiem": 1}, "Did you mean 'max_time'"),
        ({"max_time": 3}, r"trainer.max_time is 3: Lightning takes Union\[str, timedelta, dict"),
        ({"callbacks": ["x"]}, r"trainer.callbacks is \['x'\]"),
        ({"logger": "x"}, "trainer.logger is 'x'"),
        ({"deterministic": "x"}, "trainer.deterministic is 'x'"),
        ({"accumulate_grad_batches": True}, "is True: Lightning takes int"),
        ({"log_every_n_steps": 2.5}, "trainer.log_every_n_steps is 2.5"),
        ({"precision": "16"}, "give precision instead"),
        ({"callbacks": [{"class_path": "Timer"}]}, "names no module"),
        ({"callbacks": [{"class_path": "lightning.pytorch.callbacks.Timr"}]}, "no attribute"),
        ({"callbacks": [{"class_path": "nowhere.Timer"}]}, "No module named"),
        ({"profiler": {"class_path": "fractions.Fraction", "init_args": {"x": 1}}}, "argument"),
    ],
)
def test_mistakes_are_said(given: dict, word: str):
    with pytest.raises(UserError, match=word):
        trainer_arguments(given)
