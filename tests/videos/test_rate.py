"""Changing the frame rate."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fast_nst.videos.clip import Frame
from fast_nst.videos.rate import at_rate


def frames(times: list[Fraction], last: Fraction = Fraction(0)) -> list[Frame]:
    durations = [*(b - a for a, b in itertools.pairwise(times)), last]
    return [
        Frame(np.full((1, 1, 3), i, np.uint8), t, d)
        for i, (t, d) in enumerate(zip(times, durations, strict=True))
    ]


def numbers(found: list[Frame]) -> list[int]:
    return [int(frame.pixels[0, 0, 0]) for frame in found]


def test_same_rate_is_identity():
    given_frames = frames([Fraction(i, 25) for i in range(5)], Fraction(1, 25))
    found = list(at_rate(iter(given_frames), Fraction(25)))
    assert found == given_frames


def test_half_and_double_rate():
    given_frames = frames([Fraction(i, 20) for i in range(6)], Fraction(1, 20))
    assert numbers(list(at_rate(iter(given_frames), Fraction(10)))) == [0, 2, 4]
    doubled = list(at_rate(iter(given_frames), Fraction(40)))
    assert numbers(doubled) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert doubled[0].pixels is doubled[1].pixels
    assert [frame.time for frame in doubled] == [Fraction(i, 40) for i in range(12)]


def test_late_start_and_unknown_last_duration():
    given_frames = frames([Fraction(1, 4), Fraction(1, 2)])
    found = list(at_rate(iter(given_frames), Fraction(10)))
    assert [frame.time for frame in found] == [Fraction(i, 10) for i in (3, 4, 5)]
    assert numbers(found) == [0, 0, 1]
    assert list(at_rate(iter([]), Fraction(10))) == []


@given(
    st.lists(st.fractions(0, 5, max_denominator=1000), min_size=1, max_size=20, unique=True),
    st.fractions(1, 60, max_denominator=1001),
)
def test_each_tick_shows_frame_on_screen(times: list[Fraction], rate: Fraction):
    times.sort()
    for frame in at_rate(iter(frames(times, Fraction(1, 2))), rate):
        shown = max(i for i, time in enumerate(times) if time <= frame.time)
        assert numbers([frame]) == [shown]
        assert (frame.time * rate).denominator == 1
