"""The styles in the user's folder: remove them."""

from __future__ import annotations

from pathlib import Path

from fast_nst.errors import UserError
from fast_nst.models.home import own_styles


def remove_style(name: str) -> Path:
    """Remove a style from the user's folder; returns what was its file.

    Raises:
        UserError: The user has no style of this name, or it cannot be removed.
    """
    path = own_styles() / f"{name}.onnx"
    if path not in own_styles().glob("*.onnx"):
        raise UserError(f"no style {name!r} in {str(own_styles())!r}")
    try:
        path.unlink()
    except OSError as error:
        raise UserError(f"cannot remove {str(path)!r}: {error.strerror}") from error
    return path
