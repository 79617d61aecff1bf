"""Errors and warnings whose messages are for the user."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable


class UserError(ValueError):
    """Invalid input by the user.

    The message is one line: what was given, what is allowed and how to fix it. The command line
    prints it without a traceback and exits with code 2.

    Args:
        message: The line. It names Python arguments, as "max_memory is 1MB" or "overwrite=True".
        arguments: The arguments among its words, for which the command line shows their flags.
    """

    arguments: tuple[str, ...]

    def __init__(self, message: str = "", *arguments: str) -> None:
        # `repr`, in which messages quote paths, doubles the separators of Windows.
        super().__init__(message.replace(2 * os.sep, os.sep) if os.sep == "\\" else message)
        self.arguments = arguments

    def name_flags(self) -> None:
        """Name flags in the message instead of Python arguments: "--max-memory is 1MB"."""
        remaining = list(self.arguments)

        def replace(match: re.Match[str]) -> str:
            if match[1] not in remaining:
                return match[0]
            remaining.remove(match[1])
            return flag_of(match[1])

        # Words in quotes are values, such as file names.
        pattern = rf"(?<!\w)'.*?'(?!\w)|(?<![\w.-])({'|'.join(remaining)})\b(?:=True)?"
        message = re.sub(pattern, replace, str(self)) if remaining else str(self)
        self.args, self.arguments = (message,), ()


def flag_of(name: str) -> str:
    """The flag of an argument or field; `from_` is `--from`."""
    return f"--{name.rstrip('_').replace('_', '-')}"


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
