"""Formatting of a report's numbers, and its JSON."""

from __future__ import annotations

import json

import torch

from fast_nst.comparison.measure import (
    Equivalent,
    summarize,
)
from fast_nst.comparison.report import (
    as_json,
    environment,
    format_equivalent,
    format_seconds,
    format_times,
)
from tests.comparison.test_measure import comparison


def test_number_formatting():
    assert [format_seconds(s) for s in (0.00421, 1.5, 135)] == ["4.21 ms", "1.5 s", "2.25 min"]
    assert [format_times(r) for r in (12540.2, 10, 0.434)] == ["12,540", "10", "0.43"]
    assert format_equivalent(Equivalent("reached", 17.6), 500) == "18"
    assert format_equivalent(Equivalent("never"), 500) == ">500"
    assert format_equivalent(Equivalent("worse"), 500) == "worse than the start"


def test_json_round_trip():
    items = [comparison(1.0, Equivalent("reached", 20.0)), comparison(2.0, Equivalent("never"))]
    record = json.loads(json.dumps(as_json(items, {"style": "a"}), allow_nan=False))
    assert record["style"] == "a"
    assert record["photographs"][1]["equivalent"] == {"verdict": "never", "iterations": None}
    assert record["summary"] == json.loads(json.dumps(summarize(items)))


def test_environment():
    facts = environment(torch.device("cpu"))
    assert torch.__version__.startswith(facts["torch"])
    assert facts["torch_threads"] >= 1
    assert facts["processor"]
