"""Flags and YAML of the commands that need the `train` extra: jsonargparse over our dataclasses."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import jsonargparse

from fast_nst.assets import CONFIGS
from fast_nst.errors import UserError, choose, one_line
from fast_nst.options import add_options, make, prepare

_CONFIG = "--config"
_SUFFIX = ".yaml"
_Options = TypeVar("_Options")


class _Parser(jsonargparse.ArgumentParser):
    """Reads files as UTF-8, with or without a mark of that, whatever the locale is."""

    def parse_path(self, path: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Any:
        """The settings in a file."""
        text = Path(path).read_text(encoding="utf-8-sig")
        return self.parse_string(text, Path(path).name, *args, **kwargs)


def _find_config(name: str) -> str:
    """The file that is meant: a path, or the name of a recipe in the package.

    Raises:
        UserError: It is a bare word, and neither a file nor a recipe has that name.
    """
    path = Path(name)
    known = sorted(file.stem for file in CONFIGS.glob(f"*{_SUFFIX}"))
    if path.suffix or len(path.parts) != 1 or (name not in known and path.is_file()):
        return name
    return str(CONFIGS / f"{choose('recipe', name, known, ', or give a YAML file')}{_SUFFIX}")


def parse(
    options: type[_Options], argv: Sequence[str], prog: str, description: str | None
) -> _Options:
    """The options that a command line and its YAML files give; a flag beats a file before it.

    Raises:
        UserError: A flag, a key or a value is wrong.
    """
    parser = _Parser(
        prog=prog,
        description=description,
        exit_on_error=False,
        allow_abbrev=False,
        print_config=None,
        formatter_class=argparse.HelpFormatter,
    )
    parser.add_argument(
        _CONFIG,
        action="config",
        help="YAML file with any of these as keys, or the name of a recipe in the package; flags "
        "beat it",
    )
    add_options(parser, options)
    words = prepare(argv, options, _CONFIG)
    try:
        given = parser.parse_args(_with_files(words), defaults=False).as_dict()
    except UserError:
        raise
    except UnicodeDecodeError as error:
        raise UserError(f"{_CONFIG} is not a text file in UTF-8: give YAML") from error
    except (argparse.ArgumentError, argparse.ArgumentTypeError, TypeError, ValueError) as error:
        raise UserError(f"{one_line(error)} (see {prog} --help)") from error
    given.pop(_CONFIG.strip("-"), None)
    return make(options, given, prog)


def _with_files(words: Sequence[str]) -> list[str]:
    """The words, with the names behind `--config` as paths."""
    found: list[str] = []
    for word in words:
        flag, is_joined, value = word.partition("=")
        if flag == _CONFIG and is_joined:
            found.append(f"{flag}={_find_config(value)}")
        elif found and found[-1] == _CONFIG:
            found.append(_find_config(word))
        else:
            found.append(word)
    return found
