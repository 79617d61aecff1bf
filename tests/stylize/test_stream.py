"""Frames through a network that remembers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fast_nst import Stylizer, UserError
from fast_nst.assets import SAMPLE_PHOTOGRAPHS
from fast_nst.models.model import Model, WeightedModel
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_photograph
from fast_nst.stylize import stream
from fast_nst.stylize.painting import PaintOptions
from fast_nst.stylize.stream import (
    DECAY,
    LAG,
    RunningStats,
    Stream,
    Task,
    is_scene_change,
    thumbnail,
)
from fast_nst.videos.clip import Frame


@pytest.fixture(scope="module")
def film() -> list[np.ndarray]:
    """Eight frames that pan over a photograph, and four of another scene."""
    coffee, rocket = (
        to_array(open_photograph(SAMPLE_PHOTOGRAPHS / f"{name}.jpg", 240))
        for name in ("coffee", "rocket")
    )
    scenes = [coffee[20 : 20 + 64, 2 * i : 2 * i + 96] for i in range(8)]
    scenes += [rocket[30 + i : 94 + i, :96] for i in range(4)]
    return [np.ascontiguousarray(frame) for frame in scenes]


def difference(first: np.ndarray, second: np.ndarray) -> int:
    return int(np.abs(first.astype(int) - second).max())


def through(stats: RunningStats, levels: list[int], own: list[list[float]], in_flight: int) -> list:
    """What frames are given, of which so many are painted at a time."""
    given, waiting = [], []
    for level, values in zip(levels, own, strict=True):
        stats.begin(np.full((8, 8, 3), level, np.uint8))
        while len(waiting) >= in_flight or stats.is_waiting:
            stats.update(waiting.pop(0))
        given.append(stats.current())
        waiting.append([np.float32(values)] if values else [])
    return given


@pytest.mark.parametrize("in_flight", range(1, LAG + 1))
def test_averages_by_hand(in_flight: int):
    """What frame n is given is the average after frame n - 2, whoever has waited for whom."""
    values = [1.0, 2.0, 4.0, 8.0, 16.0]
    averages = values[:1]
    for value in values[1:]:
        averages.append(DECAY * averages[-1] + (1 - DECAY) * value)
    given = through(RunningStats(), [100] * 5, [[value] for value in values], in_flight)
    assert given[0] == ([], 0.0)
    for number, (state, keep) in enumerate(given[1:], start=1):
        assert keep == DECAY
        np.testing.assert_allclose(state[0], averages[max(number - LAG, 0)], rtol=1e-6)


@pytest.mark.parametrize("in_flight", range(1, LAG + 1))
def test_a_new_scene_forgets_the_old_one(in_flight: int):
    own = [[float(number)] for number in range(8)]
    given = through(RunningStats(), [10] * 4 + [200] * 4, own, in_flight)
    assert [keep for _, keep in given] == [0, DECAY, DECAY, DECAY] * 2
    for number in (5, 6):
        assert given[number][0][0].tolist() == [4.0]  # of frame 4, the scene's first, alone


def test_frames_without_statistics_give_none():
    given = through(RunningStats(), [100] * 5, [[], [], [3.0], [3.0], [3.0]], 1)
    assert given == [([], 0.0)] * 4 + [([np.float32([3])], DECAY)]


def test_cuts_are_told_from_what_moves_or_dims(film: list[np.ndarray]):
    small = [thumbnail(frame) for frame in film]
    assert max(small[0].shape) <= 33
    cuts = [is_scene_change(a, b) for a, b in itertools.pairwise(small)]
    assert cuts == [number == 7 for number in range(11)]
    assert is_scene_change(None, small[0])
    assert is_scene_change(small[0], small[0][:-1])
    assert not is_scene_change(small[0], small[0] * np.float32(0.9))


def test_one_blend_fades_into_another():
    a, b, c = (WeightedModel(name, b"", w) for name, w in (("a", 2.0), ("b", 6.0), ("c", 1.0)))
    blend = Model((a, b)).blended(Model((c,)), 0.2)
    weights = {part.name: part.weight for part in blend.parts}
    assert weights == pytest.approx({"a": 0.2, "b": 0.6, "c": 0.2})
    first, second = Model((a,)), Model((c,))
    assert [part.name for part in first.blended(second, 0).parts] == ["a"]
    assert [part.name for part in first.blended(second, 1).parts] == ["c"]


def tasks(stylize: Stylizer, frames: list[np.ndarray], **options) -> Iterator[Task]:
    for number, pixels in enumerate(frames):
        yield Task(Frame(pixels, Fraction(number)), stylize.model, PaintOptions(**options))


def painted(stylize: Stylizer, given: Iterable[Task], **how) -> list[np.ndarray]:
    return [frame.pixels for frame in Stream(stylize, **how).paint(given)]


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_two_at_a_time_are_the_same_as_one_by_one(film: list[np.ndarray], engine: str):
    stylize = Stylizer(engine=engine)
    one, two = (painted(stylize, tasks(stylize, film, detail=0), workers=n) for n in (1, 2))
    assert len(one) == len(two) == len(film)
    assert max(map(difference, one, two)) <= 1


def test_a_scene_begins_as_a_picture_does_and_then_holds_on(film: list[np.ndarray]):
    stylize = Stylizer(detail=0)
    alone = [stylize(frame) for frame in film]
    free = list(stylize.stream(film, steady=False))
    steady = list(stylize.stream(film))
    assert max(map(difference, alone, free)) <= 1
    for number in (0, 8):  # the first of each scene
        assert difference(alone[number], steady[number]) <= 1
    for number in (5, 11):
        assert difference(alone[number], steady[number]) > 2


def test_statistics_hold_still_when_something_passes():
    """A white wall comes into the frame: far from it, the painting stays more as it was."""
    stylize = Stylizer("composition_vii_fast")
    photo = to_array(open_photograph(SAMPLE_PHOTOGRAPHS / "coffee.jpg", 240))[20:100]
    frames = [photo.copy() for _ in range(8)]
    for number in range(4, 8):
        frames[number][:, 240 - 16 * (number - 3) :] = 250
    steady, free = (list(stylize.stream(frames, steady=steady)) for steady in (True, False))

    def change(paintings: list[np.ndarray]) -> float:
        first, last = (paintings[n][:, :100].astype(float) for n in (3, 7))
        return float(np.abs(last - first).mean())

    assert change(steady) < 0.6 * change(free)


def test_a_painting_comes_before_the_next_frame_is_taken(film: list[np.ndarray]):
    taken: list[int] = []

    def camera() -> Iterator[np.ndarray]:
        for number, frame in enumerate(film):
            taken.append(number)
            yield frame

    paintings = Stylizer().stream(camera())
    next(paintings)
    assert taken == [0]
    next(paintings)
    assert taken == [0, 1]
    paintings.close()  # type: ignore[attr-defined]


def test_the_same_array_is_not_painted_again(film: list[np.ndarray]):
    frames = [film[0], film[0], film[1], film[1]]
    for workers in (1, 2):
        stylize = Stylizer()
        found = painted(stylize, tasks(stylize, frames), workers=workers)
        assert found[0] is found[1]
        assert found[2] is found[3]
        assert found[0] is not found[2]


def test_style_and_strength_change_from_frame_to_frame(film: list[np.ndarray]):
    stylize, other = Stylizer("udnie", detail=0), Stylizer("great_wave", detail=0)
    strengths = (0, 0.1, 0.6, 1.2)
    looks = [(stylize.model, PaintOptions(strength=s, detail=0)) for s in strengths]
    for weight in (0.5, 1.0):
        looks.append((stylize.model.blended(other.model, weight), PaintOptions(detail=0)))
    upcoming = [*looks[1:], None]
    frame = Frame(film[0], Fraction(0))
    given = [
        Task(replace(frame, pixels=film[0].copy()), *look, following)
        for look, following in zip(looks, upcoming, strict=True)
    ]
    found = painted(stylize, given, steady=False, workers=2)
    assert difference(found[0], film[0]) == 0
    for number in (1, 2, 3):
        assert difference(found[number], stylize(film[0], strength=strengths[number])) <= 1
    half = Stylizer({"udnie": 0.5, "great_wave": 0.5}, detail=0)
    assert difference(found[4], half(film[0])) <= 1
    assert difference(found[5], other(film[0])) <= 1


def test_no_network_is_opened_for_strength_0(film: list[np.ndarray], monkeypatch):
    opened = []
    monkeypatch.setattr(stream, "open_network", lambda *given: opened.append(given))
    stylize, options = Stylizer("udnie_fast"), PaintOptions(strength=0)
    frame = Frame(film[0], Fraction(0))
    (found,) = painted(stylize, [Task(frame, stylize.model, options, (stylize.model, options))])
    assert difference(found, film[0]) == 0
    assert not opened


def test_colors_and_detail_can_be_kept(film: list[np.ndarray]):
    stylize = Stylizer()
    (found,) = stylize.stream(film[:1], keep_colors=True)
    assert difference(found, stylize(film[0], keep_colors=True, detail=0)) <= 1
    (found,) = stylize.stream(film[:1], detail=0.9)
    assert difference(found, stylize(film[0], detail=0.9)) <= 1
    assert difference(found, stylize(film[0], detail=0)) > 1
    with pytest.raises(UserError, match="detail is 2"):
        next(stylize.stream(film, detail=2))


@pytest.mark.integration
def test_frames_that_are_too_large_go_in_tiles():
    stylize = Stylizer(max_memory="64MB")
    frame = np.asarray(open_photograph(SAMPLE_PHOTOGRAPHS / "coffee.jpg").resize((640, 440)))
    (found,) = stylize.stream([frame])
    assert difference(found, Stylizer(detail=0)(frame)) <= 1


def test_sizes_may_change(film: list[np.ndarray]):
    found = list(Stylizer().stream([film[0], film[0][:33, :57], film[1]]))
    assert [painting.shape for painting in found] == [(64, 96, 3), (33, 57, 3), (64, 96, 3)]


@pytest.mark.parametrize(
    "frame",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8), "a.jpg"],
)
def test_what_is_no_frame(frame: object):
    with pytest.raises(UserError, match=r"give uint8 of shape \(H, W, 3\)"):
        list(Stylizer().stream([frame]))  # type: ignore[list-item]


def test_what_cannot_be_mixed_is_said(negative: Path, film: list[np.ndarray]):
    stylize = Stylizer(negative)
    assert difference(next(stylize.stream(film)), 255 - film[0]) == 0
    with pytest.raises(UserError, match="names no base"):
        painted(stylize, tasks(stylize, film[:1], strength=1.2))
    blend = stylize.model.blended(Model.read("udnie"), 0.5)
    with pytest.raises(UserError, match="names no base"):
        painted(stylize, [Task(Frame(film[0], Fraction(0)), blend, PaintOptions())])
    with pytest.raises(UserError, match="strength is 2"):
        PaintOptions(strength=2.0)
