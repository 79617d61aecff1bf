"""What the README says is so: its Python runs, its flags and files exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fast_nst.commands.blend import BlendOptions
from fast_nst.commands.compare import CompareOptions
from fast_nst.commands.infer import InferOptions
from fast_nst.commands.optimize import OptimizeOptions
from fast_nst.commands.serve import ServeOptions
from fast_nst.commands.site import SiteOptions
from fast_nst.commands.styles import StylesOptions
from fast_nst.commands.train import TrainOptions
from fast_nst.commands.video import VideoOptions
from fast_nst.options import Parser, add_options
from fast_nst.pictures.read import open_image
from fast_nst.training.preview import PreviewSettings

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
IDS = ["strength", "stylize", "stream", "train", "optimize"]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=IDS)
def test_readme_examples_in_python_run(snippet: str, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fast_nst").symlink_to(ROOT / "fast_nst")
    names: dict[str, object] = {}
    exec(snippet, names)
    if "album" in names:
        assert open_image("painting.png").size == names["painting"].size
        assert max(names["album"][0].size) == 800
    elif "between" in names:
        assert open_image("between.png").size == (600, 400)
    elif "camera" in names:
        assert capsys.readouterr().out == "(180, 320, 3)\n" * 10
    elif "trained" in names:
        assert re.findall(r"^(\d) of 5: ", capsys.readouterr().out, re.MULTILINE) == list("12345")
        assert names["result"].steps == 5
        assert names["result"].installed is None  # unless it is asked for
        assert names["trained"].metadata["title"] == "sample_style"
    else:
        assert len(names["history"]) == 6
        assert capsys.readouterr().out.count("'total'") == 6


def test_readme_flags_exist():
    options = (
        TrainOptions,
        InferOptions,
        StylesOptions,
        BlendOptions,
        OptimizeOptions,
        CompareOptions,
        VideoOptions,
        ServeOptions,
        SiteOptions,
        PreviewSettings,
    )
    known = {"--config"}
    for each in options:
        parser = Parser()
        add_options(parser, each)
        known.update(parser._option_string_actions)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", README))
    others = {
        "--logdir",
        "--head",
        "--port",
        "--address",
        "--data-binary",
    }  # TensorBoard, Ray, curl
    assert named - known - others == set()


def test_readme_links_exist():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    links += re.findall(r"\]\(([^)#]+)\)", (ROOT / "docs" / "measurements.md").read_text())
    assert len(links) > 5
    for link in links:
        assert (ROOT / link).exists() or (ROOT / "docs" / link).exists(), link
