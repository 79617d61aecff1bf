"""Each measure by hand, and the models that have the defect."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fast_nst import Stylizer
from fast_nst.assets import LIVE_STYLES, REFERENCE_PHOTOGRAPHS
from fast_nst.commands.defects import report_defects
from fast_nst.pictures.edit import to_array
from fast_nst.pictures.read import open_photograph
from fast_nst.training.defects import (
    MEASURES,
    PHOTOGRAPH_SIDE,
    Reference,
    border,
    chroma,
    compare,
    faults,
    inspect,
    luma,
    palette_distance,
    reference_of,
    screen,
    second_difference,
    spread,
    weave,
)
from fast_nst.training.models import read_model, to_onnx
from tests.conftest import noise

GREY = np.full((480, 480, 3), 128, np.uint8)
# Of the same luma: 299 * 45 - 587 * 27 + 114 * 21 = 0.
PURPLE, GREEN = (145, 98, 121), (100, 125, 100)


def photo() -> np.ndarray:
    return to_array(open_photograph(REFERENCE_PHOTOGRAPHS[1]))


def columns(*colours: tuple[int, int, int], width: int = 1, side: int = 96) -> np.ndarray:
    """Columns of these colours in turn, each so many px wide."""
    row = np.asarray(colours, np.uint8)[np.arange(side) // width % len(colours)]
    return np.tile(row, (side, 1, 1))


def with_pattern(image: np.ndarray, period: int, amplitude: int) -> np.ndarray:
    y, x = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
    sign = np.where((x // (period // 2) + y // (period // 2)) % 2, amplitude, -amplitude)
    return np.clip(image.astype(int) + sign[..., None], 0, 255).astype(np.uint8)


def test_luma_and_chroma_are_those_of_bt_601():
    image = np.array([[(255, 0, 0), (0, 255, 0), (0, 0, 255), (90, 90, 90)]], np.uint8)
    assert luma(image)[0, :, 0] == pytest.approx([76.245, 149.685, 29.07, 90])
    blue, red = chroma(image)[0].T
    assert blue == pytest.approx([-43.03, -84.47, 127.5, 0], abs=0.01)
    assert red == pytest.approx([127.5, -106.77, -20.73, 0], abs=0.01)


def test_a_ramp_has_no_second_difference():
    y, x = np.mgrid[0:40, 0:60]
    ramp = np.stack([2 * x, 3 * y, x + y], axis=-1).astype(np.uint8)
    assert second_difference(luma(ramp)) == pytest.approx(0, abs=1e-9)
    assert second_difference(chroma(ramp)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("turned", [False, True])
def test_a_second_difference_is_that_of_the_axis_that_has_more(turned: bool):
    stripes = columns((100,) * 3, (120,) * 3)
    stripes = stripes.swapaxes(0, 1) if turned else stripes
    assert second_difference(luma(stripes)) == pytest.approx(40)  # |100 - 2 * 120 + 100|
    assert second_difference(chroma(stripes)) == pytest.approx(0, abs=1e-9)
    # An edge every two px: each pixel lies beside one.
    assert second_difference(luma(columns((100,) * 3, (120,) * 3, width=2))) == pytest.approx(20)


def test_a_pattern_of_colour_alone_is_no_grain():
    fringed = columns(PURPLE, GREEN)
    assert second_difference(luma(fringed)) < 0.1
    purple, green = chroma(fringed)[0, :2]
    by_hand = 2 * np.abs(purple - green).mean()
    assert second_difference(chroma(fringed)) == pytest.approx(by_hand)
    assert by_hand > 30


def test_the_spread_is_that_of_areas():
    red, blue = (200, 40, 40), (40, 40, 200)
    halves = columns(red, blue, width=48)
    first, second = chroma(halves)[0, 0], chroma(halves)[0, -1]
    assert spread([halves]) == pytest.approx(np.linalg.norm(first - second) / 2)
    assert spread([columns(red), columns(blue)]) == pytest.approx(spread([halves]))
    assert spread([columns(red, blue)]) == pytest.approx(0, abs=1e-9)  # grey, from afar
    assert spread([columns(red, blue)[:9, :9]]) == pytest.approx(0, abs=1e-9)  # 8 px of them


def test_the_distance_of_two_palettes_is_how_far_they_were_moved():
    calm, blue = columns((90, 90, 90), (120, 120, 120)), columns((90, 90, 120), (120, 120, 150))
    palette = reference_of(calm).quantiles
    assert palette_distance([calm], palette) == 0
    moved = chroma(blue)[0, 0] - chroma(calm)[0, 0]
    angles = np.arange(4) * np.pi / 4
    by_hand = np.abs(np.cos(angles) * moved[0] + np.sin(angles) * moved[1]).mean()
    assert palette_distance([blue], palette) == pytest.approx(by_hand, abs=0.01)
    # A quarter of the picture moved: a quarter of the way, in each direction.
    parts = [calm, calm, calm, blue]
    assert palette_distance(parts, palette) == pytest.approx(by_hand / 4, abs=0.01)


def test_a_reference_is_what_is_measured_of_the_style_image():
    style = columns((200, 40, 40), (190, 60, 50), width=6)
    found = reference_of(style)
    assert found.fringes == pytest.approx(second_difference(chroma(style)), abs=0.005)
    assert found.grain == pytest.approx(second_difference(luma(style)), abs=0.005)
    assert found.spread == pytest.approx(spread([style]), abs=0.005)
    assert np.shape(found.quantiles) == (4, 16)
    assert all(list(row) == sorted(row) for row in found.quantiles)


def test_a_reference_goes_through_json_unchanged():
    found = reference_of(noise(40, 50))
    assert Reference.from_json(found.to_json()) == found
    assert len(found.to_json()) < 1_000  # of a model's metadata


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"fringes": 1, "grain": 1, "spread": 1, "quantiles": [[1], [1]]}',
        '{"fringes": "x", "grain": 1, "spread": 1, "quantiles": []}',
    ],
)
def test_what_is_no_reference_is_refused(text: str):
    with pytest.raises(ValueError, match="reference"):
        Reference.from_json(text)


def test_paintings_are_compared_with_the_style_image():
    style = columns((200, 40, 40), (190, 60, 60), (60, 60, 190))
    reference, flat = reference_of(style), GREY[:96, :96]
    same = compare([style], [flat], reference)
    assert same == pytest.approx(
        {"fringes": 1, "grain": 1, "palette": 1, "palette_distance": 0}, abs=0.01
    )
    assert compare([flat], [flat], reference)["palette"] == pytest.approx(0)
    # What a photograph has of it, no painting is blamed for.
    detailed = compare([style], [flat, style], reference_of(flat))
    assert (detailed["fringes"], detailed["grain"]) == pytest.approx((2, 2))


def test_a_grey_style_image_has_no_palette_to_reach():
    reference = reference_of(GREY)
    assert compare([GREY], [photo()], reference)["palette"] == 1
    assert compare([photo()], [photo()], reference)["palette"] == 1


def test_a_screen_stands_out_of_the_spectrum():
    assert screen([GREY]) == pytest.approx(1)
    assert screen([photo()]) < 1
    assert screen([noise(512, 512)]) == pytest.approx(1, abs=0.15)
    waves = 128 + 40 * np.sin(np.arange(480) * 2 * np.pi / 6)  # every 6 px
    assert screen([np.tile(np.rint(waves), (480, 1))[..., None].repeat(3, 2)]) < 1.1


@pytest.mark.parametrize("period", [2, 4])
def test_the_screen_of_a_pattern_grows_with_its_power(period: int):
    assert screen([with_pattern(GREY, period, 20)]) > 1000
    assert screen([with_pattern(photo(), period, 20)]) > MEASURES["screen"].most
    speckled = noise(512, 512) // 4 + 96  # whose power is the same at each frequency
    weak, strong = (screen([with_pattern(speckled, period, height)]) for height in (4, 8))
    assert strong - 1 == pytest.approx(4 * (weak - 1), rel=0.2)


def test_stripes_are_a_screen_too():
    stripes = columns((128,) * 3, (138,) * 3)
    assert screen([stripes]) > 1000
    assert screen([stripes.swapaxes(0, 1)]) > 1000


def test_a_frame_is_as_far_from_the_inside_as_it_is():
    framed = GREY.copy()
    assert border(framed) == 0
    framed[:8] = framed[-8:] = framed[:, :8] = framed[:, -8:] = 158
    assert border(framed) == pytest.approx(30)
    speckled = GREY.copy()
    speckled[8:-8, 8:-8] += (20 * (np.indices((464, 464)).sum(0) % 2))[..., None].astype(np.uint8)
    assert border(speckled) == pytest.approx(np.hypot(10, 10), rel=1e-3)


def test_a_frame_is_what_strips_inside_are_not():
    striped = np.where(np.arange(480) // 8 % 2, 98, 158)[:, None, None].repeat(480, 1).repeat(3, 2)
    striped[:8] = striped[-8:] = striped[:, :8] = striped[:, -8:] = 158
    # Half of the strips, those along the columns, do not differ: 30 levels / sqrt(2).
    expected = np.hypot(30 - 30 / np.sqrt(2), 30)
    assert border(striped.astype(np.uint8)) == pytest.approx(expected, rel=0.01)


def test_a_weave_is_what_repeats():
    assert weave(GREY) == 0
    tile = noise(30, 30)
    assert weave(np.tile(tile, (16, 16, 1))) == pytest.approx(1)
    assert weave(noise(480, 480)) < 0.1
    half = (np.tile(tile, (16, 16, 1)).astype(float) + noise(480, 480, seed=1)) / 2
    assert weave(half.astype(np.uint8)) == pytest.approx(0.5, abs=0.05)
    narrow = np.tile(noise(5, 5), (96, 96, 1))
    assert weave(narrow) == pytest.approx(1)  # through its multiples


def test_a_network_that_changes_nothing_has_no_defect():
    style = reference_of(photo())
    found = inspect(lambda image: image, style)
    assert list(found) == list(MEASURES)
    assert found["fringes"] == found["grain"] == 1  # the photographs have more than the style
    assert faults(found) == []


def test_one_that_dithers_has_fringes():
    shift = np.array(PURPLE, int) - np.array(GREEN, int)

    def paint(image: np.ndarray) -> np.ndarray:
        sign = (np.arange(image.shape[1]) % 2 - 0.5)[None, :, None]
        return np.clip(image + sign * shift, 0, 255).astype(np.uint8)

    found = inspect(paint, reference_of(photo()))
    assert found["fringes"] > MEASURES["fringes"].most
    assert found["grain"] < MEASURES["grain"].most
    assert any("--network fine" in fault for fault in faults(found))


def test_one_that_paints_grey_has_no_palette():
    found = inspect(lambda image: luma(image).repeat(3, 2).astype(np.uint8), reference_of(photo()))
    assert found["palette"] == 0
    (fault,) = (fault for fault in faults(found) if "palette" in fault)
    assert fault.startswith("palette 0, at least 0.7: ")
    assert "--style-weight" in fault


def test_without_a_reference_the_rest_is_measured():
    sizes = []
    found = inspect(lambda image: sizes.append(image.shape) or image)
    assert list(found) == ["screen", "border", "weave"]
    assert faults(found) == []
    assert sizes[0] == GREY.shape
    assert {max(shape) for shape in sizes[1:]} == {PHOTOGRAPH_SIDE}


@pytest.mark.integration
def test_without_noise_a_style_is_a_weave():
    path = LIVE_STYLES / "tableau_no_2_fast.onnx"
    network = read_model(path).network
    assert inspect(Stylizer(path, detail=0))["weave"] < MEASURES["weave"].most
    torch.nn.init.zeros_(network.noise)
    measured = inspect(Stylizer(to_onnx(network, {}), detail=0))
    assert measured["weave"] > MEASURES["weave"].most
    assert any("weave" in fault for fault in faults(measured))


def test_measures_are_printed_and_faults_warned_about(capsys):
    report_defects({"fringes": 1.51, "palette": 0.7, "palette_distance": 3.2, "weave": 0.85})
    out, err = capsys.readouterr()
    assert "fringes 1.51 (at most 1.5), palette 0.7 (at least 0.7), palette_distance 3.2," in out
    assert err.count("\n") == 1
    assert err.startswith("WARNING: fringes 1.51, at most 1.5: ")
