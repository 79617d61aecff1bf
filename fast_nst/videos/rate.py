"""Changing the frame rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from fast_nst.videos.clip import Frame


def at_rate(frames: Iterator[Frame], rate: Fraction) -> Iterator[Frame]:
    """Convert to a constant frame rate by repeating and dropping frames.

    Args:
        frames: Frames in presentation order.
        rate: Frames per second.

    Yields:
        The frame on screen at each multiple of `1 / rate` seconds.
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
