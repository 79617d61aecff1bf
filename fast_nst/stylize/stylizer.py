"""Stylizer: a style as a callable from picture to picture, without PyTorch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, overload

import numpy as np
from PIL import Image

from fast_nst.engines.engine import EngineOptions, choose_engine
from fast_nst.errors import UserError
from fast_nst.models.model import Model, ModelSource
from fast_nst.numeric import number
from fast_nst.pictures.detail import DETAIL
from fast_nst.pictures.edit import Array, to_channels, to_image
from fast_nst.pictures.mask import MaskSource, read_mask
from fast_nst.pictures.read import Picture
from fast_nst.stylize.painting import PaintOptions, Region, paint_image
from fast_nst.stylize.session import Session
from fast_nst.stylize.stream import Stream, Task
from fast_nst.videos.clip import Frame


class Stylizer:
    """A style, or a blend of several, loaded once and applied to pictures of any size.

    Args:
        model: A style's name (see `fast_nst.styles`), an exported .onnx file or its content; for a
            blend a mapping of these to weights, as `{"starry_night": 0.6, "the_scream": 0.4}`; by
            default the package's default style.
        strength: The default for pictures: from 0, the photograph, over 1, the style as trained, to
            1.5. The network's parameters are moved from those of the identity model, which
            reproduces the photograph, to the style's and beyond (see `models.graphs`); below 0.25
            the photograph's pixels are blended in, so that 0 is reached without a step.
        detail: The default for pictures: how much of the photograph's fine structure is added to
            the painting, from 0 to 1 (see `pictures.detail`); in proportion less below strength 1.
        engine: What runs the network: "onnxruntime"; "openvino" (an extra), which starts 0.12 s
            later and paints faster on x86 CPUs; or "auto", which is openvino if it is installed and
            `pictures` is at least 16. The results differ by at most one level.
        provider: The device of ONNX Runtime, by its short name (see `engines.engine.providers`) or
            its full one.
        precision: "32", or "bf16" with openvino on CPUs that have it, faster and less exact.
        threads: CPU threads per picture; by default one per core. For bulk work, create one
            stylizer with 1 thread per worker.
        max_memory: The network's working memory, as "500MB" or "1.5GB". Larger pictures are painted
            in tiles without visible seams, by ONNX Runtime in float32.
        statistics: Normalization of pictures in tiles: "exact", or "reduced", which measures a
            copy of a megapixel, takes half the time and gives a slightly different picture.
        pictures: Expected number of pictures per thread, for the engine "auto".

    Raises:
        UserError: A model cannot be used; the engine or provider is not installed; the styles of a
            blend do not mix, since they were not all trained from the package's base.

    Examples:
        >>> stylize = Stylizer()
        >>> stylize("photo.jpg").save("painting.jpg")
    """

    model: Model
    session: Session
    defaults: PaintOptions

    def __init__(
        self,
        model: ModelSource | Mapping[str, float] | None = None,
        *,
        strength: float = PaintOptions.strength,
        detail: float = DETAIL,
        engine: str = EngineOptions.engine,
        provider: str = EngineOptions.provider,
        precision: str = EngineOptions.precision,
        threads: int | None = EngineOptions.threads,
        max_memory: str = EngineOptions.max_memory,
        statistics: str = EngineOptions.statistics,
        pictures: float = 1,
    ) -> None:
        self.defaults = PaintOptions(strength=strength, detail=detail)
        options = EngineOptions(
            engine=engine,
            provider=provider,
            precision=precision,
            threads=threads,
            max_memory=max_memory,
            statistics=statistics,
        )
        options.engine = choose_engine(options, number("pictures", pictures))
        self.model = Model.read(model)
        self.session = Session(options)
        self.session.engine(self.model, self._network_strength)

    def __getstate__(self) -> dict[str, Any]:
        """For pickling: the model's content is included, and engines are reopened."""
        return {"model": self.model, "options": self.session.options, "defaults": self.defaults}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.model, self.defaults = state["model"], state["defaults"]
        self.session = Session(state["options"])

    def clone(self, threads: int, of: int = 1) -> Stylizer:
        """A stylizer for another thread; all clones share one `max_memory`.

        Args:
            threads: CPU threads per picture.
            of: Number of clones that share the memory.
        """
        other = Stylizer.__new__(Stylizer)
        other.model, other.defaults = self.model, self.defaults
        other.session = self.session.clone(threads, of)
        return other

    def __repr__(self) -> str:
        options = self.session.options
        return (
            f"Stylizer({self.model}, strength={self.strength:g}, detail={self.detail:g}, "
            f"engine={options.engine!r}, provider={options.provider!r}, "
            f"precision={options.precision!r}, threads={options.threads}, "
            f"max_memory={options.max_memory!r}, statistics={options.statistics!r})"
        )

    @property
    def strength(self) -> float:
        """The default strength of pictures."""
        return self.defaults.strength

    @property
    def detail(self) -> float:
        """The default detail of pictures."""
        return self.defaults.detail

    @property
    def engine(self) -> str:
        """What runs the network: "onnxruntime" or "openvino"."""
        return self.session.options.engine

    @property
    def unmixable(self) -> str:
        """Why the model does not mix; "" if it does, see `Model.unmixable`."""
        return self.model.unmixable

    @property
    def _network_strength(self) -> float:
        return self.model.network_strength(self.strength)

    @property
    def metadata(self) -> dict[str, str]:
        """The model's metadata: title, artist, licence, network, recipe and more.

        At another strength than 1, and of a blend, `blend` has the strength and the styles'
        recipes.
        """
        return self.session.engine(self.model, self._network_strength).metadata

    def run(self, images: Array) -> Array:
        """Run the network alone at the default strength; nothing of the photograph is added.

        Args:
            images: (N, H, W, 3) uint8.

        Returns:
            (N, H, W, 3) uint8.

        Raises:
            UserError: The engine fails, usually out of memory, or the model changes the size.
        """
        if not isinstance(images, np.ndarray) or images.ndim != 4:
            given = images.shape if isinstance(images, np.ndarray) else type(images).__name__
            raise UserError(
                f"images is {given}: give a uint8 array of shape (N, H, W, 3)", "images"
            )
        return self.session.run(self.model, self._network_strength, images)

    def stream(
        self,
        frames: Iterable[Array],
        *,
        keep_colors: bool = False,
        steady: bool = True,
        detail: float = 0.0,
    ) -> Iterator[Array]:
        """Paint the frames of a film as they come, from a camera or another program.

        Args:
            frames: (H, W, 3) uint8 each, in presentation order. Exhaust the iterator or close it.
            keep_colors: As when called.
            steady: Average the network's statistics over the frames of a scene, against flicker;
                without, each frame is painted independently.
            detail: As when called; the default is 0, since a film's grain would flicker.

        Yields:
            (H, W, 3) uint8: the painting of each frame, before the next frame is taken.

        Raises:
            UserError: A frame is no such array, `detail` is out of range, or memory does not
                suffice.
        """
        options = PaintOptions(strength=self.strength, detail=detail, keep_colors=keep_colors)
        tasks = (Task(Frame(pixels, Fraction(0)), self.model, options) for pixels in frames)
        for frame in Stream(self, steady=steady).paint(tasks):
            yield frame.pixels

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
        mask: MaskSource | list[Any] | tuple[Any, ...] | None = ...,
        outside: ModelSource | Mapping[str, float] | Stylizer | None = ...,
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
        mask: MaskSource | list[Any] | tuple[Any, ...] | None = ...,
        outside: ModelSource | Mapping[str, float] | Stylizer | None = ...,
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
        mask: MaskSource | list[Any] | tuple[Any, ...] | None = ...,
        outside: ModelSource | Mapping[str, float] | Stylizer | None = ...,
    ) -> Image.Image: ...

    def __call__(
        self,
        image: Picture | list[Any] | tuple[Any, ...],
        *,
        strength: float | None = None,
        detail: float | None = None,
        keep_colors: bool = PaintOptions.keep_colors,
        size: int | None = PaintOptions.size,
        stroke_scale: float = PaintOptions.stroke_scale,
        mask: MaskSource | list[Any] | tuple[Any, ...] | None = None,
        outside: ModelSource | Mapping[str, float] | Stylizer | None = None,
    ) -> Any:
        """Stylize a picture, or each of a list.

        Args:
            image: A path or PIL image (gives a PIL image, "RGB" or "RGBA"), a uint8 array (H, W),
                (H, W, 3) or (H, W, 4) (gives (H, W, 3) or (H, W, 4)), or a list of these (gives a
                list). Transparency is kept.
            strength: From 0 to 1.5; default: the stylizer's. The networks of the last eight
                strengths are cached. A model that does not mix (see `unmixable`) is cross-faded
                with the photograph below 1, with a `FadeWarning`.
            detail: From 0 to 1; default: the stylizer's.
            keep_colors: Keep the photograph's colors, and paint its lightness only.
            size: Longer side of the result, in px; default: that of the photograph.
            stroke_scale: How many times larger than trained the strokes are, 0.1 to 10. A copy of
                the photograph, smaller by this factor, is painted and enlarged, and some of the
                photograph's fine detail is added.
            mask: Where to paint: white (255, True, 1.0) is painted, black left, and grey a soft
                edge. A path, a PIL image, or an array (H, W) of bool, uint8, or floats from 0 to 1;
                stretched to the result's size. The mask of an image with transparent pixels is its
                alpha channel. For a list, one mask for all or a list with one for each.
            outside: What is outside the mask: by default the photograph; or a style, as `Stylizer`
                takes its model, painted with the same settings; or a `Stylizer`, whose strength and
                detail are used with its model.

        Raises:
            UserError: A picture or mask cannot be read, or an argument is out of range.
        """
        options = PaintOptions(
            strength=self.strength if strength is None else strength,
            detail=self.detail if detail is None else detail,
            keep_colors=keep_colors,
            size=size,
            stroke_scale=stroke_scale,
        )
        if outside is not None and mask is None:
            raise UserError("outside is given without a mask: add mask", "outside")
        around = None if outside is None else _model_and_options(outside, options)
        return self._paint(image, options, mask, around)

    def _paint(
        self,
        image: Picture | list[Any] | tuple[Any, ...],
        options: PaintOptions,
        mask: Any,
        outside: tuple[Model, PaintOptions] | None,
    ) -> Any:
        if isinstance(image, list | tuple):
            if isinstance(mask, list | tuple):
                masks = mask
            else:  # decoded once
                masks = [None if mask is None else read_mask(mask)] * len(image)
            if len(masks) != len(image):
                raise UserError(
                    f"mask has {len(masks)} masks for {len(image)} pictures: give one for all, or "
                    "one for each",
                    "mask",
                )
            return [
                self._paint(item, options, each, outside)
                for item, each in zip(image, masks, strict=True)
            ]
        region = None if mask is None else Region(read_mask(mask), outside)
        pixels = paint_image(image, self.model, self.session, options, region=region).pixels
        return to_channels(pixels) if isinstance(image, np.ndarray) else to_image(pixels)


def _model_and_options(
    style: ModelSource | Mapping[str, float] | Stylizer, options: PaintOptions
) -> tuple[Model, PaintOptions]:
    """A style, and the options that it is painted with instead of `options`."""
    if isinstance(style, Stylizer):
        return style.model, replace(options, strength=style.strength, detail=style.detail)
    return Model.read(style), options
