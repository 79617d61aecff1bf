"""Pictures in tiles: the geometry by hand, then that nothing shows, then memory."""

from __future__ import annotations

import functools
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fast_nst import Stylizer
from fast_nst.assets import DEFAULT_MODEL, LIVE_STYLES, SAMPLE_PHOTOGRAPHS
from fast_nst.engines.engine import EngineOptions, open_engine, open_graph
from fast_nst.errors import UserError
from fast_nst.models.catalogue import find_model
from fast_nst.models.geometry import GEOMETRIES, geometry_of
from fast_nst.models.graphs import load, metadata_of
from fast_nst.networks import build_network
from fast_nst.pictures.edit import resize, to_array
from fast_nst.pictures.read import open_image, pixel_limit
from fast_nst.stylize.painting import PaintOptions, paint_pixels
from fast_nst.stylize.tiles import (
    REDUCED_PIXELS,
    Span,
    TiledNetwork,
    paint_in_tiles,
    pixels_per_tile,
    spans,
    tiles,
)
from fast_nst.training.models import to_onnx
from tests.conftest import inverting_model, noise

FAST = LIVE_STYLES / "composition_vii_fast.onnx"
ONE_THREAD = EngineOptions(engine="onnxruntime", threads=1)
FAST_GEOMETRY = GEOMETRIES["fast"]
SMALL = 200 * 180  # px in a tile: a core of 76


def tiled(data: bytes) -> TiledNetwork:
    geometry = geometry_of(metadata_of(load(data, "the model")))
    return TiledNetwork(
        data, "the model", geometry, lambda derived: open_graph(derived, ONE_THREAD)
    )


@functools.cache
def johnson() -> bytes:
    torch.manual_seed(0)
    return to_onnx(build_network("johnson").eval(), {"network": "johnson"})


@functools.cache
def photograph(width: int, height: int) -> np.ndarray:
    return to_array(resize(open_image(SAMPLE_PHOTOGRAPHS / "coffee.jpg"), (width, height)))


def largest_difference(first: np.ndarray, second: np.ndarray) -> int:
    return int(np.abs(first.astype(int) - second).max())


def test_spans_by_hand():
    assert spans(100, 48, 8, 4) == [
        Span(0, 36, 0, 44, 100),
        Span(36, 72, 28, 80, 100),
        Span(72, 100, 64, 100, 100),
    ]
    assert spans(48, 48, 8, 4) == [Span(0, 48, 0, 48, 48)]
    assert spans(1, 48, 8, 4) == [Span(0, 1, 0, 1, 1)]


@settings(max_examples=200)
@given(st.integers(1, 5000), st.integers(1, 50), st.integers(0, 20), st.sampled_from([1, 2, 4]))
def test_spans_cover_an_axis_once(length: int, most: int, margin: int, cell: int):
    found = spans(length, most * cell, margin * cell, cell)
    assert [x for span in found for x in range(span.start, span.stop)] == list(range(length))
    for span in found:
        assert span.start % cell == span.outer_start % cell == 0
        assert span.stop - span.start <= most * cell
        assert span.outer_start == max(span.start - margin * cell, 0)
        assert span.outer_stop == min(span.stop + margin * cell, length)


def test_only_a_picture_s_own_border_counts_what_lies_beyond():
    first, middle, last = spans(100, 48, 8, 4)
    end = np.iinfo(np.int64).max
    # At a norm at a quarter of the size, which sees one cell more on each side.
    assert first.window(4, 1) == (0, 10)
    assert middle.window(4, 1) == (3, 12)
    assert last.window(4, 1) == (3, end)
    assert middle.window(1, 0) == (8, 44)


def test_tiles_keep_within_their_pixels():
    for height, width, pixels in ((3000, 4000, 10**6), (37, 5000, 10**5), (900, 900, 300**2)):
        parts = tiles(height, width, pixels, FAST_GEOMETRY)
        for rows, columns in parts:
            given = (span.outer_stop - span.outer_start for span in (rows, columns))
            assert math.prod(given) <= pixels
        covered = sum((r.stop - r.start) * (c.stop - c.start) for r, c in parts)
        assert covered == height * width


def test_memory_is_counted_by_the_network():
    def working_memory(height: int, width: int, network: str) -> int:
        return geometry_of({"network": network}).working_memory(height, width)

    assert working_memory(1000, 1000, "fast") == 80_000_000
    assert working_memory(1, 1000, "fast") == 16 * 80_000
    assert working_memory(1000, 1000, "fine") == 270_000_000
    assert working_memory(1000, 1000, "johnson") == 10**9
    assert working_memory(1000, 1000, "unheard of") == 10**9
    assert pixels_per_tile(FAST_GEOMETRY, 140) == 1


@pytest.mark.parametrize("size", [(500, 333), (211, 640), (402, 12), (1, 700), (257, 256)])
def test_nothing_shows(size: tuple[int, int]):
    data, pixels = FAST.read_bytes(), photograph(*size)
    whole = open_engine(data, "the model", ONE_THREAD).run(pixels[None])[0]
    network = tiled(data)
    assert len(tiles(*pixels.shape[:2], SMALL, network.geometry)) > 2
    assert largest_difference(paint_in_tiles(pixels, network, SMALL), whole) <= 1


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(150, 300), st.integers(0, 99))
def test_nothing_shows_at_any_size(height: int, width: int, side: int, seed: int):
    data, pixels = FAST.read_bytes(), noise(height, width, seed=seed)
    whole = _whole(data)(pixels)
    assert largest_difference(paint_in_tiles(pixels, tiled(data), side**2), whole) <= 1


@pytest.mark.parametrize("size", [(260, 190), (333, 201)])
def test_nothing_shows_with_fine(size: tuple[int, int]):
    data, pixels = DEFAULT_MODEL.read_bytes(), photograph(*size)
    network = tiled(data)
    assert len(tiles(*pixels.shape[:2], 240**2, network.geometry)) > 1
    painted = paint_in_tiles(pixels, network, 240**2)
    assert largest_difference(painted, _whole(data)(pixels)) <= 1


@functools.cache
def _whole(data: bytes):
    engine = open_engine(data, "the model", ONE_THREAD)
    return lambda pixels: engine.run(pixels[None])[0]


@pytest.mark.slow
def test_nothing_shows_with_johnson_either():
    pixels = photograph(260, 190)
    painted = paint_in_tiles(pixels, tiled(johnson()), 240**2)
    assert largest_difference(painted, _whole(johnson())(pixels)) <= 2


@pytest.mark.integration
@pytest.mark.parametrize(
    "model",
    [DEFAULT_MODEL.read_bytes, FAST.read_bytes, pytest.param(johnson, marks=pytest.mark.slow)],
    ids=["fine", "fast", "johnson"],
)
def test_nothing_bears_on_a_pixel_from_beyond_the_halo(model: Callable[[], bytes]):
    network, pixels = tiled(model()), noise(260, 264)
    parts = [(Span(0, 260, 0, 260, 260), Span(0, 264, 0, 264, 264))]
    affine = network.statistics(pixels, parts)
    changed = pixels.copy()
    changed[131, 133] ^= 255
    differs = network.paint(pixels, parts, affine) != network.paint(changed, parts, affine)
    rows, columns = np.nonzero(differs.any(2))
    assert max(np.abs(rows - 131).max(), np.abs(columns - 133).max()) <= network.geometry.halo
    assert len(rows) > 100


def test_a_model_without_norms_and_noise_passes_too():
    pixels = noise(50, 60)
    painted = paint_in_tiles(pixels, tiled(inverting_model()), 1000)
    np.testing.assert_array_equal(painted, 255 - pixels)


@pytest.mark.slow
def test_reduced_statistics_are_those_of_a_small_copy():
    data = FAST.read_bytes()
    small = photograph(500, 400)
    np.testing.assert_array_equal(
        paint_in_tiles(small, tiled(data), SMALL, reduced=True),
        paint_in_tiles(small, tiled(data), SMALL),
    )
    large, network = photograph(1600, 1200), tiled(data)
    side = (REDUCED_PIXELS / (1600 * 1200)) ** 0.5
    copy = photograph(1600, 1200)
    copy = to_array(resize(Image.fromarray(copy), (round(1600 * side), round(1200 * side))))
    parts = tiles(1200, 1600, 10**6, network.geometry)
    own = [(Span(0, n, 0, n, n), Span(0, m, 0, m, m)) for n, m in (copy.shape[:2],)]
    expected = network.paint(large, parts, network.statistics(copy, own))
    painted = paint_in_tiles(large, network, 10**6, reduced=True)
    assert largest_difference(painted, expected) <= 1
    assert largest_difference(painted, paint_in_tiles(large, network, 10**6)) > 10


def test_tiles_tell_how_far_they_are():
    told = []
    network, pixels = tiled(FAST.read_bytes()), noise(200, 300)
    paint_in_tiles(pixels, network, SMALL, on_progress=lambda *at: told.append(at))
    parts = len(tiles(200, 300, SMALL, network.geometry))
    total = 7 * parts  # six norms, and the painting
    assert told == [(done, total) for done in range(1, total + 1)]


@pytest.mark.slow
def test_a_stylizer_takes_what_exceeds_its_memory_in_tiles():
    photo = Image.fromarray(photograph(1300, 1000))
    photo.putalpha(Image.linear_gradient("L").resize(photo.size))
    styles = {"the_scream_fast": 2, "great_wave_fast": 1}
    frugal, plain = Stylizer(styles, max_memory="64MB"), Stylizer(styles)
    told = []
    pixels = np.array(photo.convert("RGB"))
    paint_pixels(pixels, frugal.model, frugal.session, PaintOptions(), lambda *at: told.append(at))
    assert len(told) > 7
    for how in ({}, {"strength": 0.2}, {"keep_colors": True}, {"strength": 1.4, "size": 1200}):
        first, second = np.array(frugal(photo, **how)), np.array(plain(photo, **how))
        assert largest_difference(first, second) <= 1
    # What one takes at a time, several take one after the other.
    batch = np.stack([photograph(700, 500), photograph(700, 500)[::-1]])
    assert largest_difference(frugal.run(batch), plain.run(batch)) <= 1
    batch = np.stack([photograph(1300, 1000), photograph(1300, 1000)[::-1]])
    assert largest_difference(frugal.run(batch), plain.run(batch)) <= 1


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"max_memory": "10MB"}, "max_memory is 10MB: it must be at least 64MB"),
        ({"max_memory": "a lot"}, "'a lot' is no amount of memory: give it in MB or GB"),
        ({"max_memory": "-1GB"}, "no amount of memory"),
        ({"max_memory": "nanGB"}, "no amount of memory"),
        ({"max_memory": "1000"}, "no amount of memory"),
        ({"statistics": "exac"}, "Did you mean 'exact'"),
    ],
)
def test_what_is_no_memory_is_refused(arguments: dict[str, str], line: str):
    with pytest.raises(UserError, match=line):
        Stylizer(**arguments)


def test_a_memory_can_be_written_in_several_ways():
    for text in ("1.5GB", "1500MB", " 1.5 gb "):
        assert EngineOptions(max_memory=text).working_bytes == 1_500_000_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("udnie", (2400, 1600)),
        ("composition_vii_fast", (4000, 3000)),
        ("great_wave_fast", (4000, 3000)),
    ],
)
def test_a_large_picture_is_the_same_in_tiles(name: str, size: tuple[int, int]):
    data, pixels = find_model(name).read_bytes(), photograph(*size)
    whole = _whole(data)(pixels)
    _whole.cache_clear()
    painted = paint_in_tiles(pixels, tiled(data), size[0] * size[1] // 3)
    assert largest_difference(painted, whole) <= 1


@pytest.mark.slow
def test_a_large_photograph_takes_little_memory(tmp_path: Path):
    size, most = (8000, 6000), 1.5  # GB
    resize(open_image(SAMPLE_PHOTOGRAPHS / "coffee.jpg"), size).save(tmp_path / "large.jpg")
    # Of this program alone: what the system says of a child includes its parent before the start.
    program = """
import re, sys
from pathlib import Path
from fast_nst.commands.main import main
code = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
sys.exit(code)
"""
    command = [sys.executable, "-c", program, "infer", "--quiet", "large.jpg", "-o", "out.jpg"]
    command += ["--style", "composition_vii_fast"]
    peak = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert 1024 * int(peak) < most * 10**9
    with pixel_limit(10**9):
        assert open_image(tmp_path / "out.jpg").size == size
