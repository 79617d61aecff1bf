"""`fast-nst serve`: the page and its service, on this machine."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fast_nst.commands.shared import models_option, runtime_option
from fast_nst.errors import UserError
from fast_nst.options import option, parse_flags
from fast_nst.web.limits import Limits

_CONNECTIONS = 200  # beside those that send pictures
_GRACE = 5  # seconds that running requests get when the service stops
_LAST_TILE = 1  # seconds that a network then gets to end by itself


@dataclass(kw_only=True)
class ServeOptions(Limits):
    """What `fast-nst serve` can be told; its flags are made from these fields."""

    host: str = option("address to listen at", "127.0.0.1", metavar="ADDRESS")
    port: int = option(
        "to listen at; 0 takes a free one", 8000, "-p", metavar="N", least=0, most=65535
    )
    models: str | None = models_option()
    runtime: str | None = runtime_option("; without it networks run here alone")
    no_browser: bool = option("do not open the page", False)
    allow_remote: bool = option("let other machines in, at a --host that they can reach", False)
    name: list[str] = option(
        "a name that leads here at any port, of this machine or of a proxy before it; addresses, "
        "localhost and the machine's own name always do",
        [],
        metavar="HOST",
        repeat=True,
    )
    quiet: bool = option("print nothing but errors", False, "-q")

    def __post_init__(self) -> None:
        """Refuse what can be refused without opening anything.

        Raises:
            UserError: A value is out of its range, or others would be let in unasked.
        """
        super().__post_init__()
        if not self.allow_remote and not _is_local(self.host):
            raise UserError(
                f"--host {self.host} lets other machines in: add --allow-remote if that is wanted"
            )


def _is_local(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Serve until Ctrl-C.

    Raises:
        UserError: The address is taken or none of this machine's, a folder cannot be used, or the
            extra is not installed.
    """
    options = parse_flags(ServeOptions, argv, prog, description)
    try:
        from fast_nst.web.connections import Server
        from fast_nst.web.service import make_app
        from fast_nst.web.workshop import Workshop
    except ImportError as error:
        raise UserError(f"{error.name} is not installed: pip install 'fast-nst[web]'") from error
    from fast_nst.web.files import page_files
    from fast_nst.web.models import find_models, listed
    from fast_nst.web.runtime import runtime_in

    models = find_models(
        Path(options.models) if options.models else None,
        lambda line: print(f"note: {line}", file=sys.stderr),
    )
    runtime = runtime_in(Path(options.runtime)) if options.runtime else None
    told = {"max_bytes": options.upload_bytes, "max_pixels": options.max_pixels}
    files = page_files(models, runtime, told)
    workshop = Workshop(models, options)
    app = make_app(workshop, files, tuple(options.name), runtime is not None)
    with _listening(options.host, options.port) as listener:
        address = _address(listener)
        if not options.quiet:
            line = f"{listed(models)} styles at {address} (Ctrl-C stops the service)"
            print(line, file=sys.stderr, flush=True)
        if not options.no_browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        server = Server(app, _CONNECTIONS + options.places, _GRACE, workshop.stop)
        with contextlib.suppress(KeyboardInterrupt):  # it has already shut down
            server.run(sockets=[listener])
    has_ended = workshop.desk.has_ended(_LAST_TILE)
    if not options.quiet:
        print("stopped", file=sys.stderr)
    if not has_ended:  # a network at work would keep the process for as long as it takes
        sys.stderr.flush()
        os._exit(0)
    return 0


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(place[:2], family=family)
    except OSError as error:
        raise UserError(
            f"cannot listen at {host} port {port}: {error.strerror}; give another --port or --host"
        ) from error


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
