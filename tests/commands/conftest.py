"""What the tests of `fast-nst infer` share."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from fast_nst.commands.main import main
from tests.conftest import noise


@pytest.fixture
def stylize(negative: Path, capsys):
    """Run `fast-nst infer` with the negative model; gives exit code, stdout and stderr."""

    def call(*arguments) -> tuple[int, str, str]:
        code = main(["infer", *map(str, arguments), "-m", str(negative)])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in put"
    (folder / "sub").mkdir(parents=True)
    for i, name in enumerate(("one.png", "sub/two.png", "sub/drei ß.png")):
        Image.fromarray(noise(6, 8, seed=i)).save(folder / name)
    return folder
