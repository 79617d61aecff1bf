"""Errors and warnings whose messages are for the user."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Invalid input by the user.

    The message is one line: what was given, what is allowed and how to fix it. The command line
    prints it without a traceback and exits with code 2.
    """


class UserNote(UserWarning):
    """A one-line warning that the command line prints as a note."""


class FadeWarning(UserWarning):
    """A model that does not mix is cross-faded with the photograph below strength 1."""


def one_line(error: object) -> str:
    """An error's message without line breaks; its type's name if the message is empty."""
    return " ".join(str(error).split()) or type(error).__name__


def choose(kind: str, given: str, allowed: Iterable[str], hint: str = "") -> str:
    """Return `given` if it is one of `allowed`.

    Args:
        kind: What the name denotes, such as "network" or "layer".
        given: The name.
        allowed: The valid names.
        hint: Text appended to the message.

    Raises:
        UserError: `given` is not among `allowed`; the message suggests the closest match.
    """
    names = list(allowed)
    if given in names:
        return given
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    raise UserError(f"unknown {kind} {given!r}.{meant} Choose one of: {', '.join(names)}{hint}")
