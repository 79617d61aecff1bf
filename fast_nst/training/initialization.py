"""Initial weights of a training run: the base, the identity model, or any other model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from fast_nst.assets import STARTS
from fast_nst.errors import UserError
from fast_nst.models import graphs
from fast_nst.models.catalogue import check_name, find_model, is_name, is_style, style_names
from fast_nst.training.checkpoints import Checkpoint, read_checkpoint
from fast_nst.training.models import read_model
from fast_nst.training.settings import BASE, SCRATCH, TrainConfig

AVERAGE = "average"  # what the base was called while it was one of ten styles


@dataclass(frozen=True)
class Initialization:
    """Initial weights, and their provenance.

    Attributes:
        name: As it was given; of a file, its name without folders.
        state: The network's state dict; None keeps the random weights, or those that are resumed.
        identity_sha256: `fingerprint` of the identity model that belongs to the base; models that
            share it can be mixed. "" for weights trained from scratch. Files call it `root`.
        recipe: The settings that the weights were trained with; empty for those in the package.
        photographs: Those that the weights were trained on, and their terms; "" if not recorded.
    """

    name: str
    state: dict[str, Tensor] | None = None
    identity_sha256: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)
    photographs: str = ""

    def record(self) -> dict[str, Any]:
        """The entry `start` of checkpoints and of models' metadata."""
        return {"name": self.name, "recipe": self.recipe, "photographs": self.photographs}


def fingerprint(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of a network's parameters, see `graphs.fingerprint`."""
    return graphs.fingerprint({name: value.detach().cpu().numpy() for name, value in state.items()})


def load_initialization(config: TrainConfig, resumed: Checkpoint | None = None) -> Initialization:
    """Read the initial weights that a run's settings name.

    Args:
        config: The settings.
        resumed: The checkpoint that the run continues, whose weights Lightning loads.

    Raises:
        UserError: No model has that name, it cannot be read, or it is another network's.
    """
    name = config.resolved_init
    if resumed is not None:
        record = resumed.initialization or {"name": SCRATCH, "recipe": {}}
        return Initialization(
            record["name"],
            None,
            resumed.identity_sha256,
            record["recipe"],
            record.get("photographs", ""),
        )
    if name == SCRATCH:
        return Initialization(name)
    if name == AVERAGE:
        name = BASE
    shipped = STARTS.get(config.network, {})
    path = shipped.get(name)
    if path is None:
        if is_name(name) and not is_style(name):
            check_name(name, "init", [*shipped, SCRATCH, *style_names()])
        path = find_model(name)
    found, network = _read(path)
    if network != config.network:
        raise UserError(
            f"init {name} is of {network!r}, and network is {config.network!r}: give a model of "
            f"the same network, or {SCRATCH}",
            "init",
            "network",
        )
    return replace(found, name=name if is_name(name) else path.name)


def _read(path: Path) -> tuple[Initialization, str]:
    """The weights in a file, and the name of their network."""
    if path.suffix.lower() == ".onnx":
        model = read_model(path)
        metadata = model.metadata
        is_shipped = any(path in starts.values() for starts in STARTS.values())
        recipe = {} if is_shipped else _recipe(path, metadata)
        found = Initialization(
            path.name,
            model.network.state_dict(),
            metadata.get("root", ""),
            recipe,
            metadata.get("photographs", ""),
        )
        return found, metadata["network"]
    saved = read_checkpoint(path)
    found = Initialization(
        path.name,
        saved.network.state_dict(),
        saved.identity_sha256,
        saved.config.recipe(),
        saved.photographs,
    )
    return found, saved.config.network


def _recipe(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        known = ("recipe", "blend")  # a blend has recipes in its parts
        said = {key: json.loads(metadata[key]) for key in known if metadata.get(key)}
        return {"blend": said["blend"]} if "blend" in said else dict(said.get("recipe", {}))
    except (ValueError, TypeError) as error:
        raise UserError(f"{str(path)!r} has a damaged recipe: export it again") from error
