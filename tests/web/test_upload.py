"""Bodies on their way: who stalls is sent away, and keeps nobody out."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from starlette.requests import Request

from fast_nst.web import upload
from fast_nst.web.desk import Busy, Gone, Stopping, TooSlow
from fast_nst.web.upload import Dawdling, TooManyBytes, Uploads


def request(*chunks: bytes | float, ends: bool = True, content_type: str = "image/png") -> Request:
    """One whose body comes in chunks, with pauses of seconds between them."""
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
    for name, value in (("PATIENCE", 0.2), ("_SETTLED", 0.1), ("_LOOK", 0.02)):
        monkeypatch.setattr(upload, name, value)


def test_a_body_comes_whole():
    body = asyncio.run(Uploads(1, 100).read(request(b"ab", 0.01, b"cd"), 30)).picture
    assert body == b"abcd"


@pytest.mark.usefixtures("quick")
def test_who_brings_too_little_is_told():
    started = time.monotonic()
    with pytest.raises(Dawdling, match="10 kB a second"):
        asyncio.run(Uploads(1, 100).read(request(b"x", ends=False), 30))
    assert 0.2 < time.monotonic() - started < 5


@pytest.mark.usefixtures("quick")
def test_who_brings_enough_may_take_its_time():
    pieces = [item for _ in range(10) for item in (bytes(1000), 0.05)]  # 20 kB a second
    body = asyncio.run(Uploads(1, 100_000).read(request(*pieces, b"end"), 30)).picture
    assert len(body) == 10_003


@pytest.mark.usefixtures("quick")
def test_but_not_for_ever():
    with pytest.raises(TooSlow):
        asyncio.run(Uploads(1, 10**7).read(request(bytes(10**6), ends=False), 0.3))


@pytest.mark.usefixtures("quick")
def test_the_slowest_makes_room():
    async def scene() -> None:
        uploads = Uploads(2, 10**6)
        stalled = asyncio.ensure_future(uploads.read(request(b"x" * 1000, ends=False), 30))
        faster = asyncio.ensure_future(
            uploads.read(request(b"x" * 50_000, 0.3, b"y", ends=True), 30)
        )
        await asyncio.sleep(0.05)
        with pytest.raises(Busy):  # nobody has had a chance yet
            await uploads.read(request(b"z"), 30)
        await asyncio.sleep(0.1)
        assert (await uploads.read(request(b"z"), 30)).picture == b"z"
        with pytest.raises(Busy):
            await stalled
        assert len((await faster).picture) == 50_001

    asyncio.run(scene())


@pytest.mark.usefixtures("quick")
def test_in_the_end_all_are_sent_away():
    async def scene() -> None:
        uploads = Uploads(2, 10**6)
        reading = asyncio.ensure_future(uploads.read(request(b"x", ends=False), 30))
        await asyncio.sleep(0.01)
        uploads.stop()
        with pytest.raises(Stopping):
            await reading

    asyncio.run(scene())


def test_who_breaks_off_is_gone():
    broken = request(b"x", 0.0, ends=True)
    with pytest.raises(Gone):
        asyncio.run(Uploads(1, 100).read(broken, 30))


def test_too_many_bytes_are_not_waited_for():
    with pytest.raises(TooManyBytes, match=r"over 0\.0001 MB"):
        asyncio.run(Uploads(1, 100).read(request(bytes(60), bytes(60), ends=False), 30))


def test_others_are_served_while_a_form_is_parsed():
    """A form made to be slow: a million headers in 4 MB."""
    body = b"--b\r\n" + b"a:b\r\n" * 800_000
    form = request(body, content_type="multipart/form-data; boundary=b")

    async def scene() -> float:
        longest, last, running = 0.0, time.monotonic(), True

        async def tick() -> None:
            nonlocal longest, last
            while running:
                await asyncio.sleep(0.001)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()

        ticking = asyncio.ensure_future(tick())
        with contextlib.suppress(ValueError, TooSlow):
            await Uploads(1, 10**7).read(form, 1.0)
        running = False
        await ticking
        return longest

    assert asyncio.run(scene()) < 0.5
