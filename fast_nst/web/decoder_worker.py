"""Decoding and encoding of images in a worker process, which can be killed at any time.

Pillow's decoders and encoders cannot be interrupted, and some files keep them busy for minutes.
Each worker process imports this module, so it imports little beside Pillow.
"""

from __future__ import annotations

import contextlib
import multiprocessing.connection
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from PIL import Image

from fast_nst.errors import UserError
from fast_nst.pictures.edit import Array, Pixels, to_image
from fast_nst.pictures.mask import fit_mask, read_mask
from fast_nst.pictures.read import TooManyPixels, pixel_limit, read_pixels
from fast_nst.pictures.write import WRITERS, encode_image

_CHUNK = 2**20  # bytes of an array in one message


@dataclass(frozen=True, kw_only=True)
class Decode:
    """Decode an image and resize it to the result's size.

    Attributes:
        upload: The image file.
        most: Maximum pixels of the image, of the result, and of the network's input.
        size: Longer side of the result, in px; None keeps the image's.
        stroke_scale: Factor on the size of brush strokes, 0.1 to 10; below 1 the network's input
            is larger than the result.
    """

    upload: bytes | bytearray
    most: int
    size: int | None
    stroke_scale: float

    def __call__(self) -> Pixels:
        """Run the task.

        Raises:
            TooManyPixels: More than `most` pixels are needed.
            UserError: The file is not a readable image.
        """
        with _pixel_limit(self.most, "image"):
            return read_pixels(
                bytes(self.upload),
                self.size,
                max_pixels=self.most,
                stroke_scale=self.stroke_scale,
            )


@dataclass(frozen=True, kw_only=True)
class DecodeMask:
    """Decode a mask and stretch it to the result's size.

    Attributes:
        upload: The mask's file.
        most: Maximum pixels of the file.
        size: Width and height of the result, in px.
    """

    upload: bytes
    most: int
    size: tuple[int, int]

    def __call__(self) -> Array:
        """Run the task.

        Returns:
            (H, W) uint8.

        Raises:
            TooManyPixels: The file has more than `most` pixels.
            UserError: The file is not a readable image.
        """
        with _pixel_limit(self.most, "mask"):
            return fit_mask(read_mask(self.upload), *self.size)


@contextlib.contextmanager
def _pixel_limit(most: int, what: str) -> Iterator[None]:
    """`pixel_limit`, with an error that names no flag."""
    with pixel_limit(most):
        try:
            yield
        except TooManyPixels as error:
            if not isinstance(error.__cause__, Image.DecompressionBombError):
                raise
            line = f"the {what} has over {most:,} pixels: give a smaller one"
            raise TooManyPixels(line) from error


@dataclass(frozen=True, kw_only=True)
class Encode:
    """Encode an image.

    Attributes:
        painting: The pixels.
        file_format: png, jpg or webp.
        quality: Of JPEG and WebP, 1 to 100.
    """

    painting: Pixels
    file_format: str
    quality: int

    def __call__(self) -> bytes:
        """Run the task.

        Raises:
            UserError: The format does not support the image's size.
        """
        image = to_image(self.painting)
        try:
            return encode_image(image, WRITERS[f".{self.file_format}"], self.quality)
        except (OSError, ValueError) as error:
            raise UserError(
                f"{self.file_format} does not support {image.width}x{image.height} px: choose png "
                "or a smaller size"
            ) from error


def send(connection: Connection, message: Any) -> None:
    """Send a message whose arrays are not copied by pickle, but sent as they lie in memory."""
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    arrays = [buffer.raw() for buffer in buffers]
    connection.send((data, [len(array) for array in arrays]))
    for array in arrays:
        for start in range(0, len(array), _CHUNK):
            connection.send_bytes(array[start : start + _CHUNK])


def receive(connection: Connection) -> Any:
    """Receive a message of `send`.

    Raises:
        EOFError: The other end was closed.
    """
    data, sizes = connection.recv()
    buffers = [np.empty(size, np.uint8).data for size in sizes]
    for buffer in buffers:
        done = 0
        while done < len(buffer):
            done += connection.recv_bytes_into(buffer, done)
    return pickle.loads(data, buffers=buffers)


def serve(connection: Connection) -> None:
    """The worker's main loop: runs tasks until the pipe closes or the parent process ends.

    Args:
        connection: Receives `Decode`, `DecodeMask` and `Encode`; sends their results or exceptions.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service handles Ctrl-C and ends this
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    while True:
        try:
            task = receive(connection)
        except EOFError:
            return
        result: Any
        try:
            result = task()
        except (UserError, MemoryError) as error:
            result = error
        except Exception:
            result = RuntimeError(traceback.format_exc())
        task = None  # frees its arrays
        try:
            send(connection, result)
        except BrokenPipeError:
            return


def _exit_with_parent() -> None:
    """In a thread, since the main thread may be inside Pillow."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
