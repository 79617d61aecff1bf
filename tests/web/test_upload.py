"""Uploads: limits of size, time and number."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from starlette.requests import Request

from fast_nst.web import upload
from fast_nst.web.upload import UploadReader, UploadTooLarge, UploadTooSlow
from fast_nst.web.work_queue import ClientDisconnected, QueueFull, RequestTimeout, ShuttingDown


def request(*chunks: bytes | float, ends: bool = True, content_type: str = "image/png") -> Request:
    """A request whose body arrives in chunks (bytes), with pauses (seconds) between them."""
    coming = list(chunks)

    async def receive() -> dict[str, object]:
        while coming:
            chunk = coming.pop(0)
            if isinstance(chunk, bytes):
                more = bool(coming) or not ends
                return {"type": "http.request", "body": chunk, "more_body": more}
            await asyncio.sleep(chunk)
        if ends:
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()
        raise AssertionError

    headers = [(b"content-type", content_type.encode())]
    return Request({"type": "http", "headers": headers}, receive)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("GRACE_PERIOD", 0.2), ("_MIN_AGE", 0.1), ("_POLL_SECONDS", 0.02)):
        monkeypatch.setattr(upload, name, value)


def test_upload_returns_the_whole_body():
    body = asyncio.run(UploadReader(1, 100).read(request(b"ab", 0.01, b"cd"), 30)).image
    assert body == b"abcd"


@pytest.mark.usefixtures("quick")
def test_upload_below_the_minimum_rate_is_rejected():
    started = time.monotonic()
    with pytest.raises(UploadTooSlow, match="minimum is 10 kB/s"):
        asyncio.run(UploadReader(1, 100).read(request(b"x", ends=False), 30))
    assert 0.2 < time.monotonic() - started < 5


@pytest.mark.usefixtures("quick")
def test_upload_above_the_minimum_rate_is_accepted():
    pieces = [item for _ in range(10) for item in (bytes(1000), 0.05)]  # 20 kB a second
    body = asyncio.run(UploadReader(1, 100_000).read(request(*pieces, b"end"), 30)).image
    assert len(body) == 10_003


@pytest.mark.usefixtures("quick")
def test_upload_times_out():
    with pytest.raises(RequestTimeout):
        asyncio.run(UploadReader(1, 10**7).read(request(bytes(10**6), ends=False), 0.3))


@pytest.mark.usefixtures("quick")
def test_upload_limit_rejects_the_slowest():
    async def scenario() -> None:
        uploads = UploadReader(2, 10**6)
        stalled = asyncio.ensure_future(uploads.read(request(b"x" * 1000, ends=False), 30))
        faster = asyncio.ensure_future(
            uploads.read(request(b"x" * 50_000, 0.3, b"y", ends=True), 30)
        )
        await asyncio.sleep(0.05)
        with pytest.raises(QueueFull):  # both uploads are younger than `_MIN_AGE`
            await uploads.read(request(b"z"), 30)
        await asyncio.sleep(0.1)
        assert (await uploads.read(request(b"z"), 30)).image == b"z"
        with pytest.raises(QueueFull):
            await stalled
        assert len((await faster).image) == 50_001

    asyncio.run(scenario())


@pytest.mark.usefixtures("quick")
def test_upload_reader_stop_rejects_all():
    async def scenario() -> None:
        uploads = UploadReader(2, 10**6)
        reading = asyncio.ensure_future(uploads.read(request(b"x", ends=False), 30))
        await asyncio.sleep(0.01)
        uploads.stop()
        with pytest.raises(ShuttingDown):
            await reading

    asyncio.run(scenario())


def test_upload_of_a_disconnected_client():
    broken = request(b"x", 0.0, ends=True)
    with pytest.raises(ClientDisconnected):
        asyncio.run(UploadReader(1, 100).read(broken, 30))


def test_upload_over_the_maximum_size_is_rejected_early():
    with pytest.raises(UploadTooLarge, match=r"over 0\.0001 MB"):
        asyncio.run(UploadReader(1, 100).read(request(bytes(60), bytes(60), ends=False), 30))


def test_upload_form_parsing_does_not_block_the_event_loop():
    """A form that is slow to parse: 800,000 headers in 4 MB."""
    body = b"--b\r\n" + b"a:b\r\n" * 800_000
    form = request(body, content_type="multipart/form-data; boundary=b")

    async def scenario() -> float:
        longest, last, running = 0.0, time.monotonic(), True

        async def tick() -> None:
            nonlocal longest, last
            while running:
                await asyncio.sleep(0.001)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()

        ticking = asyncio.ensure_future(tick())
        with contextlib.suppress(ValueError, RequestTimeout):
            await UploadReader(1, 10**7).read(form, 1.0)
        running = False
        await ticking
        return longest

    assert asyncio.run(scenario()) < 0.5
