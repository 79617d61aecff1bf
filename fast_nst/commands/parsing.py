"""Flags and YAML files of the commands that need the `train` extra, over one dataclass each."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

import yaml

from fast_nst.assets import CONFIGS
from fast_nst.commands.training_options import CONFIG, parser_with_config
from fast_nst.errors import UserError, choose, one_line
from fast_nst.options import collect, create

_SUFFIX = ".yaml"
_Options = TypeVar("_Options")


class _Loader(yaml.SafeLoader):
    """YAML 1.2's scalars: 1e-3 is a number; 12:30:00 and 1889-01-02, unlike PyYAML's, are text."""


_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_OTHERS = (_INT, _FLOAT, "tag:yaml.org,2002:timestamp")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OTHERS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_FIRST = list("-+.0123456789")
_Loader.add_implicit_resolver(_INT, re.compile(r"^[-+]?[0-9]+$"), _FIRST)
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|^[-+]?\.inf$|^\.nan$"),
    _FIRST,
)


def _find_config(name: str) -> Path:
    """The file that is meant: a path, or the name of a recipe in the package.

    Raises:
        UserError: It is a bare word, and neither a file nor a recipe has that name.
    """
    path = Path(name)
    known = sorted(file.stem for file in CONFIGS.glob(f"*{_SUFFIX}"))
    if path.suffix or len(path.parts) != 1 or (name not in known and path.is_file()):
        return path
    return CONFIGS / f"{choose('recipe', name, known, ', or give a YAML file')}{_SUFFIX}"


def _read_config(name: str) -> dict[str, Any]:
    """The keys and values of a YAML file, in UTF-8 whatever the locale is.

    Raises:
        UserError: The file is missing, or not such a file.
    """
    path = _find_config(name)
    try:
        values = yaml.load(path.read_text(encoding="utf-8-sig"), _Loader)
    except FileNotFoundError:
        raise UserError(f"{CONFIG}: {str(path)!r} does not exist") from None
    except OSError as error:
        raise UserError(f"{CONFIG}: cannot read {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{CONFIG} is not a text file in UTF-8: give YAML") from error
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{CONFIG}: {str(path)!r} is not YAML: {one_line(error)}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{CONFIG}: {str(path)!r} has no keys: give lines like steps: 600")
    return values


def _joined(argv: Sequence[str], names: Iterable[str]) -> list[str]:
    """The words, with `--NAME.KEY VALUE` and `--NAME.KEY=VALUE` as `--NAME=KEY=VALUE`."""
    dotted = re.compile(rf"--({'|'.join(names)})\.([^=]+)(=.*)?", re.DOTALL)
    words, rest = [], iter(argv)
    for word in rest:
        found = dotted.fullmatch(word)
        if found is None:
            words.append(word)
        else:
            value = found[3] or f"={next(rest, '')}"
            if found[3] is None and value == "=":
                raise UserError(f"{word} is empty: give it a value")
            words.append(f"--{found[1]}={found[2]}{value}")
    return words


def _pairs(name: str, words: Iterable[str]) -> dict[str, Any]:
    """`KEY=VALUE` words, and mappings in YAML, as a dictionary; the values are YAML."""
    found: dict[str, Any] = {}
    for word in words:
        key, is_pair, value = word.partition("=")
        if word.startswith("{"):
            with contextlib.suppress(yaml.YAMLError):
                found |= yaml.load(word, _Loader)
                continue
        if not is_pair:
            raise UserError(f"--{name} {word}: give --{name}.KEY VALUE")
        try:
            found[key] = yaml.load(value, _Loader)
        except yaml.YAMLError as error:
            raise UserError(f"--{name}.{key}: {value!r} is not YAML: {one_line(error)}") from error
    return found


def parse(
    options: type[_Options], argv: Sequence[str], prog: str, description: str | None
) -> _Options:
    """The options that a command line and its YAML files give, with defaults for the rest.

    Raises:
        UserError: A flag, a key or a value is wrong.
    """
    return create(options, _given(options, argv, prog, description))


def parse_given(
    options: type, argv: Sequence[str], prog: str, description: str | None
) -> dict[str, Any]:
    """As `parse`, but only the values that are given, by field name.

    Raises:
        UserError: A flag, a key or a value is wrong.
    """
    given = _given(options, argv, prog, description)
    checked: Any = create(options, given)
    return {name: getattr(checked, name) for name in given}


def _given(
    options: type, argv: Sequence[str], prog: str, description: str | None
) -> dict[str, Any]:
    """The values as they were given: a later file wins over an earlier one, a flag over both."""
    parser = parser_with_config(options, prog, description)
    tables = [name for name, hint in get_type_hints(options).items() if get_origin(hint) is dict]
    given = parser.values(_joined(argv, tables) if tables else argv)
    files = [_read_config(name) for name in given.pop(CONFIG.strip("-"))]
    given |= {name: _pairs(name, given[name]) for name in tables if name in given}
    return collect(options, prog, *files, given)
