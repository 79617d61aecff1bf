"""Which requests are let through, and the headers that every answer carries."""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def policy(runs_wasm: bool) -> str:
    """The page's content security policy: everything from here, no script inside the page.

    Args:
        runs_wasm: Whether networks run in the browser.
    """
    wasm = " 'wasm-unsafe-eval'" if runs_wasm else ""
    return (
        f"default-src 'none'; script-src 'self'{wasm}; style-src 'self'; worker-src 'self'; "
        "img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


class Guard:
    """Lets no other web page use the service, and no other name lead to it.

    A page elsewhere that sends requests here gives itself away by its Origin; one whose own name
    was pointed at this address (DNS rebinding) by its Host.

    Args:
        app: What it stands before.
        names: Hosts' names that lead here, beside this machine's; bare addresses always do.
        runs_wasm: See `policy`.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str] = (), runs_wasm: bool = False) -> None:
        self._app = app
        own = ("localhost", socket.gethostname(), *names)
        self._names = {name.lower() for name in own}
        self._headers = {
            "Content-Security-Policy": policy(runs_wasm),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
            await send(message)

        reason = self._reason_against(Headers(scope=scope), scope["method"])
        if reason:
            await _refuse(reason, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _reason_against(self, headers: Headers, method: str) -> str:
        host = headers.get("host", "")
        if not self._leads_here(host):
            return f"the host {host!r} is not this service's: open it by its address"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return (
                f"requests from {origin!r} are refused: only the service's own page may send them"
            )
        # A link may lead here; a picture or script in another page may not.
        is_link = headers.get("sec-fetch-mode") == "navigate" and method == "GET"
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not is_link:
            return (
                "requests from other sites are refused: only the service's own page may send them"
            )
        return ""

    def _leads_here(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._names or _is_address(name)


def _is_address(name: str) -> bool:
    """Whether it is a bare IP address, which no one can point elsewhere."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _refuse(reason: str, send: Send) -> None:
    body = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
