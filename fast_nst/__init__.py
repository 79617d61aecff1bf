"""Fast neural style transfer: one small network per style, milliseconds per picture.

Importing this package never imports torch: the public names load when they are first used.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from fast_nst.version import __version__

# ONNX Runtime reports to Microsoft from its import on; who paints pictures was not asked.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from fast_nst.errors import FadeWarning as FadeWarning
    from fast_nst.errors import UserError as UserError
    from fast_nst.stylize.gallery import styles as styles
    from fast_nst.stylize.stylizer import Stylizer as Stylizer
    from fast_nst.stylize.video import stylize_video as stylize_video
    from fast_nst.training.api import train as train

_HOMES = {
    "FadeWarning": "fast_nst.errors",
    "Stylizer": "fast_nst.stylize.stylizer",
    "UserError": "fast_nst.errors",
    "styles": "fast_nst.stylize.gallery",
    "stylize_video": "fast_nst.stylize.video",
    "train": "fast_nst.training.api",
}
__all__ = [
    "FadeWarning",
    "Stylizer",
    "UserError",
    "__version__",
    "styles",
    "stylize_video",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
