"""Options as dataclasses, whose fields hold names, defaults, ranges and help.

`option` and `positional` make the fields, `check` converts and checks every value, and
`parse_flags` reads a command line.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import math
import types
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, field
from typing import Any, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from fast_nst.errors import UserError, UserNote, choose, flag_of
from fast_nst.numeric import plain

_Options = TypeVar("_Options")
_KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
_KINDS[dict] = "keys with values"
EXIT_CODES = (
    "exit codes: 0 success, 1 some of several files failed, 2 error, 130 Ctrl-C, 143 SIGTERM; "
    "training that Ctrl-C stops early and that is saved: 0"
)


def option(
    help: str,
    default: Any = MISSING,
    *flags: str,
    metavar: str | None = None,
    repeat: bool = False,
    commas: bool = False,
    former: Sequence[str] = (),
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    choices: Iterable[str] | None = None,
) -> Any:
    """A dataclass field that `add_options` turns into a flag, and `check` checks.

    Args:
        help: Text of `--help`; choices and default are added to it.
        default: Without one the flag is required. Lists and dicts are copied for each object.
        flags: Short flags, besides the long one that is made of the field's name.
        metavar: Stands for the value in the help.
        repeat: A list that is collected by giving the flag several times.
        commas: A list whose values may also stand in one word, with commas between.
        former: Names that the field had before, which flags and files may still use.
        least: The smallest value allowed; of a list, the smallest item.
        most: The largest value allowed.
        above: Finite values above this are allowed.
        choices: The words allowed.
    """
    metadata = {
        "help": help,
        "flags": flags,
        "metavar": metavar,
        "repeat": repeat,
        "commas": commas,
        "former": tuple(former),
        "least": least,
        "most": most,
        "above": above,
        "choices": None if choices is None else tuple(choices),
    }
    if isinstance(default, list | dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def positional(
    help: str, metavar: str, default: Any = MISSING, choices: Iterable[str] | None = None
) -> Any:
    """A dataclass field for a positional argument; a list takes one word or more.

    Args:
        help: Text of `--help`.
        metavar: Stands for the value in the help.
        default: Without one it is required.
        choices: The words allowed.
    """
    metadata = {
        "help": help,
        "metavar": metavar,
        "positional": True,
        "choices": None if choices is None else tuple(choices),
    }
    return field(default=default, metadata=metadata)


def like(options: type, name: str, default: Any = MISSING) -> Any:
    """A field with the name, help and range of another dataclass's.

    Args:
        options: The other dataclass.
        name: The field's name there.
        default: Replaces its default.
    """
    item = next(item for item in dataclasses.fields(options) if item.name == name)
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=item.metadata)
    return field(default=item.default if default is MISSING else default, metadata=item.metadata)


def ordered_fields(options: type) -> Iterator[tuple[type, Field[Any]]]:
    """Each field with the class that brought it in: the dataclass's own first, then inherited."""
    by_name = {item.name: item for item in dataclasses.fields(options)}
    for owner in options.__mro__:
        for name in inspect.get_annotations(owner):
            if name in by_name:
                yield owner, by_name.pop(name)


def check(options: Any) -> None:
    """Convert every value to its field's type, and check its range.

    For `__post_init__`, so that objects made in Python are checked as flags are.

    Raises:
        UserError: A value has the wrong type or is out of range; the message states the range. It
            names fields, which `parse_flags` replaces by flags.
    """
    hints = get_type_hints(type(options))
    for item in dataclasses.fields(options):
        kind, is_list, may_be_none = _kind(hints[item.name])
        value = getattr(options, item.name)
        if value is None:
            if not may_be_none:
                raise _error(item, f"is empty: give {_KINDS[kind]}")
            continue
        if is_list and not isinstance(value, list | tuple):
            raise _error(item, f"is {value!r}: give a list")
        found = [_converted(v, kind) for v in value] if is_list else _converted(value, kind)
        for each in found if is_list else [found]:
            _check_value(item, each, kind)
        setattr(options, item.name, found)


def _check_value(item: Field[Any], value: Any, kind: type) -> None:
    fits = isinstance(value, bool) == (kind is bool) and isinstance(value, kind)
    if not fits:
        raise _error(item, f"is {value!r}: it must be {_KINDS[kind]}")
    known = item.metadata
    if known.get("choices") is not None:
        choose(item.name.replace("_", " "), value, known["choices"])
    least, most, above = (known.get(name) for name in ("least", "most", "above"))
    fits = (
        (least is None or value >= least)
        and (most is None or value <= most)
        and (above is None or above < value < math.inf)
    )
    if not fits:
        raise _error(item, f"is {_shown(value)}: it must be {_range(item)}")


def _error(item: Field[Any], problem: str) -> UserError:
    if item.metadata.get("positional"):
        return UserError(f"{_name(item)} {problem}")
    return UserError(f"{item.name} {problem}", item.name)


def _name(item: Field[Any]) -> str:
    if item.metadata.get("positional"):
        return str(item.metadata["metavar"])
    return flag_of(item.name)


def _range(item: Field[Any]) -> str:
    least, most, above = (item.metadata.get(name) for name in ("least", "most", "above"))
    if above is not None:
        return f"a number above {_shown(above)}"
    if least is not None and most is not None:
        return f"from {_shown(least)} to {_shown(most)}"
    return f"at least {_shown(least)}" if most is None else f"at most {_shown(most)}"


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _kind(hint: Any) -> tuple[type, bool, bool]:
    """A value's type, whether it is a list of them, and whether None is a value.

    `list[int] | None` is (int, True, True).
    """
    may_be_none = False
    if isinstance(hint, types.UnionType):
        may_be_none = type(None) in get_args(hint)
        hint = next(part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is list:
        return get_args(hint)[0], True, may_be_none
    return get_origin(hint) or hint, False, may_be_none


def _converted(value: Any, kind: type) -> Any:
    """A word, or YAML's or NumPy's value, as its field's type; as it is where that cannot be."""
    value = plain(value)
    try:
        if kind is str and isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)  # YAML reads numbers where a field wants their names
        if kind is int and isinstance(value, float) and value.is_integer():
            return int(value)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        return kind(value) if kind in (int, float) and isinstance(value, str) else value
    except ValueError:
        return value


def _flags(item: Field[Any]) -> tuple[list[str], list[str]]:
    """A field's flags, and the former ones that are accepted but not shown."""
    former = [flag_of(name) for name in item.metadata["former"]]
    return [*item.metadata["flags"], _name(item)], former


def renamed(options: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values from a file, keyed by the fields' present names instead of former ones."""
    present = _present_names(options)
    return {present.get(name, name): value for name, value in values.items()}


def _present_names(options: type) -> dict[str, str]:
    items = dataclasses.fields(options)
    return {old: item.name for item in items for old in item.metadata.get("former", ())}


def _note_renamed(used: Iterable[str], present: Mapping[str, str]) -> None:
    for former in present.keys() & set(used):
        line = f"{former} is now {present[former]}; the former name works until version 2.0"
        warnings.warn(line, UserNote, stacklevel=3)


def add_options(parser: argparse.ArgumentParser, options: type, **notes: str) -> None:
    """Add a flag for each field of a dataclass, inherited ones in groups of their own.

    The parsed values are strings, or lists of them, which `check` converts. A flag that is not
    given leaves nothing in the namespace, so that the dataclass or a file decides.

    Args:
        parser: Gets the flags.
        options: The dataclass.
        notes: Field name -> what to add to its help.
    """
    hints = get_type_hints(options)
    groups: dict[type, Any] = {options: parser}
    for owner, item in ordered_fields(options):
        if owner not in groups:
            title = (owner.__doc__ or "").splitlines()[0].rstrip(".")
            groups[owner] = parser.add_argument_group(title)
        kind, is_list, _ = _kind(hints[item.name])
        _add_option(groups[owner], item, kind, is_list, notes.get(item.name, ""))


def _add_option(group: Any, item: Field[Any], kind: type, is_list: bool, note: str) -> None:
    known = item.metadata
    default = item.default
    if item.default_factory is not MISSING:
        default = item.default_factory()
    text = _help(item, default, note)
    shared: dict[str, Any] = {"default": argparse.SUPPRESS}
    if kind is not bool:
        shared["metavar"] = known["metavar"]
    if known.get("positional"):
        group.add_argument(item.name, nargs="*" if is_list else "?", help=text, **shared)
        return
    if kind is bool:
        shared["action"] = "store_true"
    elif known["repeat"] or kind is dict:
        shared["action"] = "append"
    elif is_list:
        shared["nargs"] = "+"
    if known["choices"] and known["metavar"] is None:
        shared["metavar"] = f"{{{','.join(known['choices'])}}}"
    flags, former = _flags(item)
    group.add_argument(*flags, dest=item.name, help=text, **shared)
    if former:
        group.add_argument(*former, dest=item.name, help=argparse.SUPPRESS, **shared)


def _help(item: Field[Any], default: Any, note: str) -> str:
    text: str = item.metadata["help"] + note
    if isinstance(default, list):
        default = ",".join(map(str, default))
    if default is MISSING and not item.metadata.get("positional"):
        text += " (required)"
    elif default not in (MISSING, None, "", {}) and default is not False:
        text += f" (default: {_shown(default)})"
    return text.replace("%", "%%")


class Parser(argparse.ArgumentParser):
    """argparse with errors of one line, raised as `UserError` instead of printed with the usage."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print."""
        raise UserError(f"{message} (see {self.prog} --help)")

    def values(self, argv: Sequence[str]) -> dict[str, Any]:
        """What a command line gives, by destination.

        Raises:
            UserError: A flag is unknown, the nearest that exists is named; or argparse's own.
        """
        namespace, unknown = self.parse_known_args(argv)
        if unknown and "--" not in argv:  # flags between the photographs
            namespace, unknown = self.parse_known_intermixed_args(argv)
        hidden = (action for action in self._actions if action.help is argparse.SUPPRESS)
        former = {flag: flag_of(a.dest) for a in hidden for flag in a.option_strings}
        _note_renamed((word.partition("=")[0] for word in argv), former)
        for word in unknown:
            if word.startswith("--") and word != "--":
                shown = (a for a in self._actions if a.help is not argparse.SUPPRESS)
                known = [flag for action in shown for flag in action.option_strings]
                choose("flag", word.partition("=")[0], [f for f in known if f.startswith("--")])
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return vars(namespace)


def collect(options: type, prog: str, *sources: Mapping[str, Any]) -> dict[str, Any]:
    """Merge parsed values, for the dataclass to check.

    Args:
        options: The dataclass.
        prog: The command, for messages.
        sources: Values by field name; later ones replace earlier ones, dictionaries are merged.
            Strings stand for any type, and single values for lists of one.

    Raises:
        UserError: A name is unknown, or a required value is missing.
    """
    hints = get_type_hints(options)
    items = {item.name: item for _, item in ordered_fields(options)}
    given: dict[str, Any] = {}
    for source in sources:
        _note_renamed(source, _present_names(options))
        for name, value in renamed(options, source).items():
            item = items[choose("key", str(name), items)]
            kind, is_list, _ = _kind(hints[item.name])
            if is_list and value is not None:
                value = _as_list(value, item.metadata.get("commas", False))
            elif kind is dict and isinstance(value, dict):
                value = {**given.get(item.name, {}), **value}
            given[item.name] = value
    missing = [
        "/".join(_flags(item)[0]) if "flags" in item.metadata else _name(item)
        for item in items.values()
        if item.default is item.default_factory is MISSING and given.get(item.name) in (None, [])
    ]
    if missing:
        raise UserError(f"required: {', '.join(missing)} (see {prog} --help)")
    return given


def _as_list(value: Any, commas: bool) -> list[Any]:
    words = value if isinstance(value, list) else [value]
    if not commas:
        return words
    split = (word.split(",") if isinstance(word, str) else [word] for word in words)
    return [part for parts in split for part in parts if part != ""]


def parser_of(options: type, prog: str, description: str | None, **notes: str) -> Parser:
    """The parser of a command, whose help ends with the exit codes; `notes` as in `add_options`."""
    parser = Parser(prog=prog, description=description, epilog=EXIT_CODES, allow_abbrev=False)
    add_options(parser, options, **notes)
    return parser


def parse_flags(
    options: type[_Options], argv: Sequence[str], prog: str, description: str | None, **notes: str
) -> _Options:
    """The options that a command line gives, without the command; `notes` as in `add_options`.

    Raises:
        UserError: A flag or a value is wrong.
    """
    parser = parser_of(options, prog, description, **notes)
    return create(options, collect(options, prog, parser.values(argv)))


def create(options: type[_Options], values: Mapping[str, Any]) -> _Options:
    """The options of a command line, whose errors name flags.

    Raises:
        UserError: A value is wrong.
    """
    try:
        return options(**values)
    except UserError as error:
        error.name_flags()
        raise
