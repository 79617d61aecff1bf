"""What is trained: the name of a style, its painting, and the curve of its losses."""

from __future__ import annotations

import pytest
from PIL import Image

from fast_nst.errors import UserError
from fast_nst.web.training import style_name
from fast_nst.web.training_api import checked_painting
from fast_nst.web.training_state import Curve
from tests.conftest import noise


def test_style_name_is_made_of_the_title():
    assert style_name("The Great Wave, 1831") == "the_great_wave_1831"
    assert style_name("  Über – alles: 2/3 ") == "über_alles_2_3"
    assert style_name("../../etc/passwd") == "etc_passwd"
    assert style_name("神奈川沖浪裏") == "神奈川沖浪裏"
    assert style_name("a" * 100) == "a" * 60


@pytest.mark.parametrize("title", ["", " ", "...", "a\nb", "a" * 101, "\udcff"])
def test_style_name_rejects_titles_without_a_name(title: str):
    with pytest.raises(UserError, match="name is "):
        style_name(title)


def test_curve_has_few_points_with_the_means_of_the_values():
    curve = Curve()
    for i in range(4096):
        curve.add(float(i), float(i % 2))
        assert len(curve.points) < 200
    assert {loss for _, loss in curve.points} == {0.5}
    assert [seconds for seconds, _ in curve.points] == sorted({s for s, _ in curve.points})
    assert curve.points[-1][0] > 4000


def test_checked_painting():
    large = checked_painting(Image.fromarray(noise(3000, 1500)))
    assert large.size == (1024, 2048)
    same = Image.fromarray(noise(100, 300))
    assert checked_painting(same) is same
    for size in [(3, 100), (1601, 400), (31, 31), (1, 1)]:
        with pytest.raises(UserError, match=rf"^the painting is {size[0]}x{size[1]} px: "):
            checked_painting(Image.new("RGB", size, "red"))
    with pytest.raises(UserError, match="single color"):
        checked_painting(Image.new("RGB", (64, 64), "red"))
