"""Defaults on the documentation's Python page, as values; an extension of Griffe, see mkdocs.yml.

Signatures name constants and other classes' fields, such as `PaintOptions.strength`. Griffe reads
the source alone and would print these names.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import griffe


class Defaults(griffe.Extension):
    """Replaces names among the defaults of public functions by their values."""

    def on_function(self, *, func: griffe.Function, **kwargs: Any) -> None:
        """Take the defaults of a function from the function itself."""
        named = [each for each in func.parameters if isinstance(each.default, griffe.Expr)]
        if not named or func.parent is None or not func.is_public | (func.name == "__init__"):
            return
        found: Any = importlib.import_module(func.module.path)
        for name in func.path.removeprefix(f"{func.module.path}.").split("."):
            found = getattr(found, name)
        defaults = inspect.signature(found).parameters
        for each in named:
            each.default = repr(defaults[each.name].default)
