"""What is done with picture files in a process of its own, which can be ended at any time.

Pillow's decoders and encoders cannot be interrupted, and some files keep them busy for minutes.
This module is what such a process imports, so it needs little beside Pillow.
"""

from __future__ import annotations

import multiprocessing.connection
import os
import signal
import threading
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from PIL import Image

from fast_nst.errors import UserError
from fast_nst.pictures.edit import Array, Pixels, resize, scaled_size, to_image, to_pixels
from fast_nst.pictures.read import most_pixels, open_image
from fast_nst.pictures.write import WRITERS, encode_image

_PIECE = 2**20  # bytes of an array that are sent at a time


class TooLarge(UserError):
    """More pixels than the service takes."""


@dataclass(frozen=True, kw_only=True)
class Decode:
    """Read a picture, at the size that it is painted at.

    Attributes:
        upload: Its file.
        most: Pixels that it, and its painting, may have.
        size: Longer side of the result, in px.
        stroke_scale: From 0.1 to 10.
    """

    upload: bytes | bytearray
    most: int
    size: int | None
    stroke_scale: float

    def __call__(self) -> Pixels:
        """Do it.

        Raises:
            TooLarge: The picture, or its painting, has too many pixels.
            UserError: It cannot be read.
        """
        with most_pixels(self.most):
            try:
                photo = open_image(bytes(self.upload))
            except UserError as error:
                if isinstance(error.__cause__, Image.DecompressionBombError):
                    raise TooLarge(
                        f"the picture has over {self.most:,} pixels: give a smaller one"
                    ) from error
                raise
        size = photo.size
        if self.size is not None:
            size = scaled_size(size, self.size / max(size))
        # Finer strokes are painted on a larger copy.
        width, height = scaled_size(size, max(1 / self.stroke_scale, 1))
        if width * height > self.most:
            raise TooLarge(
                f"this size and stroke scale make {width}x{height} px of the picture, over "
                f"{self.most:,} pixels: choose a smaller size or larger strokes"
            )
        return to_pixels(resize(photo, size))


@dataclass(frozen=True, kw_only=True)
class Encode:
    """Write a painting.

    Attributes:
        painting: Its pixels.
        file_format: png, jpg or webp.
        quality: Of JPEG and WebP.
    """

    painting: Pixels
    file_format: str
    quality: int

    def __call__(self) -> bytes:
        """Do it.

        Raises:
            UserError: The format cannot hold it.
        """
        image = to_image(self.painting)
        try:
            return encode_image(image, WRITERS[f".{self.file_format}"], self.quality)
        except (OSError, ValueError) as error:
            raise UserError(
                f"{self.file_format} cannot hold {image.width}x{image.height} px: choose png or a "
                "smaller size"
            ) from error


def send(connection: Connection, message: Any) -> None:
    """Send anything; pixels, and what holds them, without a second copy of them."""
    pixels = message.painting if isinstance(message, Encode) else message
    if not isinstance(pixels, Pixels):
        connection.send((message, ()))
        return
    arrays = [array for array in (pixels.rgb, pixels.alpha) if array is not None]
    if isinstance(message, Encode):
        head: Any = (message.file_format, message.quality, pixels.exif)
    else:
        head = pixels.exif
    connection.send((head, tuple(array.shape for array in arrays)))
    for array in arrays:
        flat = np.ascontiguousarray(array).reshape(-1).data
        for start in range(0, len(flat), _PIECE):
            connection.send_bytes(flat[start : start + _PIECE])


def receive(connection: Connection) -> Any:
    """What `send` has sent.

    Raises:
        EOFError: The other side has ended.
    """
    head, shapes = connection.recv()
    if not shapes:
        return head
    arrays = [_received(connection, shape) for shape in shapes]
    rgb, alpha = arrays[0], arrays[1] if arrays[1:] else None
    if not isinstance(head, tuple):
        return Pixels(rgb, alpha, head)
    file_format, quality, exif = head
    return Encode(painting=Pixels(rgb, alpha, exif), file_format=file_format, quality=quality)


def _received(connection: Connection, shape: tuple[int, ...]) -> Array:
    array = np.empty(shape, np.uint8)
    flat = array.reshape(-1).data
    done = 0
    while done < len(flat):
        done += connection.recv_bytes_into(flat, done)
    return array


def serve(connection: Connection) -> None:
    """The process: does what it is sent, and ends with the one that started it.

    Args:
        connection: Brings `Decode` and `Encode`; takes what they give, or the error.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which ends this
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            task = receive(connection)
        except EOFError:
            return
        answer: Any
        try:
            answer = task()
        except (UserError, MemoryError) as error:
            answer = error
        except Exception:
            answer = RuntimeError(traceback.format_exc())
        task = None
        try:
            send(connection, answer)
        except BrokenPipeError:
            return


def _end_with_parent() -> None:
    """Also while Pillow works, which would not look."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
