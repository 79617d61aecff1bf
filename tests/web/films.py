"""Films that are painted by a service in the test's own process."""

from __future__ import annotations

import time
from typing import Any

from starlette.testclient import TestClient


def begin(client: TestClient, data: bytes, query: str = "style=udnie") -> str:
    answer = client.post(f"/api/videos?{query}", content=data)
    assert answer.status_code == 202, answer.text
    assert list(answer.json()) == ["id"]
    return answer.json()["id"]


def until(client: TestClient, name: str, *states: str) -> list[dict[str, Any]]:
    """Poll until the film is in one of the states; all that was found."""
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 120
    while not found or found[-1]["state"] not in states:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
        answer = client.get(f"/api/videos/{name}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        found.append(answer.json())
    return found
