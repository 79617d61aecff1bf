"""Stylizer: an exported model that turns pictures into pictures. No torch in sight."""

from __future__ import annotations

import os
from typing import Any, overload

import numpy as np
from PIL import Image

from fast_nst.errors import UserError
from fast_nst.pictures.edit import Array, blend, from_array, keep_colors, resize_longest, to_array
from fast_nst.pictures.read import open_image
from fast_nst.stylize.engines import INPUT, OUTPUT, open_session
from fast_nst.stylize.gallery import find_model

Picture = str | os.PathLike[str] | Image.Image | Array


class Stylizer:
    """One style, loaded once and applied to any number of pictures of any size.

    Args:
        model: An exported .onnx file, its bytes, or a style's name (see `stylize.gallery`);
            default: the package's default style.
        provider: Device, by its short name (see `providers`) or ONNX Runtime's own.
        threads: Of one picture's arithmetic; default: one a core.

    Raises:
        UserError: The model cannot be used, or the provider is not installed.

    Example:
        >>> stylize = Stylizer()
        >>> stylize("photo.jpg").save("painting.jpg")
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | bytes | None = None,
        *,
        provider: str = "cpu",
        threads: int | None = None,
    ) -> None:
        found = model if isinstance(model, bytes) else find_model(model)
        self._session = open_session(found, provider, threads)

    @property
    def metadata(self) -> dict[str, str]:
        """What the model says of itself: title, artist, licence, network, recipe and more."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, images: Array) -> Array:
        """The bare network.

        Args:
            images: (N, H, W, 3) uint8.

        Returns:
            (N, H, W, 3) uint8.

        Raises:
            UserError: ONNX Runtime gives up, which is for want of memory, or the model does not
                keep the size.
        """
        try:
            painted: Array = self._session.run([OUTPUT], {INPUT: images})[0]
        except Exception as error:  # ONNX Runtime's own errors share no base class
            size = f"{images.shape[2]}x{images.shape[1]}"
            reason = " ".join(str(error).split())[:160]
            raise UserError(
                f"cannot stylize {size} px, make it smaller with --size: {reason}"
            ) from error
        if painted.shape != images.shape:
            raise UserError(
                f"the model turns {images.shape} into {painted.shape}: a fast_nst model keeps the "
                "shape, export it with fast-nst export"
            )
        return painted

    @overload
    def __call__(
        self,
        image: list[Any] | tuple[Any, ...],
        *,
        strength: float = ...,
        keep_colors: bool = ...,
        size: int | None = ...,
    ) -> list[Any]: ...

    @overload
    def __call__(
        self,
        image: Array,
        *,
        strength: float = ...,
        keep_colors: bool = ...,
        size: int | None = ...,
    ) -> Array: ...

    @overload
    def __call__(
        self,
        image: str | os.PathLike[str] | Image.Image,
        *,
        strength: float = ...,
        keep_colors: bool = ...,
        size: int | None = ...,
    ) -> Image.Image: ...

    def __call__(
        self,
        image: Picture | list[Any] | tuple[Any, ...],
        *,
        strength: float = 1.0,
        keep_colors: bool = False,
        size: int | None = None,
    ) -> Any:
        """Stylize a picture, or each of a list.

        Args:
            image: A path or PIL image (gives a PIL image, "RGB" or "RGBA"), a uint8 array (H, W),
                (H, W, 3) or (H, W, 4) (gives (H, W, 3) or (H, W, 4)), or a list of these (gives a
                list). Transparency is kept as it is.
            strength: 0 gives the photograph back, 1 the painting; between, their blend.
            keep_colors: Take only the light and dark of the painting, and the photograph's colours.
            size: Longer side of the result, in px; default: that of the photograph.

        Raises:
            UserError: A picture cannot be read, or an argument is out of range.
        """
        if not 0 <= strength <= 1:
            raise UserError(
                f"strength is {strength:g}: it must be from 0 (photograph) to 1 (painting)"
            )
        if size is not None and size < 1:
            raise UserError(f"size is {size}: the longer side must be at least 1 px")
        if isinstance(image, list | tuple):
            return [
                self(item, strength=strength, keep_colors=keep_colors, size=size) for item in image
            ]
        if isinstance(image, np.ndarray):
            # A copy: Pillow lends its pixels read-only.
            return np.array(self._stylize(_from_pixels(image), strength, keep_colors, size))
        if isinstance(image, str | os.PathLike | Image.Image):
            return self._stylize(open_image(image), strength, keep_colors, size)
        raise UserError(
            f"cannot stylize a {type(image).__name__}: give a path, a PIL image, a uint8 array or "
            "a list of them"
        )

    def _stylize(
        self, photo: Image.Image, strength: float, original_colors: bool, size: int | None
    ) -> Image.Image:
        if size is not None:
            photo = resize_longest(photo, size)
        pixels = to_array(photo)
        if strength == 0:
            painting = pixels
        else:
            painting = self.run(pixels[None])[0]
            if original_colors:
                painting = keep_colors(pixels, painting)
            painting = blend(pixels, painting, strength)
        result = from_array(painting)
        if photo.mode == "RGBA":
            result.putalpha(photo.getchannel("A"))
        return result


def _from_pixels(array: Array) -> Image.Image:
    """A picture of an array, or a clear word on what is wrong with it."""
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not fits or 0 in array.shape:
        raise UserError(
            f"the array is {array.dtype} {array.shape}: give uint8 of shape (H, W), (H, W, 3) or "
            "(H, W, 4)"
        )
    image = from_array(array)
    return image if image.mode in ("RGB", "RGBA") else image.convert("RGB")
