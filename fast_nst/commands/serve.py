"""`fast-nst serve`: the page and its HTTP service."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fast_nst.commands.shared import models_option, runtime_option, webgpu_option
from fast_nst.errors import UserError
from fast_nst.options import option, parse_flags
from fast_nst.web.access import Access, is_loopback
from fast_nst.web.limits import Limits

if TYPE_CHECKING:
    from fast_nst.web.training import Training

_CONNECTIONS = 200  # in addition to one for each slot of the work queue
_GRACE = 5  # seconds that running requests get on shutdown
_EXPORT = 120  # seconds that a training gets to save its style
_LAST_TILE = 1  # seconds that running networks get after that, to finish their tile


@dataclass(kw_only=True)
class ServeOptions(Limits):
    """Options of `fast-nst serve`."""

    host: str = option("address to bind to", "127.0.0.1", metavar="ADDRESS")
    port: int = option(
        "port to bind to; 0 picks a free one", 8000, "-p", metavar="N", least=0, most=65535
    )
    models: str | None = models_option()
    runtime: str | None = runtime_option("; without it, networks run in the service only")
    webgpu: bool = webgpu_option()
    no_browser: bool = option("do not open the page in a browser", False)
    allow_remote: bool = option("allow a --host that other machines can reach", False)
    allow_training: bool = option(
        "train styles for everyone who reaches the service, and not for this machine only", False
    )
    allow_videos: bool = option(
        "paint films for everyone who reaches the service, and not for this machine only", False
    )
    name: list[str] = option(
        "host name to accept requests for, such as a reverse proxy's, at any port; IP addresses, "
        "localhost and this machine's name are always accepted",
        [],
        metavar="HOST",
        repeat=True,
    )
    quiet: bool = option("print errors only", False, "-q")

    def __post_init__(self) -> None:
        """Validate the values.

        Raises:
            UserError: A value is out of range, `webgpu` lacks a `runtime`, or `host` is not a
                loopback address and `allow_remote` is not set.
        """
        super().__post_init__()
        if self.webgpu and not self.runtime:
            raise UserError(
                "--webgpu runs networks in the browser: add --runtime, a folder of the npm "
                "package onnxruntime-web"
            )
        if not self.allow_remote and not is_loopback(self.host):
            raise UserError(
                f"--host {self.host} is open to other machines: add --allow-remote to allow that"
            )

    def access(self, is_allowed: bool) -> Access:
        """Who may train, have films painted, or remove styles.

        Args:
            is_allowed: `allow_training` or `allow_videos`; False for what no flag allows to all.
        """
        if is_allowed:
            return Access.ALL
        return Access.NOBODY if self.allow_remote or self.name else Access.OWNER


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Run the service until it is interrupted.

    Raises:
        UserError: An option is invalid, the address is not available, a folder is missing or has
            no usable file, or the web extra is not installed.
    """
    options = parse_flags(ServeOptions, argv, prog, description)
    try:
        from fast_nst.web.backend import Backend
        from fast_nst.web.connections import Server
        from fast_nst.web.service import make_app
    except ModuleNotFoundError as error:
        raise UserError(
            "serving the page needs the web extra, which is not installed: "
            'pip install "fast-nst[web]"'
        ) from error
    from fast_nst.web.files import page_files
    from fast_nst.web.models import count_listed, find_models
    from fast_nst.web.runtime import runtime_in
    from fast_nst.web.training import missing

    models = find_models(
        Path(options.models) if options.models else None,
        lambda line: print(f"note: {line}", file=sys.stderr),
    )
    runtime = runtime_in(Path(options.runtime), options.webgpu) if options.runtime else None
    training, videos = options.access(options.allow_training), options.access(options.allow_videos)
    backend = Backend(
        models,
        options,
        video_access=videos,
        training_access=training,
        removal_access=options.access(False),
    )
    limits = {
        "max_bytes": options.upload_bytes,
        "max_pixels": options.max_pixels,
        "training": {
            "allowed": training is not Access.NOBODY,
            "needs_token": training is Access.ALL,
            "missing": missing(),
        },
        "videos": {"allowed": videos is not Access.NOBODY, **backend.videos.described()},
    }
    files = page_files(models, runtime, limits)
    app = make_app(backend, files, tuple(options.name), runtime is not None)
    with _bind(options.host, options.port) as listener:
        address = _url(listener)
        if not options.quiet:
            line = f"{count_listed(models)} styles at {address} (Ctrl-C stops the service)"
            print(line, file=sys.stderr, flush=True)
        if not options.no_browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        server = Server(app, _CONNECTIONS + options.slots, _GRACE, backend.stop)
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again after shutdown
            server.run(sockets=[listener])
    _keep_training(backend.training, options.quiet)
    has_ended = backend.queue.join(_LAST_TILE)
    if not options.quiet:
        print("stopped", file=sys.stderr)
    if not has_ended:  # the interpreter would wait for the running networks
        sys.stderr.flush()
        os._exit(0)
    return 0


def _keep_training(training: Training, quiet: bool) -> None:
    """End a training, and keep its style, unless another Ctrl-C comes."""
    if not training.state().runs:
        return
    if not quiet:
        print("saving the style in training (Ctrl-C discards it)", file=sys.stderr, flush=True)
    try:
        training.close(_EXPORT)
    except KeyboardInterrupt:
        training.kill()


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise UserError(
            f"cannot bind to {host} port {port}: {error.strerror}; give another --port or --host"
        ) from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
