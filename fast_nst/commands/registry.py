"""The subcommands: what each is for, and where its options are."""

from __future__ import annotations

import importlib
from typing import NamedTuple

from fast_nst.options import Parser, parser_of

_TRAINING = "fast_nst.commands.training_options"


class Command(NamedTuple):
    """A subcommand, whose function `run` is in the module of its name.

    Attributes:
        description: A sentence on what it does.
        options: Name of the dataclass of its options.
        needs_training: Whether it needs the `train` extra; its options are then in
            `training_options`, which is importable without, and otherwise in its own module.
    """

    description: str
    options: str
    needs_training: bool = False


GROUPS = {
    "Paint": {
        "samples": Command("Copy the sample images into a folder.", "SamplesOptions"),
        "infer": Command("Stylize images with an exported model.", "InferOptions"),
        "video": Command("Stylize a video, with its sound, or an animation.", "VideoOptions"),
        "styles": Command(
            "List, add, remove or show styles, or stylize a photograph in all.", "StylesOptions"
        ),
        "blend": Command(
            "Blend styles, or change a style's strength, and write a model file.", "BlendOptions"
        ),
    },
    'Train a style (needs the extra: pip install "fast-nst[train]")': {
        "train": Command(
            "Train a model for a style; without flags, on the package's samples.",
            "TrainOptions",
            True,
        ),
        "preview": Command(
            "Preview a style with small and large strokes, calm to bold, in about 3 minutes.",
            "PreviewOptions",
            True,
        ),
        "export": Command(
            "Export a training checkpoint, or an older model, to a self-contained ONNX file.",
            "ExportOptions",
            True,
        ),
        "optimize": Command(
            "Stylize one image with the classic optimizer: minutes instead of milliseconds.",
            "OptimizeOptions",
            True,
        ),
        "compare": Command(
            "Compare a model with the classic optimizer: losses, times, images, a report.",
            "CompareOptions",
            True,
        ),
    },
    "Serve": {
        "serve": Command("Serve the web page and the HTTP API on this machine.", "ServeOptions"),
        "site": Command("Write the web page as a folder for static hosting.", "SiteOptions"),
    },
    "Set up": {
        "completion": Command("Print a script for completion in a shell.", "CompletionOptions"),
    },
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}


def options_of(name: str) -> type:
    """The dataclass of a command's options."""
    command = COMMANDS[name]
    module = _TRAINING if command.needs_training else f"fast_nst.commands.{name}"
    options: type = getattr(importlib.import_module(module), command.options)
    return options


def command_parser(name: str) -> Parser:
    """A command's parser, for its help and its completion."""
    command = COMMANDS[name]
    words = options_of(name), f"fast-nst {name}", command.description
    if command.needs_training:
        from fast_nst.commands.training_options import parser_with_config

        return parser_with_config(*words)
    return parser_of(*words)
