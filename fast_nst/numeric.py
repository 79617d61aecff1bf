"""Numbers that users give: of Python, of NumPy, or as text."""

from __future__ import annotations

import contextlib
import math
from numbers import Real
from typing import Any

from fast_nst.errors import UserError


def plain(value: Any) -> Any:
    """A NumPy scalar, or an array of one, as Python's own type; anything else as it is."""
    with contextlib.suppress(ValueError, RuntimeError, TypeError):
        if hasattr(value, "dtype") and callable(getattr(value, "item", None)):
            return value.item()
    return value


def number(name: str, value: Any) -> float:
    """Check an argument that must be a number, Python's or NumPy's.

    Args:
        name: The argument's, for the message.
        value: As it was given.

    Raises:
        UserError: The value is not a number.
    """
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise UserError(f"{name} is {value!r}: it must be a number", name)
    return float(value)


def whole(name: str, value: Any) -> int:
    """As `number`, for integers.

    Raises:
        UserError: The value is not a whole number.
    """
    value = number(name, value)
    if not value.is_integer():
        raise UserError(f"{name} is {value:g}: it must be a whole number", name)
    return int(value)


def bytes_of(text: str) -> int:
    """The bytes in a text like "1GB", "1.5 GB" or "500MB"; units are decimal.

    Raises:
        UserError: The text has another form.
    """
    for unit, factor in (("GB", 10**9), ("MB", 10**6)):
        number = text.strip().upper().removesuffix(unit)
        with contextlib.suppress(ValueError):
            if number != text.strip().upper() and 0 < float(number) < math.inf:
                return round(float(number) * factor)
    raise UserError(f"{text!r} is no amount of memory: give it in MB or GB, as 500MB or 1.5GB")
