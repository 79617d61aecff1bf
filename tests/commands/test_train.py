"""`fast-nst train` from flags to files."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from fast_nst.commands.main import main


def test_unreadable_photographs_are_counted_and_named(photographs: Path, tmp_path: Path, capsys):
    out = tmp_path / "run"
    command = f"train --photos {photographs} --out {out} --steps 3 --size 32 --style-size 32"
    assert main([*command.split(), "--batch-size", "4"]) == 0
    out, err = capsys.readouterr()
    assert "broken.jpg" in err
    assert "empty.png" in err
    assert "2 photographs skipped" in err
    assert "fast-nst infer" in out  # the next command to type


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ("--style MISSING", "no file"),
        ("--style FOLDER", "no images"),
        ("--style SMALL SMALL", "--out belongs to one style"),
        ("--strategy slow", "Lightning refuses"),
        ("--num-nodes 0", "at least 1"),
        ("--trainer.strategy ddp", "give --strategy instead"),
        ("--from-preview 1", "no preview in"),
        ("--from-preview 1 --start scratch", "--start contradicts --from-preview"),
        ("--style SMALL", "at least 32 px"),
        ("--photos MISSING", "no folder"),
        ("--photos EMPTY", "no images"),
        ("--photos SMALL", "is a file"),
        ("--network fats", "Did you mean 'fast'"),
        ("--style-layers relu4-1", "Did you mean 'relu4_1'"),
        ("--content-layers relu9_9", "unknown VGG-19 layer"),
        ("--vgg nothing.pth", "no VGG-19 weights at"),
        ("--vgg SMALL", "not a file of tensors"),
        ("--style-weight 0", "above 0"),
        ("--steps many", "steps"),
        ("--accelerator abacus", "Lightning refuses"),
        ("--accelerator cuda", "Lightning refuses"),
        ("--devices some", "--devices is 'some'"),
        ("--devices=", "--devices is ''"),
        ("--precision 7", "unknown precision"),
        ("--trainer.max_steps 7", "give --steps instead"),
        ("--stlye x.jpg", "Did you mean '--style'"),
        ("--resume MISSING", "no checkpoint"),
        ("--resume SMALL", "not a checkpoint"),
        ("--out SMALL/below", "cannot make the folder"),
        ("--config MISSING", "does not exist"),
        ("--config UNKNOWN_KEY", "stpes"),
        ("--config UNKNOWN_TRAINER_KEY", "max_tiem"),
        ("--config NO_LIST", "unknown VGG-19 layer 'relu1-1'"),
        ("--config SMALL", "--config is not a text file"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(
    tmp_path: Path, photographs: Path, capsys, arguments: str, word: str
):
    Image.new("RGB", (31, 300), "red").save(tmp_path / "small.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.yaml").write_text("stpes: 3\n")
    (tmp_path / "worse.yaml").write_text("trainer: {max_tiem: 3}\n")
    (tmp_path / "string.yaml").write_text("style_layers: relu1-1\n")
    for name, path in (
        ("NO_LIST", "string.yaml"),
        ("UNKNOWN_TRAINER_KEY", "worse.yaml"),
        ("UNKNOWN_KEY", "bad.yaml"),
        ("MISSING", "missing"),
        ("SMALL", "small.png"),
        ("FOLDER", "empty"),
        ("EMPTY", "empty"),
    ):
        arguments = arguments.replace(name, str(tmp_path / path))
    defaults = f"--photos {photographs} --out {tmp_path / 'run'} --steps 1 --size 32"
    code = main(["train", *defaults.split(), *arguments.split()])
    err = capsys.readouterr().err
    assert code == 2, err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert word in err
    assert not (tmp_path / "run" / "last.ckpt").exists()
