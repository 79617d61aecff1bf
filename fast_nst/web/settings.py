"""How a picture is asked for: settings in the address, or as fields of the form that it is in."""

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
from fast_nst.web.painters import MEDIA_TYPES, Look


class Settings(BaseModel):
    """What `POST /api/stylize` can be told; its OpenAPI description is made from these fields."""

    style: Annotated[
        list[str], Field(description="NAME, or several, each as NAME:SHARE, for a blend")
    ] = [DEFAULT_MODEL.stem]
    strength: Annotated[float, Field(ge=0, le=MOST_STRENGTH, description="1 is as trained")] = 1.0
    detail: Annotated[
        float, Field(ge=0, le=1, description="of the picture's fine structure, put back")
    ] = DETAIL
    size: Annotated[int | None, Field(ge=1, description="longer side of the painting, in px")] = (
        None
    )
    stroke_scale: Annotated[
        float,
        Field(ge=LEAST_STROKE_SCALE, le=MOST_STROKE_SCALE, description="2: twice as large"),
    ] = 1.0
    keep_colors: Annotated[bool, Field(description="keep the picture's colours")] = False
    format: Annotated[str, Field(description=" or ".join(MEDIA_TYPES))] = "png"
    quality: Annotated[int, Field(ge=1, le=100, description="of JPEG and WebP")] = 95

    def look(self) -> Look:
        """What painters understand.

        Raises:
            UserError: A share or the format cannot be.
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
        """The same, and what a form says; its empty fields say nothing.

        Raises:
            UserError: A field is unknown, out of range, or in the address too.
        """
        given: dict[str, Any] = {}
        for name, value in fields:
            check_name(name)
            if not value:
                continue
            if name in self.model_fields_set:
                raise UserError(f"{name} is in the address and in the form: give it once")
            given[name] = [*given.get(name, []), value] if name == "style" else value
        said = {name: getattr(self, name) for name in self.model_fields_set}
        try:
            return Settings.model_validate({**said, **given})
        except ValidationError as error:
            raise UserError(out_of_range(error.errors())) from error


def check_name(name: str) -> None:
    """Refuse a setting that there is not.

    Raises:
        UserError: It is unknown.
    """
    choose("parameter", name, sorted(Settings.model_fields))


def out_of_range(errors: Any) -> str:
    """The first of pydantic's errors, as a sentence."""
    first = errors[0]
    reason = first["msg"].replace("Input should be", "it must be")
    return f"{first['loc'][-1]} is {first.get('input')!r}: {reason}"


def _shares(styles: list[str]) -> tuple[tuple[str, float], ...]:
    """`NAME` and `NAME:SHARE` as pairs; what is named twice has both its shares.

    Raises:
        UserError: A share is no number above 0.
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
