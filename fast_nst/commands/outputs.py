"""Where commands write: files in folders, and standard output."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from fast_nst.errors import UserError, one_line
from fast_nst.files import names_folder


def output_file(output: str, source: str, suffixes: Iterable[str], default: str) -> str:
    """The file to write: `output`, or a file with the source's name in the folder `output`.

    Args:
        output: A file; or a folder, which exists or ends in a separator.
        source: The input file.
        suffixes: Those that can be written, in lower case.
        default: The suffix that replaces any other one.

    Raises:
        UserError: The file is the input.
    """
    target = Path(output)
    if names_folder(output):
        name = Path(Path(source).name)
        target /= name if name.suffix.lower() in suffixes else name.with_suffix(default)
    if os.path.realpath(target) == os.path.realpath(source):
        raise UserError(f"{str(target)!r} is the input too: give another output")
    return str(target)


def check_stdout() -> None:
    """Check that standard output can be given binary data.

    Raises:
        UserError: It is closed, or a terminal.
    """
    if sys.stdout is None:
        raise UserError("standard output is closed: give -o FILE")
    if sys.stdout.isatty():
        raise UserError("standard output is a terminal: redirect it (> FILE), or give -o FILE")


@contextlib.contextmanager
def stdout_errors() -> Iterator[None]:
    """Name standard output in errors of writing to it; a closed pipe stays a BrokenPipeError.

    Raises:
        UserError: It cannot be written.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes the rest at exit
        reason = one_line(error.strerror or error)
        raise UserError(f"cannot write to standard output: {reason}") from error
