"""Flags and YAML of the commands that need the `train` extra: jsonargparse over our dataclasses."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TypeVar

import jsonargparse

from fast_nst.errors import UserError, one_line
from fast_nst.options import add_options, make, prepare

_CONFIG = "--config"
_Options = TypeVar("_Options")


def parse(
    options: type[_Options], argv: Sequence[str], prog: str, description: str | None
) -> _Options:
    """The options that a command line and its YAML files give; a flag beats a file before it.

    Raises:
        UserError: A flag, a key or a value is wrong.
    """
    parser = jsonargparse.ArgumentParser(
        prog=prog,
        description=description,
        exit_on_error=False,
        allow_abbrev=False,
        print_config=None,
        formatter_class=argparse.HelpFormatter,
    )
    parser.add_argument(
        _CONFIG, action="config", help="YAML file with any of these as keys; flags beat it"
    )
    add_options(parser, options)
    words = prepare(argv, options, _CONFIG)
    try:
        given = parser.parse_args(words, defaults=False).as_dict()
    except UnicodeDecodeError as error:
        raise UserError(f"{_CONFIG} is not a text file: give YAML") from error
    except (argparse.ArgumentError, argparse.ArgumentTypeError, TypeError, ValueError) as error:
        raise UserError(f"{one_line(error)} (see {prog} --help)") from error
    given.pop(_CONFIG.strip("-"), None)
    return make(options, given, prog)
