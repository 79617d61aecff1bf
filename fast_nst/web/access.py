"""Who may use the parts of the service that occupy it, and store or remove files."""

from __future__ import annotations

import contextlib
import enum
import ipaddress


class Access(enum.Enum):
    """Who may use a part of the service.

    Attributes:
        ALL: Everyone who reaches it; its flag was given.
        OWNER: The users of its machine, see `security.has_access`.
        NOBODY: The service is for others, and the flag was not given.
    """

    ALL = enum.auto()
    OWNER = enum.auto()
    NOBODY = enum.auto()


def is_loopback(host: str) -> bool:
    """Whether a host is this machine under a name that no other machine can use."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"
