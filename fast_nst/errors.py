"""The errors that a user can cause, and the hints that go with them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something the user gave cannot be used.

    The message is one line for people: what was given, what is allowed and how to mend it.
    The command line prints it without a traceback and exits with code 2.
    """


class FadeWarning(UserWarning):
    """A strength below 1 fades pixels, since the model has no root in common with the styles."""


class UserNote(UserWarning):
    """Something a user should know, in one line; the command line prints it as a note."""


def one_line(error: object) -> str:
    """An error's text without line breaks; its kind, if it has no text."""
    return " ".join(str(error).split()) or type(error).__name__


def choose(kind: str, given: str, allowed: Iterable[str], hint: str = "") -> str:
    """Return `given` if it is one of `allowed`, else say which name was probably meant.

    Args:
        kind: What the name stands for, for the message ("network", "layer").
        given: The name as the user wrote it.
        allowed: Every valid name.
        hint: Ends the message.

    Raises:
        UserError: `given` is not among `allowed`.
    """
    names = list(allowed)
    if given in names:
        return given
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    raise UserError(f"unknown {kind} {given!r}.{meant} Choose one of: {', '.join(names)}{hint}")
