"""Frames at another rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from fast_nst.videos.clip import Frame


def at_rate(frames: Iterator[Frame], rate: Fraction) -> Iterator[Frame]:
    """What is on screen at 0, 1, 2 ... times `1 / rate` seconds; shown again or left out.

    Args:
        frames: In the order of their times.
        rate: A second.
    """
    count = 0
    last: Frame | None = None
    for frame in frames:
        if last is None:
            count = math.ceil(frame.time * rate)
        else:
            while count / rate < frame.time:
                yield replace(last, time=count / rate, duration=1 / rate)
                count += 1
        last = frame
    if last is not None:
        end = last.time + (last.duration or 1 / rate)
        while count / rate < end:
            yield replace(last, time=count / rate, duration=1 / rate)
            count += 1
