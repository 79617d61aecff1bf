"""Arguments as programs have them: scalars of NumPy's, and what is no number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fast_nst import Stylizer
from fast_nst.engines.engine import EngineOptions
from fast_nst.errors import UserError
from fast_nst.stylize.video import stylize_video
from tests.conftest import noise
from tests.videos.clips import make


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.array])
def test_numbers_of_numpys_are_numbers(kind: Any):
    pixels = noise(24, 32)
    blend = {"udnie_fast": kind(0.5), "evening_fast": kind(0.25)}
    of_numpy = Stylizer(blend, strength=kind(0.5), detail=kind(0.25), threads=np.int64(1))
    plain = Stylizer({"udnie_fast": 0.5, "evening_fast": 0.25}, strength=0.5, detail=0.25)
    assert of_numpy.metadata["blend"] == plain.metadata["blend"]
    np.testing.assert_array_equal(of_numpy(pixels), plain(pixels))
    arguments = {"strength": 0.75, "detail": 0.5, "stroke_scale": 2.0}
    given = {name: kind(value) for name, value in arguments.items()}
    np.testing.assert_array_equal(
        of_numpy(pixels, **given, size=np.uint8(16)), plain(pixels, **arguments, size=16)
    )
    film = [list(s.stream([pixels], detail=d)) for s, d in ((of_numpy, kind(0.5)), (plain, 0.5))]
    np.testing.assert_array_equal(*film)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"strength": "bold"}, "^strength is 'bold': it must be a number$"),
        ({"strength": True}, "^strength is True: it must be a number$"),
        ({"detail": np.ones(2)}, r"^detail is array\(.*\): it must be a number$"),
        ({"strength": np.float32("nan")}, "^strength is nan: it must be from 0"),
        ({"stroke_scale": 1j}, "^stroke_scale is 1j: it must be a number$"),
        ({"size": 1.5}, "^size is 1.5: it must be a whole number$"),
        ({"size": np.int64(0)}, "^size is 0: the longer side must be at least 1 px$"),
    ],
)
def test_what_is_no_number_is_said(argument: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        Stylizer("udnie_fast")(noise(4, 4), **argument)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Stylizer(5), "^the style is 5: give a name, an .onnx file"),
        (lambda: Stylizer({5: 1.0}), "^the style is 5: give a name"),
        (lambda: Stylizer("udnie_fast", pictures="x"), "^pictures is 'x': it must be a number$"),
        (lambda: Stylizer("udnie_fast").run(noise(4, 4)), r"^images is \(4, 4, 3\): give a uint8"),
        (lambda: Stylizer("udnie_fast")(5), "^cannot stylize a int: give a path"),
        (lambda: stylize_video(5, "out.mp4"), "^source is 5: it must be a path$"),
        (lambda: stylize_video("in.mp4", "out.mp4", ["udnie"]), r"^the style is \['udnie'\]: "),
        (lambda: stylize_video("in.mp4", "out.mp4", fps="fast"), "^fps is 'fast': it must be a"),
    ],
)
def test_wrong_types_are_said(call: Callable[[], object], message: str):
    with pytest.raises(UserError, match=message):
        call()


def test_a_film_takes_numpys_numbers(tmp_path: Path):
    make(tmp_path / "film.mp4", size=(48, 32))
    made = [
        stylize_video(
            tmp_path / "film.mp4",
            tmp_path / "out.mp4",
            Stylizer("udnie_fast", threads=1),
            strength=(kind(0.5), kind(1)),
            fps=kind(5),
            start=kind(0.25),
            until=kind(0.75),
        )
        for kind in (float, np.float32)
    ]
    assert made[0] == made[1]
    assert made[0].frames > 0


def test_options_take_numpys_numbers():
    options = EngineOptions(threads=np.int32(2))
    assert options.threads == 2
    assert type(options.threads) is int
    with pytest.raises(UserError, match="threads is 0: it must be from 1"):
        EngineOptions(threads=np.int32(0))
