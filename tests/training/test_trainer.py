"""Arguments of Lightning's Trainer as YAML gives them."""

from __future__ import annotations

import pytest
from lightning.pytorch.callbacks import LearningRateMonitor

from fast_nst.errors import UserError
from fast_nst.training.trainer import trainer_arguments


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
        ({"precision": "16"}, "give --precision instead"),
        ({"callbacks": [{"class_path": "Timer"}]}, "names no module"),
        ({"callbacks": [{"class_path": "lightning.pytorch.callbacks.Timr"}]}, "no attribute"),
        ({"callbacks": [{"class_path": "nowhere.Timer"}]}, "No module named"),
        ({"profiler": {"class_path": "fractions.Fraction", "init_args": {"x": 1}}}, "argument"),
    ],
)
def test_mistakes_are_said(given: dict, word: str):
    with pytest.raises(UserError, match=word):
        trainer_arguments(given)
