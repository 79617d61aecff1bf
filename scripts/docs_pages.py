"""Pages of the documentation that are made from the package; a hook of MkDocs, see mkdocs.yml.

`make docs` builds the documentation into `site/`. The pages made here are never files: the command
line comes from the commands' parsers, the styles from the metadata of their files, and the
changelog from CHANGELOG.md.
"""

from __future__ import annotations

import argparse
import html
import io
import json
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from fast_nst.assets import LIVE_STYLES, SAMPLE_PHOTOGRAPHS
from fast_nst.commands.own_styles import AddOptions, RemoveOptions, ShowOptions
from fast_nst.commands.registry import COMMANDS, command_parser
from fast_nst.commands.styles import SUBCOMMANDS
from fast_nst.models.catalogue import FAST, style_files
from fast_nst.models.onnx_fields import read_metadata
from fast_nst.options import Parser, parser_of
from fast_nst.pictures.edit import resize_longest
from fast_nst.pictures.read import open_image
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training.defects import MEASURES

ROOT = Path(__file__).parents[1]
PICTURE = "coffee.jpg"
PICTURE_SIDE = 480  # px
_ORIGIN = {"training photographs": "photographs", "licence of the model": "model_license"}
STYLES_FORMS = {"add": AddOptions, "remove": RemoveOptions, "show": ShowOptions}
EXIT_CODES = """
| exit code | meaning |
|---|---|
| 0 | success |
| 1 | some of several pictures or styles failed |
| 2 | an option or a file cannot be used; standard error has one line that says why |
| 130, 143, 129 | ended by Ctrl-C, SIGTERM, SIGHUP |
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, and one painting of each style."""
    made: dict[str, str | bytes] = {
        **paintings(),
        "command-line.md": command_line(),
        "styles.md": styles(),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    }
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    return files


def command_line() -> str:
    """The page of all commands and their options."""
    lines = [
        "# Command line",
        "",
        "This page is made from the options of the program, which `fast-nst COMMAND --help` "
        "prints too.",
        "",
        "| command | what it does |",
        "|---|---|",
        *(
            f"| [`{name}`](#fast-nst-{name}) | {_cell(command.description)} |"
            for name, command in COMMANDS.items()
        ),
        EXIT_CODES,
    ]
    for parser in parsers():
        lines += _section(parser)
    return "\n".join(lines)


def parsers() -> list[Parser]:
    """Those of all commands, with the forms of `styles` behind it."""
    found = []
    for name in COMMANDS:
        found.append(command_parser(name))
        for word, options in STYLES_FORMS.items() if name == "styles" else ():
            description = (SUBCOMMANDS[word].__doc__ or "").splitlines()[0]
            found.append(parser_of(options, f"fast-nst styles {word}", description))
    return found


def _section(parser: Parser) -> list[str]:
    """A command's usage and options, under a heading."""
    arguments = [
        f"[{action.metavar}{' ...' * (action.nargs == '*')}]"
        for action in parser._actions
        if not action.option_strings
    ]
    lines = [
        f"{'#' * len(parser.prog.split())} {parser.prog}",
        "",
        html.escape(parser.description or "", quote=False),
        "",
        "```text",
        " ".join([parser.prog, "[OPTIONS]", *arguments]),
        "```",
        "",
    ]
    for group in parser._action_groups:
        lines += _options(group)
    return lines


def _options(group: argparse._ArgumentGroup) -> list[str]:
    """A table of a group's options, with a title above those that commands share."""
    rows = []
    for action in group._group_actions:
        if action.help is argparse.SUPPRESS or "--help" in action.option_strings:
            continue
        value = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
        takes = action.nargs != 0
        words = [f"{flag} {value}" if takes else flag for flag in action.option_strings[-1:]]
        names = ", ".join([*action.option_strings[:-1], *words]) or value
        rows.append(f"| `{names}` | {_cell((action.help or '').replace('%%', '%'))} |")
    if not rows:
        return []
    title = group.title or ""
    is_own = title in ("positional arguments", "options", "optional arguments")
    above = [] if is_own else [f"**{title}**", ""]
    heading = "argument" if title == "positional arguments" else "option"
    return [*above, f"| {heading} | meaning |", "|---|---|", *rows, ""]


def _cell(text: str) -> str:
    """Plain text as a cell of a table, with flags as code."""
    escaped = re.sub(r"([\\`*_\[\]|])", r"\\\1", html.escape(text, quote=False))
    return re.sub(r"(?<![\w-])(--[a-z][a-z-]*[a-z])", r"`\1`", escaped)


def styles() -> str:
    """The page of the styles: a card for each, from the metadata of its file."""
    lines = [
        "# Styles",
        "",
        "The twelve styles of the package, each with what its file says about itself. The pictures "
        f"are `{PICTURE}` of the samples, painted when this page was built. Terms of use are on "
        "the page [Licences](licences.md); what the image defects mean is explained in "
        "[Measurements](measurements.md#image-defects).",
        "",
    ]
    for path in style_files():
        lines += _card(path)
    return "\n".join(lines)


def paintings() -> dict[str, bytes]:
    """A small painting in each style: path -> JPEG."""
    photo = next(path for path in SAMPLE_PHOTOGRAPHS.iterdir() if path.name == PICTURE)
    photograph = resize_longest(open_image(photo), PICTURE_SIDE)
    made = {}
    for path in style_files():
        data = io.BytesIO()
        Stylizer(path)(photograph).save(data, "JPEG", quality=85)
        made[f"styles/{path.stem}.jpg"] = data.getvalue()
    return made


def _card(path: Path) -> list[str]:
    """Of one style: picture, table, and the recipe to open."""
    known = read_metadata(path.read_bytes())
    film = LIVE_STYLES / f"{path.stem}{FAST}.onnx"
    training = json.loads(known["training"])
    rows = {
        "name": f"`{path.stem}`",
        "painting": f"{known['artist']}, *{known['title']}*, {known['year']}; {known['licence']}",
        "file": f"{path.stat().st_size / 1000:.0f} kB, network `{known['network']}`",
        "for films": f"`{film.stem}`, {film.stat().st_size / 1000:.0f} kB, network `fast`",
        "training": _training(training),
        "loss on other photographs": f"{training['held_out']:.3f}",
        "image defects": _defects(json.loads(known["defects"])),
        **{label: known[key] for label, key in _ORIGIN.items() if key in known},
        "SHA-256 of the style image": f"`{known['style_sha256'][:16]}`",
    }
    table = [f"| {name} | {value} |" for name, value in rows.items()]
    recipe = json.dumps(json.loads(known["recipe"]), indent=2)
    return [
        f"## {known['title']}",
        "",
        f"![A cup of coffee in the style of {known['title']}](styles/{path.stem}.jpg)",
        "",
        "| | |",
        "|---|---|",
        *table,
        "",
        '??? note "Recipe of the last training"',
        "",
        *(f"    {line}" for line in ["```json", *recipe.splitlines(), "```"]),
        "",
    ]


def _training(values: dict[str, Any]) -> str:
    seconds = values["seconds"]
    long = f"{seconds} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
    said = f"{values['steps']:,} steps, {values['crops']:,} crops, {long} on {values['device']}"
    borders = values.get("borders")
    if borders:
        said += f"; {borders['steps']:,} steps for the borders, on {borders['device']}"
    return said


def _defects(values: dict[str, Any]) -> str:
    parts = []
    for name, value in values.items():
        limit = MEASURES[name].limit()
        shown = f"{name.replace('_', ' ')} {value:g}"
        parts.append(f"{shown} ({limit})" if limit else shown)
    return ", ".join(parts)
