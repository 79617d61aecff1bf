"""Rejection of requests from other sites or machines; security headers for every response."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fast_nst.errors import UserError
from fast_nst.web.access import Access, is_loopback

RETRY_AFTER = 2  # seconds
_FORWARDING = ("forwarded", "via", "x-forwarded-", "x-real-ip")  # beginnings of headers


class AccessRefused(UserError):
    """A request by somebody who may not make it."""


def has_access(access: Access, request: Request) -> bool:
    """Whether a request may be made.

    With `Access.OWNER`, a request has to have come from this machine, without a proxy: proxies
    add a header or speak HTTP/1.0, or the page in front of them has another name.

    Args:
        access: Who may make it.
        request: The request.
    """
    return access is Access.ALL or (access is Access.OWNER and _is_from_here(request))


def guard(access: Access, hint: str) -> Callable[[Request], Awaitable[None]]:
    """A check of requests, for FastAPI's `Depends`.

    Args:
        access: Who may make them, see `has_access`.
        hint: What those can do who may not, for the message.

    Returns:
        A function that raises `AccessRefused`.
    """

    async def check(request: Request) -> None:
        if not has_access(access, request):
            raise AccessRefused(f"this is for the users of the service's machine only: {hint}")

    return check


def _is_from_here(request: Request) -> bool:
    headers = request.headers
    host = headers.get("host", "")
    return (
        all(is_loopback(_host_name(name)) for name in (host, headers.get("origin", host)))
        and not any(name.startswith(_FORWARDING) for name in headers)
        and request.scope["http_version"] != "1.0"  # nginx, by default
    )


def content_security_policy(runs_wasm: bool) -> str:
    """The page's policy: resources from its own origin only, and no inline scripts.

    Args:
        runs_wasm: Whether to allow WebAssembly, which runs networks in the browser.
    """
    wasm = " 'wasm-unsafe-eval'" if runs_wasm else ""
    return (
        f"default-src 'none'; script-src 'self'{wasm}; style-src 'self'; worker-src 'self'; "
        "img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; "
        "manifest-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


class SecurityMiddleware:
    """ASGI middleware against cross-site requests and DNS rebinding.

    Cross-site requests are recognized by their Origin and Sec-Fetch headers; DNS rebinding, where
    a site points its own name at this address, by the Host header.

    Args:
        app: The wrapped application.
        names: Host names of the service, at any port, beside localhost and the machine's own
            name. IP addresses are always accepted.
        runs_wasm: See `content_security_policy`.

    Attributes:
        headers: Security headers, added to every response.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str] = (), runs_wasm: bool = False) -> None:
        self._app = app
        self._public_names = {_host_name(name) for name in names}
        self._names = self._public_names | {"localhost", socket.gethostname().lower()}
        self.headers: Mapping[str, str] = {
            "Content-Security-Policy": content_security_policy(runs_wasm),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Embedder-Policy": "require-corp",  # with the above, wasm gets threads
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or reject it with status 403."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers[name] = value
            await send(message)

        reason = self._rejection(Headers(scope=scope), scope["method"])
        if reason:
            await JSONResponse({"error": reason}, 403)(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    async def too_many_connections(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application whose every response is status 503."""
        response = JSONResponse(
            {"error": "the service has too many connections: try again in a moment"},
            503,
            {**self.headers, "Retry-After": str(RETRY_AFTER), "Connection": "close"},
        )
        await response(scope, receive, send)

    def _rejection(self, headers: Headers, method: str) -> str:
        """Why a request is rejected; "" if it is accepted."""
        host = headers.get("host", "")
        name = _host_name(host)
        if name not in self._names and not _is_address(name):
            return f"the host {host!r} is not a name of this service: use its IP address"
        site = headers.get("sec-fetch-site")
        if site == "same-origin":  # set by the browser; Host may have been rewritten by a proxy
            return ""
        origin = headers.get("origin")
        if origin is not None and not self._is_own(origin, host):
            return (
                f"requests from {origin!r} are rejected: only the service's own page may send them"
            )
        # Other sites may link to the page, but not embed or fetch anything of it.
        is_link = headers.get("sec-fetch-mode") == "navigate" and method == "GET"
        if site in ("cross-site", "same-site") and not is_link:
            return (
                "requests from other sites are rejected: only the service's own page may send them"
            )
        return ""

    def _is_own(self, origin: str, host: str) -> bool:
        try:
            source, target = urlsplit(origin), urlsplit(f"//{host}")
            default = {"http": 80, "https": 443}.get(source.scheme)
            if source.hostname is None or default is None:
                return False
            own = target.hostname, target.port or default
            return (
                source.hostname in self._public_names
                or (source.hostname, source.port or default) == own
            )
        except ValueError:
            return False


def _host_name(host: str) -> str:
    """The host name in `name`, `name:port` or a URL; "" if there is none."""
    try:
        return urlsplit(host if "://" in host else f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    """Whether it is an IP address, which DNS rebinding cannot use."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
