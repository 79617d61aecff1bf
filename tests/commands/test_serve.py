"""`fast-nst serve` and `fast-nst site` through the command line."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from fast_nst.commands.main import main
from fast_nst.commands.serve import ServeOptions
from fast_nst.errors import UserError
from fast_nst.web.access import Access


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fast_nst.commands.main", "serve", "--no-browser", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_serve_until_a_signal(how: signal.Signals, negative: Path):
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
    assert (out, err) == ("", "stopped\n")
    assert process.returncode == 0


def started(*arguments: str) -> tuple[subprocess.Popen[str], int]:
    """Start the service; returns its process and its port."""
    process = start("--port", "0", *arguments)
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.search(r":(\d+) \(", line)
    assert found, line + process.stderr.read()
    return process, int(found[1])


def test_serve_logs_nothing_for_invalid_requests(negative: Path):
    process, port = started("--models", str(negative.parent))
    post = b"POST /api/stylize HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    form = post + b"Content-Type: multipart/form-data; boundary=b\r\n"
    for request in (
        b"\x16\x03\x01 no HTTP\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        form + b"Content-Length: 18\r\n\r\n--b\r\nA B: c\r\n\r\nx\r\n",
        form + b"Content-Length: 9\r\n\r\n--b--tail",
        post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        post + b"Origin: http://[\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
            peer.sendall(request)
            status = int(peer.recv(65536).split()[1])
        assert status == 200 if b"Upgrade" in request else 400 <= status < 500
    with socket.create_connection(("127.0.0.1", port)) as peer:  # disconnects during the upload
        peer.sendall(post + b"Content-Length: 999\r\n\r\nx")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "stopped\n")
    assert process.returncode == 0


@pytest.mark.parametrize(
    "query",
    [
        "style=udnie&size=6000",
        pytest.param("style=udnie&size=8000&keep_colors=1", marks=pytest.mark.slow),
    ],
)
def test_serve_exits_at_once_on_a_second_interrupt(query: str):
    process, port = started("--max-memory", "2GB", "--workers", "1")
    assert process.stderr is not None
    photograph = Path("fast_nst/assets/photos/coffee.jpg").read_bytes()
    head = f"POST /api/stylize?{query} HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Content-Length: {len(photograph)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
        peer.sendall(head.encode() + photograph)
        time.sleep(2)  # the network is running
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)  # no grace period
        assert peer.recv(65536).startswith(b"HTTP/1.1 503")
        assert process.stderr.readline() == "stopped\n"
        assert time.monotonic() - asked < 10
        said = time.monotonic()
        assert process.wait(timeout=30) == 0
        assert time.monotonic() - said < 3
    process.communicate()


def test_serve_on_a_port_in_use(capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["serve", "--port", str(port), "--no-browser"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: cannot bind to 127.0.0.1 port {port}: ")
    assert "another --port" in said


def test_serve_without_the_web_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "fast_nst.web.connections", None)
    assert main(["serve", "--no-browser"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: serving the page needs the web extra, which is not installed: ")
    assert said.endswith('pip install "fast-nst[web]"\n')


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_serve_on_a_public_host_needs_allow_remote(host: str):
    with pytest.raises(UserError, match="--allow-remote"):
        ServeOptions(host=host)
    remote = ServeOptions(host=host, allow_remote=True)
    assert remote.host == host
    assert remote.access(False) is Access.NOBODY
    assert remote.access(True) is Access.ALL


def test_serve_with_webgpu_needs_a_runtime():
    with pytest.raises(UserError, match=r"--webgpu .*: add --runtime"):
        ServeOptions(webgpu=True)
    assert ServeOptions(webgpu=True, runtime="folder").webgpu


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_serve_on_a_loopback_host(host: str):
    assert ServeOptions(host=host).host == host
    assert ServeOptions(host=host).access(False) is Access.OWNER
    assert ServeOptions(host=host, name=["example.org"]).access(False) is Access.NOBODY
    assert ServeOptions(host=host, allow_remote=True).access(False) is Access.NOBODY


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--port 70000", "from 0 to 65535"),
        ("--workers 0", "from 1 to 256"),
        ("--max-upload lots", "give it in MB or GB"),
        ("--max-upload 0.0001MB", "at least 0.001MB"),
        ("--max-video 0.0001MB", "--max-video is 0.0001MB: it must be at least 0.001MB"),
        ("--max-memory 1MB", "at least 64MB"),
        ("--seconds 0", "a number above 0"),
        ("--models nowhere", "no folder 'nowhere'"),
        ("--runtime nowhere", "no folder 'nowhere'"),
        ("--prot 1", "Did you mean '--port'?"),
    ],
)
def test_serve_rejects_invalid_flags(arguments: str, said: str, capsys: pytest.CaptureFixture[str]):
    assert main(["serve", "--no-browser", *arguments.split()]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "add -o FOLDER"),
        ("-o DIR", "contains other files"),
        ("-o new --runtime nowhere", "no folder 'nowhere'"),
        ("-o new --models nowhere", "no folder 'nowhere'"),
    ],
)
def test_site_rejects_invalid_flags(
    arguments: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "mine.txt").write_text("mine")
    words = [str(tmp_path) if word == "DIR" else word for word in arguments.split()]
    assert main(["site", *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not Path("new").exists()
