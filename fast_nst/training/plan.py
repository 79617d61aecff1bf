"""A training run's settings, resolved once: from what was given, a checkpoint and a preview."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fast_nst.errors import UserError
from fast_nst.training.checkpoints import Checkpoint, find_checkpoint, read_checkpoint
from fast_nst.training.preview_tiles import Tile, find_tile
from fast_nst.training.settings import TrainConfig, given_values


@dataclass(frozen=True)
class Plan:
    """A run's settings with nothing left to look up.

    Attributes:
        config: All settings: `resume` is None or a path, `from_preview` is None.
        resumed: The checkpoint that the run continues; None for a new run.
        tile: The preview's tile that the run starts from, if any.
        given: The names of the settings that were given.
    """

    config: TrainConfig
    resumed: Checkpoint | None = None
    tile: Tile | None = None
    given: frozenset[str] = frozenset()

    @property
    def is_timed(self) -> bool:
        """Whether the steps or the crop follow from the time that a step takes.

        A resumed run keeps those of its checkpoint.
        """
        if self.resumed is not None or {"steps", "size"} <= self.given:
            return False
        return self.config.minutes is not None or "steps" not in self.given

    @property
    def recoveries(self) -> int:
        """Divergence recoveries of the resumed run; with another learning rate they start at 0."""
        if self.resumed is None or self.resumed.config.lr != self.config.lr:
            return 0
        return self.resumed.recoveries


def resolve(settings: TrainConfig | Mapping[str, Any]) -> Plan:
    """Complete the settings of a run.

    Values that were given win over a preview's tile and over the checkpoint of `resume`, and these
    win over the defaults.

    Args:
        settings: The values that were given, by name. Of a `TrainConfig`, those that differ from
            their defaults.

    Raises:
        UserError: Values are out of range or contradict each other; or the checkpoint, the preview
            or a file of the resumed run is missing.
    """
    given = given_values(settings)
    config = TrainConfig(**given)
    if config.from_preview is not None:
        return _from_preview(given, config.from_preview)
    if config.resume is not None:
        return _resumed(given, find_checkpoint(config.resume, config.style, config.out))
    return Plan(config, given=frozenset(given))


def _from_preview(given: dict[str, Any], number: int) -> Plan:
    for name in ("resume", "init", "style_size"):
        if given.get(name) is not None:
            raise UserError(
                f"{name} contradicts from_preview: give one of them", name, "from_preview"
            )
    tile = find_tile(given.get("style"), number)
    chosen = {"from_preview": None, "init": str(tile.model), "style_size": tile.style_size}
    return Plan(TrainConfig(**{**given, **chosen}), tile=tile, given=frozenset(given))


def _resumed(given: dict[str, Any], path: Path) -> Plan:
    checkpoint = read_checkpoint(path)
    saved = checkpoint.config.as_dict()
    # Which crop a step sees follows from the batches a step takes.
    for what, new, old in (
        ("network", given.get("network"), saved["network"]),
        ("trainer.accumulate_grad_batches", *_batches_a_step(given, saved)),
    ):
        if new not in (None, old):
            raise UserError(
                f"{what} {new} contradicts resume: {str(path)!r} has {old}", "network", "resume"
            )
    if given.get("init") not in (None, saved["init"]):
        raise UserError(
            f"init {given['init']} contradicts resume: one begins a run, the other continues "
            f"{str(path)!r}; give one of them",
            "init",
            "resume",
        )
    trainer = {**saved["trainer"], **given.get("trainer", {})}
    chosen = {"out": str(path.parent), **given, "resume": str(path), "trainer": trainer}
    if given.get("steps") is not None:
        chosen.setdefault("minutes", None)  # which are over when a run has ended
    config = TrainConfig(**{**saved, "out": None, **chosen})
    if checkpoint.step >= config.steps:
        raise UserError(
            f"{str(path)!r} has completed step {checkpoint.step}, its last: raise steps to "
            "train on",
            "steps",
        )
    for what, value, name in (
        ("painting", config.style, "style"),
        ("folder of photographs", config.photos, "photos"),
    ):
        if value and not Path(value).exists():
            raise UserError(
                f"the {what} {value!r} that this run was trained on is not there any more: say "
                f"where it is now, with {name}",
                name,
            )
    return Plan(config, checkpoint)


def _batches_a_step(given: dict[str, Any], saved: dict[str, Any]) -> tuple[Any, Any]:
    name = "accumulate_grad_batches"
    return given.get("trainer", {}).get(name), saved["trainer"].get(name, 1)
