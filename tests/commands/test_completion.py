"""Completion scripts: bash runs one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import shtab

from fast_nst.commands.completion import script
from fast_nst.commands.main import main
from fast_nst.commands.registry import COMMANDS
from fast_nst.models.catalogue import style_files


@pytest.fixture(scope="module")
def bash_script() -> str:
    return script("bash")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["in"], ["infer"]),
        (["infer", "--str"], ["--strength", "--stroke-scale"]),
        (["infer", "--style", "the_s"], ["the_scream"]),
        (["infer", "pho"], ["photo.jpg"]),
        (["train", "--network", "j"], ["johnson"]),
        (["serve", "--runtime", "pho"], []),
        (["help", "opt"], ["optimize"]),
        (["completion", "zs"], ["zsh"]),
    ],
)
def test_bash_completes(words: list[str], expected: list[str], bash_script: str, tmp_path: Path):
    (tmp_path / "photo.jpg").touch()
    file = tmp_path / "script"
    file.write_text(bash_script)
    code = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
    code += '_shtab_fast_nst; printf "%s\\n" "${COMPREPLY[@]}"'
    command = ["bash", "--norc", "-c", code, "bash", str(file), "fast-nst", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == sorted(expected)


@pytest.mark.parametrize("shell", shtab.SUPPORTED_SHELLS)
def test_every_shell_gets_every_command_and_style(shell: str, capsys):
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)
    assert all(path.stem in text for path in style_files())


def test_bash_script_has_no_syntax_errors(bash_script: str):
    subprocess.run(["bash", "-n"], input=bash_script, text=True, check=True)


def test_unknown_shells_are_errors(capsys):
    assert main(["completion", "bsh"]) == 2
    assert "Did you mean 'bash'" in capsys.readouterr().err
    assert main(["completion"]) == 2
    assert "required: SHELL" in capsys.readouterr().err
