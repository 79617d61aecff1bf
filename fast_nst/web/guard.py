"""Which requests are let through, and the headers that every answer carries."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

RETRY_AFTER = 2  # seconds


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
        names: Hosts' names that lead here, beside this machine's, at any port; bare addresses
            always do. Pages of these names are the service's own.
        runs_wasm: See `policy`.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str] = (), runs_wasm: bool = False) -> None:
        self._app = app
        self._given = {_name_in(name) for name in names}
        self._names = self._given | {"localhost", socket.gethostname().lower()}
        self.headers: Mapping[str, str] = {
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
                for name, value in self.headers.items():
                    headers[name] = value
            await send(message)

        reason = self._reason_against(Headers(scope=scope), scope["method"])
        if reason:
            await JSONResponse({"error": reason}, 403)(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    async def too_many(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, as an application, that there are too many connections."""
        answer = JSONResponse(
            {"error": "the service has too many visitors: try again in a moment"},
            503,
            {**self.headers, "Retry-After": str(RETRY_AFTER), "Connection": "close"},
        )
        await answer(scope, receive, send)

    def _reason_against(self, headers: Headers, method: str) -> str:
        host = headers.get("host", "")
        name = _name_in(host)
        if name not in self._names and not _is_address(name):
            return f"the host {host!r} is not this service's: open it by its address"
        site = headers.get("sec-fetch-site")
        if site == "same-origin":  # no page can say so for itself, and proxies rewrite Host
            return ""
        origin = headers.get("origin")
        if origin is not None and not self._is_own(origin, host):
            return (
                f"requests from {origin!r} are refused: only the service's own page may send them"
            )
        # A link may lead here; a picture or script in another page may not.
        is_link = headers.get("sec-fetch-mode") == "navigate" and method == "GET"
        if site in ("cross-site", "same-site") and not is_link:
            return (
                "requests from other sites are refused: only the service's own page may send them"
            )
        return ""

    def _is_own(self, origin: str, host: str) -> bool:
        try:
            here, there = urlsplit(origin), urlsplit(f"//{host}")
            usual = {"http": 80, "https": 443}.get(here.scheme)
            if here.hostname is None or usual is None:
                return False
            same = (here.hostname, here.port or usual) == (there.hostname, there.port or usual)
            return same or here.hostname in self._given
        except ValueError:
            return False


def _name_in(host: str) -> str:
    """The name, or address, in `name`, `name:port` or an address of the web; "" if none is."""
    try:
        return urlsplit(host if "://" in host else f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    """Whether it is a bare IP address, which no one can point elsewhere."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
