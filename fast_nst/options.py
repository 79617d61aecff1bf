"""Flags from a dataclass: its fields are the one place that knows their names and defaults."""

from __future__ import annotations

import argparse
import dataclasses
import types
from collections.abc import Callable
from dataclasses import MISSING, field
from typing import Any, get_args, get_origin, get_type_hints


def option(
    help: str,
    default: Any = MISSING,
    *flags: str,
    metavar: str | None = None,
    repeat: bool = False,
) -> Any:
    """A dataclass field that `add_options` turns into a flag.

    Args:
        help: What it means; the default is added to it.
        default: Without one the flag is required. A list is copied for each object.
        flags: Short names, next to the long one that the field's own name gives.
        metavar: What stands for its value in the help.
        repeat: A list that is collected by giving the flag several times.
    """
    metadata = {"help": help, "flags": flags, "metavar": metavar, "repeat": repeat}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def positional(help: str, metavar: str) -> Any:
    """A dataclass field given without a flag; of a list, one word or more."""
    return field(metadata={"help": help, "metavar": metavar, "positional": True})


def add_options(parser: argparse.ArgumentParser, options: type, **notes: str) -> None:
    """Add a flag for each field of a dataclass that `option` or `positional` made.

    What is not given stays out of the parsed namespace, so that the dataclass fills it in. A list
    takes several words and splits them at commas.

    Args:
        parser: Gets the flags.
        options: The dataclass.
        notes: Field name -> what to add to its help.
    """
    hints = get_type_hints(options)
    for item in dataclasses.fields(options):
        known = item.metadata
        kind, is_list = _kind(hints[item.name])
        text = known["help"] + notes.get(item.name, "")
        shared: dict[str, Any] = {"metavar": known["metavar"]}
        if known.get("positional"):
            if is_list:
                shared["nargs"] = "+"
            parser.add_argument(item.name, type=kind, help=text, **shared)
            continue
        shared |= {"dest": item.name, "default": argparse.SUPPRESS}
        names = (*known["flags"], f"--{item.name.replace('_', '-')}")
        default = item.default
        if item.default_factory is not MISSING:
            default = item.default_factory()
        shared["required"] = default is MISSING
        if kind is bool:
            del shared["metavar"]
            parser.add_argument(*names, action="store_true", help=text, **shared)
            continue
        if default is not MISSING and default is not None and default != []:
            shown = " ".join(map(str, default)) if is_list else default
            text += f" (default: {shown})"
        if known["repeat"]:
            shared["action"] = "append"
        elif is_list:
            shared |= {"action": _Joined, "nargs": "+"}
            kind = _split(kind)
        parser.add_argument(*names, type=kind, help=text, **shared)


def _kind(hint: Any) -> tuple[Any, bool]:
    """The type of one word, and whether there may be several: `list[int] | None` is (int, True)."""
    if isinstance(hint, types.UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is list:
        return get_args(hint)[0], True
    return hint, False


def _split(kind: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    def split(word: str) -> list[Any]:
        return [kind(part) for part in word.split(",") if part]

    split.__name__ = kind.__name__  # argparse says "invalid int value"
    return split


class _Joined(argparse.Action):
    """Several words, each a list of its own, as one list."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, [value for part in values for value in part])
