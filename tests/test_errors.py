"""Errors name Python's arguments to Python, and flags on the command line."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from fast_nst import Stylizer, stylize_video
from fast_nst.commands.main import main
from fast_nst.engines.engine import EngineOptions
from fast_nst.errors import UserError
from fast_nst.stylize.painting import PaintOptions
from fast_nst.training.settings import TrainConfig

PHOTO = "fast_nst/assets/photos/chelsea.jpg"


@pytest.mark.parametrize(
    ("options", "line", "flags"),
    [
        ({"max_memory": "10MB"}, "max_memory is 10MB: it must be", "--max-memory is 10MB: it"),
        ({"threads": 0}, "threads is 0: it must be from 1 to 1024", "--threads is 0: it must be"),
        (
            {"engine": "openvino", "provider": "cuda"},
            "provider 'cuda' is ONNX Runtime's: leave out engine openvino",
            "--provider 'cuda' is ONNX Runtime's: leave out --engine openvino",
        ),
    ],
)
def test_engine_options_in_python_and_on_the_command_line(options, line: str, flags: str, capsys):
    with pytest.raises(UserError) as caught:
        EngineOptions(**options)
    assert str(caught.value).startswith(line)
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    assert main(["infer", PHOTO, "-o", "out.png", *words]) == 2
    assert capsys.readouterr().err.startswith(f"error: {flags}")


def test_python_gets_no_flags(tmp_path: Path):
    for call, line in (
        (lambda: Stylizer(max_memory="10MB"), "max_memory is 10MB: it must be at least 64MB"),
        (lambda: PaintOptions(stroke_scale=99), "stroke_scale is 99: it must be from"),
        (lambda: PaintOptions(size=0), "size is 0: the longer side"),
        (lambda: TrainConfig(style_size=0), "style_size is 0: it must be"),
        (lambda: stylize_video(PHOTO, tmp_path / "a.mp4", fps=0), "fps is 0: it must be above 0"),
    ):
        with pytest.raises(UserError) as caught:
            call()
        assert str(caught.value).startswith(line)
        assert "--" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["infer", PHOTO, "-o", "out.png", "--threads", "0"], "--threads is 0: it must be from 1"),
        (["infer", PHOTO, "-o", "out.png", "--stroke-scale", "99"], "--stroke-scale is 99: it"),
        (["infer", PHOTO, PHOTO, "-o", "-"], "--output - takes a single picture"),
        (["video", PHOTO, "-o", "a.mp4", "--strength", "2"], "--strength is 2: it must be"),
        (["train", "--style-size", "0"], "--style-size is 0: it must be"),
    ],
)
def test_command_line_gets_flags(words: list[str], line: str, capsys):
    assert main(words) == 2
    assert f"error: {line}" in capsys.readouterr().err


def test_flags_replace_only_the_names_of_arguments():
    error = UserError("'a size.png' exists: resize it, size down, or pass overwrite=True", "size")
    error.arguments += ("overwrite",)
    copy = pickle.loads(pickle.dumps(error))
    copy.name_flags()
    assert str(copy) == "'a size.png' exists: resize it, --size down, or pass --overwrite"
    copy.name_flags()
    assert str(copy).count("--size") == 1
