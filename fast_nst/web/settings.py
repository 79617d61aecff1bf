"""Settings of a request: query parameters, or fields of the form that contains the image."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from fast_nst.assets import DEFAULT_MODEL
from fast_nst.errors import UserError, choose
from fast_nst.pictures.detail import DETAIL
from fast_nst.stylize.strength import MOST_STRENGTH
from fast_nst.stylize.strokes import LEAST_STROKE_SCALE, MOST_STROKE_SCALE
from fast_nst.web.stylizer_pool import MEDIA_TYPES, Look


class Settings(BaseModel):
    """Parameters of `POST /api/stylize`; its OpenAPI description is made from these fields."""

    style: Annotated[
        list[str], Field(description="NAME; or several, each as NAME:SHARE, for a blend")
    ] = [DEFAULT_MODEL.stem]
    strength: Annotated[
        float, Field(ge=0, le=MOST_STRENGTH, description="strength of the style; 1 is as trained")
    ] = 1.0
    detail: Annotated[
        float, Field(ge=0, le=1, description="share of the photograph's fine detail to restore")
    ] = DETAIL
    size: Annotated[int | None, Field(ge=1, description="longer side of the result, in px")] = None
    stroke_scale: Annotated[
        float,
        Field(
            ge=LEAST_STROKE_SCALE,
            le=MOST_STROKE_SCALE,
            description="size of brush strokes; 2 doubles it",
        ),
    ] = 1.0
    keep_colors: Annotated[bool, Field(description="keep the photograph's colours")] = False
    format: Annotated[str, Field(description=" or ".join(MEDIA_TYPES))] = "png"
    quality: Annotated[int, Field(ge=1, le=100, description="quality of JPEG and WebP")] = 95

    def look(self) -> Look:
        """The settings as `StylizerPool` takes them.

        Raises:
            UserError: The format is unknown, or a share is not a number above 0.
        """
        return Look(
            styles=_shares(self.style),
            strength=self.strength,
            detail=self.detail,
            size=self.size,
            stroke_scale=self.stroke_scale,
            keep_colors=self.keep_colors,
            file_format=choose("format", self.format, MEDIA_TYPES),
            quality=self.quality,
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


def check_name(name: str) -> None:
    """Check that a setting exists.

    Raises:
        UserError: The name is unknown; a similar one is suggested.
    """
    choose("parameter", name, sorted(Settings.model_fields))


def first_error(errors: Any) -> str:
    """The first of pydantic's errors, as one line."""
    first = errors[0]
    reason = first["msg"].replace("Input should be", "it must be")
    return f"{first['loc'][-1]} is {first.get('input')!r}: {reason}"


def _shares(styles: list[str]) -> tuple[tuple[str, float], ...]:
    """Parse `NAME` (share 1) and `NAME:SHARE`; shares of a repeated name are added up.

    Raises:
        UserError: A share is not a number above 0.
    """
    found: dict[str, float] = {}
    for given in styles:
        name, colon, share = given.rpartition(":")
        try:
            name, value = (name, float(share)) if colon else (given, 1.0)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise UserError(f"style {given!r}: give NAME or NAME:SHARE with a share above 0")
        found[name] = found.get(name, 0.0) + value
    return tuple(sorted(found.items()))
