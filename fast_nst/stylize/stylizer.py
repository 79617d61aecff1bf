"""Stylizer: an exported model that turns pictures into pictures. No torch in sight."""

from __future__ import annotations

import copy
import dataclasses
import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
from PIL import Image

from fast_nst.engines.engine import ONNX_RUNTIME, EngineOptions, choose_engine
from fast_nst.errors import UserError
from fast_nst.models.model import Model, Part, parts_of
from fast_nst.options import number, whole
from fast_nst.pictures.detail import DETAIL, check_detail
from fast_nst.pictures.edit import Array, to_channels, to_image
from fast_nst.pictures.read import Picture, read_pixels
from fast_nst.stylize.session import Session
from fast_nst.stylize.stream import Look, Stream, Task
from fast_nst.stylize.strength import (
    check_strength,
    finished,
    network_strength,
    reason_against_mixing,
)
from fast_nst.stylize.strokes import at_stroke_scale, check_stroke_scale
from fast_nst.stylize.tiles import OnTile


class Stylizer:
    """A style, or a blend of several, loaded once and applied to pictures of any size.

    Args:
        model: An exported .onnx file, its bytes, or a style's name (see `models.catalogue`);
            several of these with their shares, as `{"starry_night": 0.6, "the_scream": 0.4}`;
            default: the package's default style.
        strength: What pictures get unless they are given another: from 0, the photograph itself,
            over 1, the style as it was trained, to 1.5, bolder. The network's parameters go from
            those of the root, a photograph, through the style's and beyond (see `models.graphs`);
            below 0.25 the photograph's own pixels come in, so that 0 is reached without a jump.
        detail: How much of the photograph's fine structure pictures get on top unless they are
            given another: from 0, none, to 1 (see `pictures.detail`); below strength 1, less.
        engine: What runs the network: "onnxruntime"; "openvino" (an extra), which starts an eighth
            of a second later and paints faster on x86 CPUs; or "auto", openvino where that is
            installed and the CPU is an x86: worth it for some 20 pictures of 512 px, or 8 of 1024.
            Pictures differ by a level at most.
        provider: ONNX Runtime's device, by its short name (see `providers`) or its own.
        precision: "32", or "bf16" with openvino on CPUs that have it: faster and less exact.
        threads: Of one picture's arithmetic; default: one a core. Those who paint many pictures
            at a time do best with 1, and a stylizer for each.
        max_memory: What the network may take while it works, as "500MB" or "1.5GB". A picture that
            would take more is painted in tiles, by ONNX Runtime in float32, and looks the same.
        statistics: What the network normalises a picture in tiles by: its "exact" statistics, or
            "reduced" ones, of a copy of a megapixel: in half the time, and another picture.

    Raises:
        UserError: A model cannot be used, or the engine or provider is not installed; or the models
            do not mix, since they do not all descend from the package's root.

    Example:
        >>> stylize = Stylizer()
        >>> stylize("photo.jpg").save("painting.jpg")
    """

    def __init__(
        self,
        model: Model | Mapping[str, float] | None = None,
        *,
        strength: float = 1.0,
        detail: float = DETAIL,
        engine: str = ONNX_RUNTIME,
        provider: str = EngineOptions.provider,
        precision: str = EngineOptions.precision,
        threads: int | None = EngineOptions.threads,
        max_memory: str = EngineOptions.max_memory,
        statistics: str = EngineOptions.statistics,
    ) -> None:
        self.strength, self.detail = number("strength", strength), number("detail", detail)
        check_strength(self.strength)
        check_detail(self.detail)
        self._parts = parts_of(model)
        self._options = EngineOptions(
            engine=engine,
            provider=provider,
            precision=precision,
            threads=threads,
            max_memory=max_memory,
            statistics=statistics,
        )
        self._options.engine = choose_engine(self._options)
        self._session = Session(self._parts, self._options)
        self._session.engine(self._network_strength(self.strength))

    def __getstate__(self) -> dict[str, Any]:
        """For pickling: the model's data travel, and the network is opened anew."""
        return {
            "strength": self.strength,
            "detail": self.detail,
            "parts": self._parts,
            "options": self._options,
        }

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.strength, self.detail, self._parts, self._options = state.values()
        self._session = Session(self._parts, self._options)

    def clone(
        self,
        threads: int,
        of: int,
        parts: Sequence[Part] | None = None,
        strength: float | None = None,
    ) -> Stylizer:
        """Another one, for a thread or a model of its own: all keep within one `max_memory`.

        Args:
            threads: As for the stylizer.
            of: How many twins there will be.
            parts: What it paints with; default: what the stylizer does.
            strength: As for the stylizer, whose own is the default.

        Raises:
            UserError: The parts do not mix, or the strength is out of range.
        """
        other = copy.copy(self)
        other.__dict__.pop("unmixable", None)
        other._options = dataclasses.replace(self._options, threads=threads)
        other._parts = list(self._parts if parts is None else parts)
        other._session = self._session.clone(other._options, of, other._parts)
        if strength is not None:
            other.strength = number("strength", strength)
            check_strength(other.strength)
            other._network_strength(other.strength)
        return other

    def __repr__(self) -> str:
        parts = ", ".join(f"{part.name}: {part.share:.3g}" for part in self._parts)
        model = self._parts[0].name if len(self._parts) == 1 else f"{{{parts}}}"
        options = self._options
        return (
            f"Stylizer({model}, strength={self.strength:g}, detail={self.detail:g}, "
            f"engine={options.engine!r}, provider={options.provider!r}, "
            f"precision={options.precision!r}, threads={options.threads}, "
            f"max_memory={options.max_memory!r}, statistics={options.statistics!r})"
        )

    @property
    def engine(self) -> str:
        """What runs the network: "onnxruntime" or "openvino"."""
        return self._options.engine

    @functools.cached_property
    def unmixable(self) -> str:
        """Why the model does not mix; "" if it does.

        Such a model paints at strength 1, and below that its painting fades into the photograph.
        """
        return reason_against_mixing(self._parts)

    def _network_strength(self, strength: float) -> float:
        """Of the parameters, for pictures of this strength.

        Raises:
            UserError: The models do not mix, and this strength or their number would need it.
        """
        if len(self._parts) == 1 and strength == 1:  # it need not mix
            return 1.0
        return network_strength(len(self._parts) == 1, strength, self.unmixable)

    @property
    def metadata(self) -> dict[str, str]:
        """What the model says of itself: title, artist, licence, network, recipe and more.

        At another strength than 1, and of a blend, `blend` has the strength and the parts' recipes.
        """
        return self._session.engine(self._network_strength(self.strength)).metadata

    def run(self, images: Array) -> Array:
        """The bare network, at the stylizer's strength: nothing is taken from the photograph.

        Args:
            images: (N, H, W, 3) uint8.

        Returns:
            (N, H, W, 3) uint8.

        Raises:
            UserError: The engine gives up, which is for want of memory, or the model does not
                keep the size.
        """
        return self._session.run(images, self._network_strength(self.strength))

    def paint(
        self,
        pixels: Array,
        *,
        strength: float | None = None,
        detail: float | None = None,
        keep_colors: bool = False,
        stroke_scale: float = 1.0,
        on_tile: OnTile | None = None,
    ) -> Array:
        """Stylize decoded pixels: what calling the stylizer does after it has read the picture.

        Args:
            pixels: (H, W, 3) uint8.
            strength: As when called.
            detail: As when called.
            keep_colors: As when called.
            stroke_scale: As when called.
            on_tile: Told, of a picture in tiles, how many passes through the network are done, and
                of how many.

        Returns:
            (H, W, 3) uint8.

        Raises:
            UserError: An argument is out of range, or the memory does not suffice.
        """
        return self._paint(pixels, strength, detail, keep_colors, stroke_scale, on_tile)

    def stream(
        self,
        frames: Iterable[Array],
        *,
        keep_colors: bool = False,
        steady: bool = True,
        detail: float = 0.0,
    ) -> Iterator[Array]:
        """Paint the frames of a film as they come: from a camera, or another program.

        Args:
            frames: (H, W, 3) uint8 each, in their order. Close the iterator, or come to its end.
            keep_colors: As when called.
            steady: Carry the network's statistics from frame to frame, and begin anew where the
                scene changes; without, each is painted for itself.
            detail: As when called; a film's grain, which is fine structure, too, would flicker.

        Yields:
            (H, W, 3) uint8: each frame's painting, before the next frame is taken.

        Raises:
            UserError: A frame is no picture, `detail` is out of range, or the memory does not
                suffice.
        """
        painter = self.painter(keep_colors=keep_colors, steady=steady, detail=detail)
        look = Look(self.strength)
        yield from painter.paint(Task(pixels, look) for pixels in frames)

    def painter(
        self,
        to: Model | Mapping[str, float] | None = None,
        *,
        keep_colors: bool = False,
        steady: bool = True,
        workers: int = 1,
        detail: float = 0.0,
    ) -> Stream:
        """What paints a film whose look may change.

        Args:
            to: A second style, for looks with a share of it.
            keep_colors: As when called.
            steady: As for `stream`.
            workers: Frames at a time; 2 paint more a second, and each later.
            detail: As for `stream`.

        Raises:
            UserError: A model cannot be used, or `detail` is out of range.
        """
        second = [] if to is None else parts_of(to)
        share = number("detail", detail)
        return Stream(self._parts, self._options, second, keep_colors, steady, workers, share)

    @overload
    def __call__(
        self,
        image: list[Any] | tuple[Any, ...],
        *,
        strength: float | None = ...,
        detail: float | None = ...,
        keep_colors: bool = ...,
        size: int | None = ...,
        stroke_scale: float = ...,
    ) -> list[Any]: ...

    @overload
    def __call__(
        self,
        image: Array,
        *,
        strength: float | None = ...,
        detail: float | None = ...,
        keep_colors: bool = ...,
        size: int | None = ...,
        stroke_scale: float = ...,
    ) -> Array: ...

    @overload
    def __call__(
        self,
        image: str | os.PathLike[str] | Image.Image,
        *,
        strength: float | None = ...,
        detail: float | None = ...,
        keep_colors: bool = ...,
        size: int | None = ...,
        stroke_scale: float = ...,
    ) -> Image.Image: ...

    def __call__(
        self,
        image: Picture | list[Any] | tuple[Any, ...],
        *,
        strength: float | None = None,
        detail: float | None = None,
        keep_colors: bool = False,
        size: int | None = None,
        stroke_scale: float = 1.0,
    ) -> Any:
        """Stylize a picture, or each of a list.

        Args:
            image: A path or PIL image (gives a PIL image, "RGB" or "RGBA"), a uint8 array (H, W),
                (H, W, 3) or (H, W, 4) (gives (H, W, 3) or (H, W, 4)), or a list of these (gives a
                list). Transparency is kept as it is.
            strength: From 0 to 1.5, as for the stylizer; default: the stylizer's. The networks of
                the last eight strengths are kept. A model that does not mix (see `unmixable`) fades
                its painting into the photograph below 1, with a `FadeWarning`.
            detail: From 0 to 1, as for the stylizer; default: the stylizer's.
            keep_colors: Take only the light and dark of the painting, and the photograph's colours.
            size: Longer side of the result, in px; default: that of the photograph.
            stroke_scale: How many times larger than trained the strokes are, 0.1 to 10. The
                photograph is made smaller by it, painted, brought back to its size, and gets some
                of its own fine detail added back.

        Raises:
            UserError: A picture cannot be read, or an argument is out of range.
        """
        size = None if size is None else whole("size", size)
        if size is not None and size < 1:
            raise UserError(f"size is {size}: the longer side must be at least 1 px")
        if isinstance(image, list | tuple):
            return [
                self(
                    item,
                    strength=strength,
                    detail=detail,
                    keep_colors=keep_colors,
                    size=size,
                    stroke_scale=stroke_scale,
                )
                for item in image
            ]
        photo = read_pixels(image, size)
        painting = self._paint(photo.rgb, strength, detail, keep_colors, stroke_scale)
        result = dataclasses.replace(photo, rgb=painting)
        del photo
        return to_channels(result) if isinstance(image, np.ndarray) else to_image(result)

    def _paint(
        self,
        pixels: Array,
        strength: float | None,
        detail: float | None,
        original_colors: bool,
        stroke_scale: float,
        on_tile: OnTile | None = None,
    ) -> Array:
        strength = self.strength if strength is None else number("strength", strength)
        detail = self.detail if detail is None else number("detail", detail)
        stroke_scale = number("stroke_scale", stroke_scale)
        check_strength(strength)
        check_detail(detail)
        check_stroke_scale(stroke_scale)
        if strength == 0:
            return pixels.copy()
        of_network = self._network_strength(strength)

        def network(image: Array) -> Array:
            return self._session.run(image[None], of_network, on_tile)[0]

        painting = at_stroke_scale(pixels, stroke_scale, network)
        unmixable = "" if of_network == strength else self.unmixable
        return finished(pixels, painting, strength, of_network, detail, original_colors, unmixable)
