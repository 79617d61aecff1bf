"""`fast-nst serve` and `fast-nst site` through the command line."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from fast_nst.commands.main import main
from fast_nst.commands.serve import ServeOptions
from fast_nst.errors import UserError


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fast_nst.commands.main", "serve", "--no-browser", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("how", "last", "code"),
    [(signal.SIGINT, "stopped\n", 0), (signal.SIGTERM, "", -signal.SIGTERM)],
)
def test_it_serves_until_it_is_stopped(how: signal.Signals, last: str, code: int, negative: Path):
    process = start("--port", "0", "--models", str(negative.parent))
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.fullmatch(r"13 styles at (http://127\.0\.0\.1:\d+) \(Ctrl-C stops.*\)\n", line)
    assert found, line
    with urllib.request.urlopen(f"{found[1]}/healthz", timeout=30) as answer:
        assert b'"ok"' in answer.read()
    with urllib.request.urlopen(found[1], timeout=30) as answer:
        assert b"<h1>fast_nst</h1>" in answer.read()
    process.send_signal(how)
    out, err = process.communicate(timeout=30)
    assert (out, err) == ("", last)
    assert process.returncode == code


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["serve", "--port", str(port), "--no-browser"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: cannot listen at 127.0.0.1 port {port}: ")
    assert "another --port" in said


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_others_are_not_let_in_unasked(host: str):
    with pytest.raises(UserError, match="--allow-remote"):
        ServeOptions(host=host)
    assert ServeOptions(host=host, allow_remote=True).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_this_machine_is(host: str):
    assert ServeOptions(host=host).host == host


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--port 70000", "from 0 to 65535"),
        ("--workers 0", "from 1 to 256"),
        ("--max-upload lots", "give it in MB or GB"),
        ("--max-upload 0.0001MB", "at least 0.001MB"),
        ("--max-memory 1MB", "at least 64MB"),
        ("--seconds 0", "a number above 0"),
        ("--models nowhere", "no folder 'nowhere'"),
        ("--runtime nowhere", "no folder 'nowhere'"),
        ("--prot 1", "Did you mean '--port'?"),
    ],
)
def test_wrong_flags(arguments: str, said: str, capsys: pytest.CaptureFixture[str]):
    assert main(["serve", "--no-browser", *arguments.split()]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "add -o FOLDER"),
        ("-o DIR", "holds other files"),
        ("-o new --runtime nowhere", "no folder 'nowhere'"),
        ("-o new --models nowhere", "no folder 'nowhere'"),
    ],
)
def test_a_site_that_cannot_be(
    arguments: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "mine.txt").write_text("mine")
    words = [str(tmp_path) if word == "DIR" else word for word in arguments.split()]
    assert main(["site", *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not Path("new").exists()
