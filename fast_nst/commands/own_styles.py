"""`fast-nst styles add`, `remove` and `show`: the styles in the user's folder."""

from __future__ import annotations

import contextlib
import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fast_nst.commands.defects import measured
from fast_nst.commands.table import aligned
from fast_nst.models.catalogue import RUN, find_model, source_of
from fast_nst.models.model import Model
from fast_nst.models.own_styles import add_style, own_style, remove_style
from fast_nst.options import check, option, parse_flags, positional
from fast_nst.training.defects import faults

_LABELS = ("title", "artist", "year", "licence")
_RECORDS = ("recipe", "start", "training", "blend", "defects")  # of the metadata, in JSON
_WIDTH = 80


@dataclass
class AddOptions:
    """Options of `fast-nst styles add`."""

    file: str = positional("exported .onnx file, or the name of a run", "FILE")
    name: str | None = option(
        "name of the style: letters, digits, _ and -; default: made of the title in the file",
        None,
        metavar="NAME",
    )
    overwrite: bool = option("replace a style of yours", False)

    def __post_init__(self) -> None:
        """Validate the options."""
        check(self)


@dataclass
class RemoveOptions:
    """Options of `fast-nst styles remove`."""

    names: list[str] = positional("styles of yours; the gallery's stay", "NAME")

    def __post_init__(self) -> None:
        """Validate the options."""
        check(self)


@dataclass
class ShowOptions:
    """Options of `fast-nst styles show`."""

    style: str = positional("name of a style, or an .onnx file", "NAME|FILE")
    json: bool = option("print one JSON object", False)

    def __post_init__(self) -> None:
        """Validate the options."""
        check(self)


def add(argv: Sequence[str], prog: str) -> int:
    """Copy a model into the user's folder.

    Raises:
        UserError: See `own_styles.add_style`.
    """
    text = "Copy a model into your folder of styles, so that its name finds it from any folder."
    options = parse_flags(AddOptions, argv, prog, text)
    path = add_style(options.file, options.name, overwrite=options.overwrite)
    print(f"added {path.stem!r}: fast-nst infer PHOTO.jpg --style {path.stem} -o painting.jpg")
    return 0


def remove(argv: Sequence[str], prog: str) -> int:
    """Remove styles from the user's folder; none, if one of them is not there.

    Raises:
        UserError: See `own_styles.remove_style`.
    """
    text = "Remove styles from your folder of styles; the folders of their runs stay."
    names = dict.fromkeys(parse_flags(RemoveOptions, argv, prog, text).names)
    for name in names:
        own_style(name)
    for name in names:
        print(f"removed {remove_style(name)}")
    return 0


def show(argv: Sequence[str], prog: str) -> int:
    """Print what a style's file says of it.

    Raises:
        UserError: There is no such style, or the file is not a model.
    """
    text = "Show what the file of a style says: title, licence, network, training, image defects."
    options = parse_flags(ShowOptions, argv, prog, text)
    found = describe(options.style)
    print(json.dumps(found, indent=2) if options.json else _table(found))
    return 0


def describe(style: str) -> dict[str, Any]:
    """What a style's file says of it, and where it is, as plain values by name.

    Raises:
        UserError: There is no such style, or the file is not a model.
    """
    from fast_nst.models.graphs import check_model  # imports onnx, which --help need not wait for

    path = find_model(style)
    source, model = source_of(path), Model.read(path)
    (part,) = model.parts
    check_model(part.data, part.name)
    metadata = part.metadata
    return {
        "name": path.parent.name if source == RUN else path.stem,
        **{label: metadata.get(label, "") for label in _LABELS},
        "source": source,
        "path": str(path),
        "size": len(part.data),
        "network": metadata.get("network", ""),
        "mixes": not model.unmixable,
        "unmixable": model.unmixable,
        "style": metadata.get("style", ""),
        "style_sha256": metadata.get("style_sha256", ""),
        **{record: _decoded(metadata.get(record, "")) for record in _RECORDS},
        "fast_nst": metadata.get("fast_nst", ""),
    }


def _decoded(text: str) -> dict[str, Any]:
    """An object in JSON; empty if it is none."""
    with contextlib.suppress(ValueError):
        value = json.loads(text)
        if isinstance(value, dict):
            return value
    return {}


def _table(found: dict[str, Any]) -> str:
    defects = {key: v for key, v in found["defects"].items() if isinstance(v, int | float)}
    others = f"the styles of the network {found['network']}, at strengths up to 1.5"
    rows = {
        **{label: found[label] for label in _LABELS},
        "from": found["source"],
        "path": found["path"],
        "size": f"{found['size'] / 1000:.0f} kB",
        "network": found["network"],
        "blends with": others if found["mixes"] else f"none: {found['unmixable']}",
        "style image": found["style"],
        "strength": str(found["blend"].get("strength", "")),
        "recipe": _listed(found["recipe"]),
        "training": _listed(found["training"]),
        "defects": measured(defects),
        "visible": "; ".join(faults(defects)) or ("none of them" if defects else ""),
        "fast_nst": found["fast_nst"],
    }
    cells: list[tuple[str, str]] = []
    for label, text in rows.items():
        lines = [text] if label == "path" else textwrap.wrap(text, _WIDTH)
        cells += [(label if i == 0 else "", line) for i, line in enumerate(lines)]
    return f"{found['name']}\n{textwrap.indent(aligned(cells), '  ')}"


def _listed(values: dict[str, Any]) -> str:
    """`steps 600, style_layers relu1_2 relu2_2`: the values that are given, by their names."""
    words = {
        key: " ".join(map(str, value)) if isinstance(value, list) else str(value)
        for key, value in values.items()
        if value not in (None, "", {}, [])
    }
    return ", ".join(f"{key} {word}" for key, word in words.items())
