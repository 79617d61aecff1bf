"""Masks: where a picture is painted, and the composite of what is inside and outside."""

from __future__ import annotations

import os
import warnings

import numpy as np
import numpy.typing as npt
from PIL import Image

from fast_nst.errors import UserError, UserNote
from fast_nst.pictures.edit import Array, from_array, resize, strips
from fast_nst.pictures.read import open_image

MaskSource = str | os.PathLike[str] | bytes | Image.Image | npt.NDArray[np.generic]
_KINDS = "a path, a PIL image, or an array (H, W) of bool, uint8 or float"


def read_mask(source: MaskSource) -> Array:
    """Read a mask at its own size: 255 (white) is inside, 0 (black) outside, grey a soft edge.

    Images are decoded like photographs, upright and to 8 bits. The mask is their alpha channel if
    they have transparent pixels, otherwise their luma.

    Args:
        source: A path, encoded bytes, a PIL image; or an array (H, W), of bool, of uint8 from 0 to
            255, or of floats from 0 to 1.

    Returns:
        (H, W) uint8.

    Raises:
        UserError: The type, dtype, shape or range is not supported; see also `open_image`.

    Warns:
        UserNote: A uint8 array has no value above 1, as that of labels.
    """
    if isinstance(source, np.ndarray):
        return _from_user_array(source)
    if not isinstance(source, str | bytes | os.PathLike | Image.Image):
        raise UserError(f"mask is a {type(source).__name__}: give {_KINDS}", "mask")
    image = open_image(source, "the mask")
    if image.mode == "RGBA":
        alpha = np.asarray(image.getchannel("A"))
        if alpha.min() < 255:
            return alpha
    return np.asarray(image.convert("L"))


def _from_user_array(array: npt.NDArray[np.generic]) -> Array:
    is_float = np.issubdtype(array.dtype, np.floating)
    fits = array.dtype in (np.bool_, np.uint8) or is_float
    if array.ndim != 2 or 0 in array.shape or not fits:
        raise UserError(f"mask is {array.dtype} {array.shape}: give {_KINDS}", "mask")
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if not is_float:
        levels = array.astype(np.uint8, copy=False)
        if levels.max() == 1:
            line = "mask has no value above 1 of 255: give labels 0 and 1 as bool"
            warnings.warn(line, UserNote, stacklevel=5)
        return levels
    values = array.astype(np.float32)
    if not ((values >= 0) & (values <= 1)).all():
        raise UserError("mask has floats outside 0 to 1: scale them to that range", "mask")
    return np.rint(255 * values).astype(np.uint8)


def fit_mask(mask: Array, width: int, height: int) -> Array:
    """Stretch a mask to a picture's size with a bilinear filter, which averages when reducing.

    Unlike Lanczos it has no ringing: what is far from an edge stays white or black.

    Args:
        mask: (h, w) uint8.
        width: Of the result, in px.
        height: Of the result, in px.

    Returns:
        (H, W) uint8; `mask` itself if it has that size.

    Raises:
        UserError: Memory runs out.
    """
    if mask.shape == (height, width):
        return mask
    return np.asarray(resize(from_array(mask), (width, height), Image.Resampling.BILINEAR))


def composite(outside: Array, inside: Array, mask: Array) -> Array:
    """Blend two pictures, per pixel, by a mask.

    The result is `outside + mask / 255 * (inside - outside)`, rounded to the nearest level, in
    integers: `(outside * (255 - mask) + inside * mask + 127) // 255`. The exact value is never
    halfway between two levels, since 255 is odd.

    Args:
        outside: (H, W, 3) uint8; exactly the result where the mask is 0.
        inside: (H, W, 3) uint8; exactly the result where the mask is 255.
        mask: (H, W) uint8.

    Returns:
        (H, W, 3) uint8.
    """
    blended = np.empty_like(outside)
    for rows in strips(*mask.shape):
        weight = mask[rows, :, None].astype(np.uint16)  # the sum is at most 255 * 255 + 127
        blended[rows] = (outside[rows] * (255 - weight) + inside[rows] * weight + 127) // 255
    return blended
