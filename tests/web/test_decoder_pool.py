"""Decoder processes: results, errors, cancellation, and how they end."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fast_nst.errors import UserError
from fast_nst.pictures.edit import Pixels, to_array
from fast_nst.pictures.read import TooManyPixels, open_image
from fast_nst.web.decoder_pool import DecoderPool
from fast_nst.web.decoder_worker import Decode, Encode
from tests.conftest import noise

NEVER = threading.Event()


def decode(data: bytes, most: int = 10_000_000, size: int | None = None) -> Decode:
    return Decode(upload=data, most=most, size=size, stroke_scale=1.0)


def png(height: int, width: int, alpha: bool = False) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(noise(height, width))
    if alpha:
        image.putalpha(Image.linear_gradient("L").resize((width, height)))
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def slow() -> bytes:
    """A small progressive JPEG that takes seconds to decode."""
    buffer = io.BytesIO()
    Image.new("L", (6000, 6000)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    scan = data[data.rfind(b"\xff\xda") : -2]
    return data[:-2] + scan * 80 + b"\xff\xd9"


def children() -> set[int | None]:
    return {process.pid for process in multiprocessing.active_children()}


def test_decode_and_encode_keep_all_pixels(decoders: DecoderPool):
    for height, width, alpha in ((3, 5, False), (700, 900, True), (1, 1, True)):
        data = png(height, width, alpha)
        photo = decoders.decode(decode(data), NEVER)
        assert np.array_equal(photo.rgb, to_array(open_image(data)))
        assert (photo.alpha is not None) == alpha
        task = Encode(painting=photo, file_format="png", quality=95)
        again = decoders.decode(decode(decoders.encode(task, NEVER)), NEVER)
        assert np.array_equal(again.rgb, photo.rgb)
        if alpha:
            assert np.array_equal(again.alpha, photo.alpha)
    assert len(children()) == 1  # all tasks ran in one process


def test_decode_and_encode_keep_exif(decoders: DecoderPool):
    exif = Image.Exif()
    exif[0x010F] = "A maker"
    buffer = io.BytesIO()
    Image.fromarray(noise(8, 8)).save(buffer, "JPEG", exif=exif)
    photo = decoders.decode(decode(buffer.getvalue()), NEVER)
    data = decoders.encode(Encode(painting=photo, file_format="webp", quality=90), NEVER)
    assert Image.open(io.BytesIO(data)).getexif()[0x010F] == "A maker"


def test_decoder_errors_are_raised_in_the_caller(decoders: DecoderPool):
    with pytest.raises(UserError, match="not an image"):
        decoders.decode(decode(b"hello"), NEVER)
    with pytest.raises(TooManyPixels, match="over 10 pixels"):
        decoders.decode(decode(png(8, 8), most=10), NEVER)
    with pytest.raises(TooManyPixels, match="makes 100x100 px of the input, over 100 pixels"):
        decoders.decode(decode(png(8, 8), most=100, size=100), NEVER)
    wide = Pixels(np.zeros((1, 17_000, 3), np.uint8))
    with pytest.raises(UserError, match="webp does not support 17000x1 px"):
        decoders.encode(Encode(painting=wide, file_format="webp", quality=90), NEVER)
    assert len(children()) == 1


def test_cancelled_decoder_is_killed_and_replaced(decoders: DecoderPool, slow: bytes):
    assert len(slow) < 1_000_000
    decoders.decode(decode(png(8, 8)), NEVER)  # waits for its start
    before = children()
    cancelled = threading.Event()
    cancelled.set()  # seen at the first look, while the decoder works
    started = time.monotonic()
    with pytest.raises(UserError, match="cancelled"):
        decoders.decode(decode(slow, most=40_000_000), cancelled)
    assert time.monotonic() - started < 2
    assert not before & children()
    assert decoders.decode(decode(png(8, 8)), NEVER).rgb.shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("how", "error"), [(signal.SIGSEGV, UserError), (signal.SIGKILL, MemoryError)]
)
def test_decoder_that_dies_fails_one_image_only(
    decoders: DecoderPool, slow: bytes, how: signal.Signals, error: type[Exception]
):
    decoders.decode(decode(png(8, 8)), NEVER)
    (pid,) = children()
    assert pid is not None
    threading.Timer(0.2, os.kill, (pid, how)).start()
    with pytest.raises(error):
        decoders.decode(decode(slow, most=40_000_000), NEVER)
    assert decoders.decode(decode(png(8, 8)), NEVER).rgb.shape == (8, 8, 3)


def test_decoder_that_died_idle_is_replaced(decoders: DecoderPool):
    decoders.decode(decode(png(8, 8)), NEVER)
    (process,) = multiprocessing.active_children()
    process.kill()
    process.join()
    assert decoders.decode(decode(png(8, 8)), NEVER).rgb.shape == (8, 8, 3)


def test_threads_get_separate_decoders(decoders: DecoderPool):
    found = []

    def work(number: int) -> None:
        data = png(200, 300 + number)
        found.extend(decoders.decode(decode(data), NEVER).rgb.shape[1] - number for _ in range(4))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [300] * 12
    assert len(children()) <= 3


def test_decoder_pool_close_kills_its_processes(decoders: DecoderPool):
    decoders.start()
    assert len(children()) == 1
    decoders.close()
    assert children() == set()


PARENT = """
import os, pathlib, sys, threading, time
from fast_nst.web.decoder_pool import DecoderPool
from fast_nst.web.decoder_worker import Decode
if __name__ == "__main__":
    decoders, never = DecoderPool(), threading.Event()
    def decode(path):
        upload = pathlib.Path(path).read_bytes()
        task = Decode(upload=upload, most=40_000_000, size=None, stroke_scale=1.0)
        decoders.decode(task, never)
    decode(sys.argv[1])
    threading.Thread(target=decode, args=sys.argv[2:]).start()
    time.sleep(0.5)
    print(time.time(), flush=True)
    os.kill(os.getpid(), 9)
"""


def test_decoders_exit_when_the_service_is_killed(tmp_path: Path, slow: bytes):
    for name, text in (("parent.py", PARENT.encode()), ("a", png(8, 8)), ("b", slow)):
        (tmp_path / name).write_bytes(text)
    command = [sys.executable, *(tmp_path / name for name in ("parent.py", "a", "b"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        killed = parent.stdout.readline()
        parent.stdout.read()  # ends when the process, which has inherited it, does
        assert time.time() - float(killed) < 2
