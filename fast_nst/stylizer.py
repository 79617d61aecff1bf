"""Stylizer: an ONNX Runtime session that turns pictures into pictures. No torch in sight."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, overload

import numpy as np
import onnxruntime
from PIL import Image

from fast_nst.errors import UserError, choose
from fast_nst.images import (
    Array,
    blend,
    from_array,
    keep_colors,
    open_image,
    resize_longest,
    to_array,
)

INPUT, OUTPUT = "image", "stylized"
MOST_THREADS = 1024
DEFAULT_MODEL = Path(__file__).parent / "assets" / "default.onnx"

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}

Picture = str | os.PathLike[str] | Image.Image | Array


def providers() -> list[str]:
    """The devices that the installed ONNX Runtime can use, by their short names."""
    installed = onnxruntime.get_available_providers()
    return [name for name, full in _PROVIDERS.items() if full in installed]


def _full_name(provider: str) -> str:
    """ONNX Runtime's name of an installed provider, given that or the short one."""
    if provider in onnxruntime.get_available_providers():
        return provider
    short_names = {full: name for name, full in _PROVIDERS.items()}
    short_name = choose("provider", short_names.get(provider, provider.lower()), _PROVIDERS)
    if short_name not in providers():
        raise UserError(
            f"the installed ONNX Runtime lacks {short_name!r}; it has: {', '.join(providers())}"
        )
    return _PROVIDERS[short_name]


def _session_options(threads: int | None) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised; the log repeats it
    if threads is not None:
        options.intra_op_num_threads = threads
    return options


def _open_session(
    model: str | os.PathLike[str] | bytes, provider: str, threads: int | None
) -> onnxruntime.InferenceSession:
    """Load a model and make sure that it is one of ours: pixels in, pixels out."""
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise UserError(
            f"threads is {threads}: it must be at least 1 and at most {MOST_THREADS}, or left out "
            "for all cores"
        )
    full_name = _full_name(provider)
    if isinstance(model, bytes):
        name, data = "the model", model
    else:
        path = Path(model)
        name = repr(os.fspath(model))
        if path.is_dir():
            raise UserError(f"the model {name} is a folder: give the .onnx file in it")
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise UserError(f"no model {name}: check the name") from None
        except (OSError, ValueError) as error:
            raise UserError(f"cannot read the model {name}: {error}") from error
    if not data:
        raise UserError(f"{name} is empty: give an .onnx file")
    try:
        session = onnxruntime.InferenceSession(
            data, _session_options(threads), providers=[full_name]
        )
    except Exception as error:  # ONNX Runtime's own errors share no base class
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{name} cannot be loaded as an ONNX model: {reason}") from error
    _check_signature(session, name)
    return session


def _check_signature(session: onnxruntime.InferenceSession, name: str) -> None:
    for kind, expected, found in (
        ("input", INPUT, session.get_inputs()),
        ("output", OUTPUT, session.get_outputs()),
    ):
        signature = ", ".join(f"{item.name} {item.type}{item.shape}" for item in found)
        fits = (
            len(found) == 1
            and found[0].name == expected
            and found[0].type == "tensor(uint8)"
            and len(found[0].shape) == 4
            and found[0].shape[3] in (3, None)
            and not any(isinstance(length, int) for length in found[0].shape[:3])
        )
        if not fits:
            raise UserError(
                f"{name} has the {kind} {signature}; a fast_nst model has one {kind} {expected!r} "
                "of uint8 (N, H, W, 3) with free N, H, W: export it with fast-nst export"
            )


class Stylizer:
    """One style, loaded once and applied to any number of pictures of any size.

    Args:
        model: An exported .onnx file, or its bytes; default: the model in the package.
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
        self._session = _open_session(DEFAULT_MODEL if model is None else model, provider, threads)

    @property
    def metadata(self) -> dict[str, str]:
        """What the model says of itself: title, artist, licence, network, config and more."""
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
