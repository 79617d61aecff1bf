"""Equivalent iterations on curves known by hand, and one real comparison."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_nst.assets import DEFAULT_MODEL, SAMPLE_STYLE
from fast_nst.comparison.measure import (
    Comparison,
    Equivalent,
    Milestone,
    compare,
    equivalent_iterations,
    find_style,
    model_recipe,
    summarize,
)
from fast_nst.devices import to_tensor
from fast_nst.errors import UserError
from fast_nst.losses import PARTS, PerceptualLoss
from fast_nst.pictures.edit import from_array, to_array
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.vgg import VGG19
from tests.conftest import inverting_model, noise


def test_equivalent_iterations_are_interpolated():
    assert equivalent_iterations([8.0, 4.0, 2.0], 3.0) == Equivalent("reached", 1.5)
    assert equivalent_iterations([8.0, 4.0, 2.0], 8.0) == Equivalent("reached", 0.0)
    assert equivalent_iterations([8.0, 4.0, 2.0], 2.0) == Equivalent("reached", 2.0)
    assert equivalent_iterations([8.0, 9.0, 5.0], 7.0) == Equivalent("reached", 1.5)


def test_never_reached_and_worse_than_the_start():
    assert equivalent_iterations([8.0, 4.0, 2.0], 1.9) == Equivalent("never")
    assert equivalent_iterations([8.0, 4.0, 2.0], 8.1) == Equivalent("worse")


@given(st.floats(0.5, 99.5), st.floats(0.1, 3.0))
def test_equivalent_iterations_are_recovered_from_a_synthetic_curve(steps: float, decay: float):
    """On 10 / (1 + k) ** decay, whose value between iterations is known."""
    curve = [10 / (1 + k) ** decay for k in range(101)]
    low = math.floor(steps)
    total = curve[low] + (steps - low) * (curve[low + 1] - curve[low])
    found = equivalent_iterations(curve, total)
    assert found.verdict == "reached"
    assert found.iterations == pytest.approx(steps, abs=1e-6)


def comparison(total: float, equivalent: Equivalent, seconds: float = 0.01) -> Comparison:
    losses = {"content": 0.0, "style": total, "tv": 0.0, "total": total}
    milestones = [
        Milestone(10, 1.0, losses, 1.0 / seconds),
        Milestone(100, 9.0, losses, 9.0 / seconds),
    ]
    curve = {"seconds": [0.0, 1.0], **{part: [2.0, 1.0] for part in PARTS}}
    spread = (seconds, seconds)
    return Comparison("a.jpg", 4, 3, losses, losses, seconds, spread, milestones, curve, equivalent)


def test_summary_by_hand():
    items = [
        comparison(1.0, Equivalent("reached", 20.0)),
        comparison(3.0, Equivalent("reached", 40.0), 0.03),
    ]
    summary = summarize(items)
    equivalent = summary["equivalent_iterations"]
    assert equivalent["mean"] == 30
    assert equivalent["std"] == pytest.approx(math.sqrt(200))
    assert (equivalent["reached"], equivalent["never"], equivalent["worse"]) == (2, 0, 0)
    assert equivalent["bound"] == "about"
    assert summary["network"]["total"]["mean"] == 2
    assert summary["network"]["seconds"]["mean"] == pytest.approx(0.02)
    assert [row["steps"] for row in summary["optimizer"]] == [10, 100]
    assert summary["optimizer"][1]["speed_up"] == pytest.approx(450)
    assert summary["photographs"] == 2


@pytest.mark.parametrize(
    ("others", "mean", "bound"),
    [
        (["never"], 60, "at least"),
        (["worse"], 10, "at most"),
        (["never", "worse"], 40, "about"),
    ],
)
def test_missing_equivalents_bound_the_mean(others, mean, bound):
    items = [comparison(1.0, Equivalent("reached", 20.0))]
    items += [comparison(1.0, Equivalent(verdict)) for verdict in others]
    equivalent = summarize(items)["equivalent_iterations"]
    assert equivalent["mean"] == mean
    assert equivalent["bound"] == bound


@pytest.fixture(scope="module")
def loss() -> PerceptualLoss:
    vgg = VGG19(["relu1_1", "relu2_1"])
    style = to_tensor(from_array(noise(40, 40, seed=5)))
    return PerceptualLoss(vgg, style, ["relu2_1"], ["relu1_1", "relu2_1"], 1.0, 5.0, 0.1)


def test_both_are_scored_on_8_bit_images(loss: PerceptualLoss):
    photo = from_array(noise(24, 32))
    stylizer = Stylizer(inverting_model())
    found = compare("photo.png", photo, stylizer, loss, [2, 4], precision="32")
    assert found is not None
    numbers, pictures = found
    assert (to_array(pictures.network) == 255 - to_array(photo)).all()
    features = loss.content_features(to_tensor(photo))
    shown = {
        "start": (numbers.start, photo),
        "network": (numbers.network, pictures.network),
        "2": (numbers.milestones[0].losses, pictures.milestones[0]),
        "4": (numbers.milestones[1].losses, pictures.milestones[1]),
    }
    for name, (losses, picture) in shown.items():
        parts = loss(to_tensor(picture), features)
        assert losses == pytest.approx({p: parts[p].item() for p in PARTS}, rel=1e-6), name
    assert [m.steps for m in numbers.milestones] == [2, 4]
    assert len(numbers.curve["total"]) == len(numbers.curve["seconds"]) == 5
    # The curve is of unrounded pictures: 8 bits change little.
    assert numbers.curve["total"][4] == pytest.approx(
        numbers.milestones[1].losses["total"], rel=0.01
    )
    assert numbers.milestones[1].speed_up == pytest.approx(
        numbers.milestones[1].seconds / numbers.network_seconds
    )
    low, high = numbers.network_spread
    assert low <= numbers.network_seconds <= high


@pytest.mark.integration
def test_comparison_can_be_cancelled(loss: PerceptualLoss):
    photo, stylizer = from_array(noise(24, 32)), Stylizer(inverting_model())
    assert compare("a", photo, stylizer, loss, [9], on_progress=lambda item: item.step == 1) is None


def test_noise_as_initial_image(loss: PerceptualLoss):
    photo, stylizer = from_array(noise(24, 32)), Stylizer(inverting_model())
    found = compare("a", photo, stylizer, loss, [1], init="noise", precision="32")
    assert found is not None
    assert found[0].start["content"] > 0


def test_model_recipe():
    recipe = model_recipe(Stylizer(DEFAULT_MODEL).metadata, "default.onnx")
    assert (recipe.style_weight, recipe.style_size, recipe.pooling) == (6, 448, "max")
    with pytest.raises(UserError, match=r"'x\.onnx' has no training recipe"):
        model_recipe({"title": "x"}, "x.onnx")
    future = json.dumps({**recipe.recipe(), "new_setting": 1})
    with pytest.raises(UserError, match=r"trained by fast_nst 9\.9 with settings"):
        model_recipe({"recipe": future, "fast_nst": "9.9"}, "x.onnx")


def test_find_style_by_sha256(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "run" / "model.onnx"
    model.parent.mkdir()
    fingerprint = hashlib.sha256(b"the wave").hexdigest()
    metadata = {"style": "wave.jpg", "style_sha256": fingerprint}
    with pytest.raises(UserError, match=r"trained on wave\.jpg, which is not here: add --style"):
        find_style(metadata, model)
    Path("paintings").mkdir()
    Path("paintings/wave.jpg").write_bytes(b"the wave")
    assert find_style(metadata, model) == Path("paintings/wave.jpg")
    Path("wave.jpg").write_bytes(b"another picture")
    assert find_style(metadata, model) == Path("paintings/wave.jpg")
    Path("paintings/wave.jpg").unlink()
    with pytest.raises(UserError, match=r"'wave\.jpg' is another image than the one"):
        find_style(metadata, model)
    (model.parent / "config.yaml").write_text(f"style: {tmp_path}/renamed.jpg\n")
    Path("renamed.jpg").write_bytes(b"the wave")
    assert find_style(metadata, model) == tmp_path / "renamed.jpg"
    Path("runs").mkdir()
    model.parent.rename("runs/wave")  # its model is installed in the user's folder
    assert find_style(metadata, tmp_path / "home" / "wave.onnx") == tmp_path / "renamed.jpg"
    sample = hashlib.sha256(SAMPLE_STYLE.read_bytes()).hexdigest()
    assert find_style({"style": "gone.jpg", "style_sha256": sample}, model) == SAMPLE_STYLE
    # Of a folder of paintings it is the one with the model's SHA-256, whatever its name.
    folder = tmp_path / "scans"
    (folder / "deeper").mkdir(parents=True)
    (folder / "wave.jpg").write_bytes(b"another picture")
    with pytest.raises(UserError, match=r"none of the images in .*scans' is the one"):
        find_style(metadata, model, folder)
    (folder / "deeper" / "scan7.png").write_bytes(b"the wave")
    assert find_style(metadata, model, folder) == folder / "deeper" / "scan7.png"
