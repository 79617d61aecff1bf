"""What the tests of the light commands share."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from fast_nst.commands.main import main
from tests.conftest import noise


@pytest.fixture
def command() -> str:
    """What `stylize` runs; a file of tests may say another."""
    return "infer"


@pytest.fixture
def stylize(command: str, negative: Path, capsys):
    """Run a command with the negative model, and no detail; gives exit code, stdout, stderr."""

    def call(*arguments) -> tuple[int, str, str]:
        code = main([command, "--detail", "0", *map(str, arguments), "-m", str(negative)])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in put"
    (folder / "sub").mkdir(parents=True)
    for i, name in enumerate(("one.png", "sub/two.png", "sub/drei ß.png")):
        Image.fromarray(noise(6, 8, seed=i)).save(folder / name)
    return folder
