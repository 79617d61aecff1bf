"""`fast-nst styles`, and styles by name in `infer`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fast_nst import Stylizer
from fast_nst.commands import progress
from fast_nst.commands.main import main
from fast_nst.pictures.edit import resize_longest, to_array
from fast_nst.pictures.read import open_image
from fast_nst.stylize.gallery import BLEND_WEIGHTS, STRENGTHS


def test_styles_list_as_table_and_json(capsys):
    assert main(["styles"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "title", "artist", "year", "licence", "from", "size"]
    assert any(line.startswith("great_wave ") and "Hokusai" in line for line in lines)
    assert main(["styles", "--json"]) == 0
    found = {style["name"]: style for style in json.loads(capsys.readouterr().out)}
    assert len(found) == len(lines) - 1
    assert found["the_scream"]["artist"] == "Edvard Munch"
    assert found["the_scream"]["size"] > 100_000


def test_contact_sheet_of_all_styles(photo: Path, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)  # a line for each step
    target = tmp_path / "sheet.png"
    command = ["styles", str(photo), "-o", str(target), "--size", "48"]
    assert main(command) == 0
    assert to_array(open_image(target)).shape[1] > 4 * 48
    assert "style" in capsys.readouterr().err  # the bar
    before = target.read_bytes()
    assert main(command) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert target.read_bytes() == before


def test_strength_and_blend_sheets(photo: Path, tmp_path: Path):
    target = tmp_path / "strip.png"
    command = ["styles", str(photo), "-o", str(target), "--size", "48", "--overwrite", "--quiet"]
    assert main([*command, "--strengths", "udnie"]) == 0
    strip = to_array(open_image(target))
    # Two rows of four, eight px around each picture and twenty for its label.
    assert strip.shape[:2] == (2 * (32 + 28) + 8, 4 * (48 + 8) + 8)
    photograph = resize_longest(open_image(photo), 48)
    stylize = Stylizer("udnie")
    for place, strength in enumerate((0, *STRENGTHS)):
        top, left = 28 + place // 4 * 60, 8 + place % 4 * 56
        np.testing.assert_array_equal(
            strip[top : top + 32, left : left + 48], stylize(photograph, strength=strength)
        )
    assert main([*command, "--blend", "udnie", "evening"]) == 0
    strip = to_array(open_image(target))
    pictures = [
        photograph,
        *(Stylizer({"udnie": s, "evening": 1 - s})(photograph) for s in BLEND_WEIGHTS),
    ]
    for place, picture in enumerate(pictures):
        top, left = 28 + place // 3 * 60, 8 + place % 3 * 56
        np.testing.assert_array_equal(strip[top : top + 32, left : left + 48], picture)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ("PHOTO", "no output: add -o sheet.png"),
        ("-o sheet.png", "no photograph"),
        ("PHOTO -o sheet.gif", "the suffix '.gif'"),
        ("MISSING -o sheet.png", "no file"),
        ("PHOTO -o sheet.png --size 0", "from 1 to 4096"),
        ("PHOTO -o DIR", "has no suffix"),
        ("PHOTO --strengths udnei -o sheet.png", "Did you mean 'udnie'"),
        ("--strengths udnie", "no photograph: fast-nst styles PHOTO --strengths NAME -o strip.png"),
        ("PHOTO --strengths udnie --blend a b -o sheet.png", "give one of them"),
        ("PHOTO --blend udnie -o sheet.png", "--blend takes two styles and got 1"),
        ("--blend udnie evening PHOTO -o sheet.png", "no photograph"),
        ("PHOTO --blend udnie udnie -o sheet.png", "twice is not a blend"),
        ("PHOTO --blend udnie,udnie -o sheet.png", "twice is not a blend"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(
    photo: Path, tmp_path: Path, monkeypatch, capsys, arguments: str, word: str
):
    monkeypatch.chdir(tmp_path)
    words = {"PHOTO": str(photo), "MISSING": "none.jpg", "DIR": str(tmp_path)}
    assert main(["styles", *(words.get(word, word) for word in arguments.split())]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert word in err
    assert not Path("sheet.png").exists()


def test_infer_with_style_name(photo: Path, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["infer", str(photo), "--style", "great_wave", "-o", "wave.png"]) == 0
    painted = to_array(open_image("wave.png"))
    np.testing.assert_array_equal(painted, np.asarray(Stylizer("great_wave")(photo)))
    capsys.readouterr()
    base = ["infer", str(photo), "-o", "x.png"]
    for flags, word in (
        (["--style", "great_wvae"], "unknown style 'great_wvae'. Did you mean 'great_wave'?"),
        (["--style", "wave.onnx"], "no model 'wave.onnx'"),
        (["--style", ""], "a style has no name"),
        (["--style", "great_wave", "-m", "x.onnx"], "no model 'x.onnx'"),
    ):
        assert main([*base, *flags]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert word in err
    assert not Path("x.png").exists()
