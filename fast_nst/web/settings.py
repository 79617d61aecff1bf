"""Settings of a request: query parameters, or fields of the form that contains the image."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from fast_nst.assets import DEFAULT_MODEL
from fast_nst.errors import UserError, choose
from fast_nst.stylize.painting import (
    MAX_STRENGTH,
    MAX_STROKE_SCALE,
    MIN_STROKE_SCALE,
    PaintOptions,
)
from fast_nst.web.progress import JOB_PATTERN
from fast_nst.web.stylizer_pool import MEDIA_TYPES, PaintRequest

_Styles = Annotated[
    list[str], Field(description="NAME; or several, each as NAME:WEIGHT, for a blend")
]
_IDENTIFIER = "8 to 64 of A-Z a-z 0-9 - _"
_Strength = Annotated[
    float, Field(ge=0, le=MAX_STRENGTH, description="strength of the style; 1 is as trained")
]


class Settings(BaseModel):
    """Parameters of `POST /api/stylize`; its OpenAPI description is made from these fields."""

    style: _Styles = [DEFAULT_MODEL.stem]
    strength: _Strength = PaintOptions.strength
    detail: Annotated[
        float, Field(ge=0, le=1, description="share of the photograph's fine detail to restore")
    ] = PaintOptions.detail
    size: Annotated[int | None, Field(ge=1, description="longer side of the result, in px")] = None
    stroke_scale: Annotated[
        float,
        Field(
            ge=MIN_STROKE_SCALE,
            le=MAX_STROKE_SCALE,
            description="size of brush strokes; 2 doubles it",
        ),
    ] = PaintOptions.stroke_scale
    keep_colors: Annotated[bool, Field(description="keep the photograph's colors")] = False
    outside: Annotated[
        str | None,
        Field(description="NAME of a style outside the mask; by default the photograph is left"),
    ] = None
    format: Annotated[str, Field(description=" or ".join(MEDIA_TYPES))] = "png"
    quality: Annotated[int, Field(ge=1, le=100, description="quality of JPEG and WebP")] = (
        PaintOptions.quality
    )

    def request(self) -> PaintRequest:
        """The settings as `StylizerPool` takes them.

        Raises:
            UserError: The format is unknown, or a weight is not a number above 0.
        """
        return PaintRequest(
            styles=_weights(self.style),
            outside=self.outside,
            options=PaintOptions(
                size=self.size,
                strength=self.strength,
                detail=self.detail,
                keep_colors=self.keep_colors,
                stroke_scale=self.stroke_scale,
                format=choose("format", self.format, MEDIA_TYPES),
                quality=self.quality,
            ),
        )

    def with_fields(self, fields: Iterable[tuple[str, str]]) -> Settings:
        """A copy with a form's fields added; empty fields are ignored.

        Raises:
            UserError: A field is unknown, out of range, or also a query parameter.
        """
        given: dict[str, Any] = {}
        for name, value in fields:
            check_name(name)
            if not value:
                continue
            if name in self.model_fields_set:
                raise UserError(f"{name} is in the URL and in the form: give it once")
            given[name] = [*given.get(name, []), value] if name == "style" else value
        try:
            return Settings.model_validate({**self.model_dump(exclude_unset=True), **given})
        except ValidationError as error:
            raise UserError(first_error(error.errors())) from error


class QuerySettings(Settings):
    """`Settings` in a URL, which may name the request's job too: a form would be read too late."""

    job: Annotated[
        str | None,
        Field(
            pattern=JOB_PATTERN,
            description=f"identifier of your choice for /api/progress, {_IDENTIFIER}",
        ),
    ] = None


class VideoSettings(BaseModel):
    """Parameters of `POST /api/videos`."""

    style: _Styles = [DEFAULT_MODEL.stem]
    strength: _Strength = PaintOptions.strength
    keep_colors: Annotated[bool, Field(description="keep the film's colors")] = False
    detail: Annotated[
        float, Field(ge=0, le=1, description="share of the film's fine detail to restore")
    ] = 0.0
    id: Annotated[
        str | None,
        Field(
            pattern=JOB_PATTERN,
            description=f"identifier of your choice for the film, {_IDENTIFIER}; default: random",
        ),
    ] = None

    def request(self) -> PaintRequest:
        """The settings as `Videos` takes them.

        Raises:
            UserError: A weight is not a number above 0.
        """
        options = PaintOptions(
            strength=self.strength, detail=self.detail, keep_colors=self.keep_colors
        )
        return PaintRequest(styles=_weights(self.style), options=options)


def check_name(name: str, settings: type[BaseModel] = Settings) -> None:
    """Check that a setting exists.

    Raises:
        UserError: The name is unknown; a similar one is suggested.
    """
    choose("parameter", name, sorted(settings.model_fields))


def first_error(errors: Any) -> str:
    """The first of pydantic's errors, as one line."""
    first = errors[0]
    reason = re.sub("^(Input|String) should", "it must", first["msg"])
    return f"{first['loc'][-1]} is {first.get('input')!r}: {reason}"


def _weights(styles: list[str]) -> tuple[tuple[str, float], ...]:
    """Parse `NAME` (weight 1) and `NAME:WEIGHT`; the weights of a repeated name are added.

    Raises:
        UserError: A weight is not a number above 0.
    """
    found: dict[str, float] = {}
    for given in styles:
        name, colon, weight = given.rpartition(":")
        try:
            name, value = (name, float(weight)) if colon else (given, 1.0)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise UserError(f"style {given!r}: give NAME or NAME:WEIGHT with a weight above 0")
        found[name] = found.get(name, 0.0) + value
    return tuple(sorted(found.items()))
