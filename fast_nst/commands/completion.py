"""`fast-nst completion`: a script with which a shell completes commands, options and names."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import shtab

from fast_nst.commands.registry import COMMANDS, command_parser, options_of
from fast_nst.models.catalogue import style_files
from fast_nst.models.home import own_style_files
from fast_nst.options import check, parse_flags, positional

# What an option's value is, by the option's name or its placeholder in the help.
_STYLES = {"NAME[:WEIGHT]", "outside", "strengths", "blend"}
_FOLDERS = {"DIR", "FOLDER", "photos", "out"}
_FILES = {"PHOTO", "IMAGE", "MASK", "CONTENT", "VIDEO", "OUT", "MODEL", "CHECKPOINT", "FILE"}
_FILES |= {"FILE[:WEIGHT]", "STYLE", "STYLE[:WEIGHT]", "style", "photo", "init", "vgg", "resume"}


@dataclass
class CompletionOptions:
    """Options of `fast-nst completion`."""

    shell: str = positional(
        f"one of: {', '.join(shtab.SUPPORTED_SHELLS)}", "SHELL", choices=shtab.SUPPORTED_SHELLS
    )

    def __post_init__(self) -> None:
        """Validate the options.

        Raises:
            UserError: The shell is unknown.
        """
        check(self)


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Print the script on standard output.

    Raises:
        UserError: The shell is unknown.
    """
    options = parse_flags(CompletionOptions, argv, prog, description)
    print(script(options.shell), end="")
    return 0


def script(shell: str) -> str:
    """The completion script for a shell of `shtab.SUPPORTED_SHELLS`.

    It holds the names of the styles in the package and in the user's folder.
    """
    root = argparse.ArgumentParser(prog="fast-nst")
    root.add_argument("-V", "--version", action="store_true", help="show the version")
    commands = root.add_subparsers()
    for name, command in COMMANDS.items():
        parser = command_parser(name)
        _add_values(parser, name)
        commands.add_parser(
            name,
            parents=[parser],
            add_help=False,
            help=command.description,
            description=command.description,
        )
    commands.add_parser("help", help="Show a command's help.").add_argument(
        "command", nargs="?", choices=[*COMMANDS]
    )
    return str(shtab.complete(root, shell))


def _add_values(parser: argparse.ArgumentParser, command: str) -> None:
    """Tell each option's values to shtab: words, names of styles, folders or files."""
    fields = {item.name: item for item in dataclasses.fields(options_of(command))}
    styles = [*style_files(), *own_style_files()]
    for action in parser._actions:
        item = fields.get(action.dest)
        kind = str(action.metavar or action.dest)
        if item is not None and item.metadata.get("choices"):
            action.choices = item.metadata["choices"]
        elif not {kind, action.dest}.isdisjoint(_STYLES):
            action.choices = sorted({path.stem for path in styles})
        elif kind in _FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif kind in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
