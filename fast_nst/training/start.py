"""Where training starts: the weights of the base, of the root, or of any model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from fast_nst.assets import STARTS
from fast_nst.errors import UserError
from fast_nst.models import graphs
from fast_nst.models.catalogue import check_name, find_model, is_name, is_style, style_names
from fast_nst.training.checkpoints import read_checkpoint
from fast_nst.training.models import read_model
from fast_nst.training.settings import BASE, SCRATCH, TrainConfig

AVERAGE = "average"  # what the base was called while it was one of ten styles


@dataclass(frozen=True)
class Start:
    """What training starts from.

    Attributes:
        name: As it was given; of a file, its name without folders.
        state: The network's state dict; None leaves the random weights, or those that are resumed.
        root: `fingerprint` of the network that all styles of one kind descend from; "" for none.
        recipe: How a trained start was trained itself.
    """

    name: str
    state: dict[str, Tensor] | None = None
    root: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """What checkpoints and models say of it."""
        return {"name": self.name, "recipe": self.recipe}


def fingerprint(state: Mapping[str, Tensor]) -> str:
    """`graphs.fingerprint` of a network's state dict."""
    return graphs.fingerprint({name: value.detach().cpu().numpy() for name, value in state.items()})


def starting_point(config: TrainConfig) -> Start:
    """The start that a run's settings mean.

    Raises:
        UserError: There is none of that name, it cannot be read, or it is another network's.
    """
    name = config.chosen_start
    if config.resume is not None:
        resumed = read_checkpoint(config.resume)
        record = resumed.start or {"name": SCRATCH, "recipe": {}}
        return Start(record["name"], None, resumed.root, record["recipe"])
    if name == SCRATCH:
        return Start(name)
    if name == AVERAGE:
        name = BASE
    shipped = STARTS.get(config.network, {})
    path = shipped.get(name)
    if path is None:
        if is_name(name) and not is_style(name):
            check_name(name, "start", [*shipped, SCRATCH, *style_names()])
        path = find_model(name)
    start, network = _read(path)
    if network != config.network:
        raise UserError(
            f"--start {name} is a network {network!r}, and --network is {config.network!r}: start "
            f"from one of the same kind, or from {SCRATCH}"
        )
    return Start(name if is_name(name) else path.name, start.state, start.root, start.recipe)


def _read(path: Path) -> tuple[Start, str]:
    """A file as a start, and the name of its network."""
    if path.suffix.lower() == ".onnx":
        model = read_model(path)
        metadata = model.metadata
        is_shipped = any(path in starts.values() for starts in STARTS.values())
        recipe = {} if is_shipped else _recipe(path, metadata)
        root, network = metadata.get("root", ""), metadata["network"]
        return Start(path.name, model.network.state_dict(), root, recipe), network
    saved = read_checkpoint(path)
    recipe = saved.config.recipe()
    return Start(path.name, saved.network.state_dict(), saved.root, recipe), saved.config.network


def _recipe(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        known = ("recipe", "blend")  # a blend has recipes in its parts
        said = {key: json.loads(metadata[key]) for key in known if metadata.get(key)}
        return {"blend": said["blend"]} if "blend" in said else dict(said.get("recipe", {}))
    except (ValueError, TypeError) as error:
        raise UserError(f"{str(path)!r} has a damaged recipe: export it again") from error
