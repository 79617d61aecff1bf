"""A fast network against the reference path: the same photographs, one loss, losses and seconds."""

from __future__ import annotations

import contextlib
import hashlib
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from PIL import Image
from torch import Tensor

from fast_nst.assets import SAMPLE_STYLE
from fast_nst.devices import to_image, to_tensor
from fast_nst.errors import UserError
from fast_nst.losses import PARTS, PerceptualLoss
from fast_nst.options import renamed
from fast_nst.pictures.edit import from_array, to_array
from fast_nst.pictures.read import find_images
from fast_nst.reference.optimizer import Iterate, optimize
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training.run import SETTINGS
from fast_nst.training.settings import Recipe
from fast_nst.version import __version__

WARM_UPS = 2
REPEATS = 10


@dataclass(frozen=True)
class Equivalent:
    """How many iterations a network's painting is worth.

    Attributes:
        verdict: "reached"; "never", if the optimizer stays above the network's loss; "worse", if
            the network is above the optimizer's start.
        iterations: Interpolated; None unless reached.
    """

    verdict: str
    iterations: float | None = None


def equivalent_iterations(curve: Sequence[float], total: float) -> Equivalent:
    """Where an optimizer's losses first come down to a network's.

    Johnson et al. 2016, figure 5, reads this number off a plot: 50 to 100.

    Args:
        curve: Total loss after 0, 1, 2, ... iterations.
        total: The network's.
    """
    if total > curve[0]:
        return Equivalent("worse")
    for step, loss in enumerate(curve):
        if loss <= total:
            if step == 0:
                return Equivalent("reached", 0.0)
            above = curve[step - 1]
            return Equivalent("reached", step - 1 + (above - total) / (above - loss))
    return Equivalent("never")


@dataclass(frozen=True)
class Milestone:
    """The optimizer's picture after some iterations, as it would be saved.

    Attributes:
        steps: Iterations.
        seconds: From the start until its loss was known.
        losses: Of the picture in 8 bits, in float32.
        speed_up: Its seconds over the network's.
    """

    steps: int
    seconds: float
    losses: dict[str, float]
    speed_up: float


@dataclass(frozen=True)
class Comparison:
    """One photograph, both ways.

    Attributes:
        name: The file, as it was given.
        width: In px.
        height: In px.
        start: Losses of where the optimizer starts.
        network: Losses of the network's painting, in 8 bits, in float32.
        network_seconds: Median of `REPEATS` runs.
        network_spread: Their fastest and slowest.
        milestones: The optimizer's pictures.
        curve: "seconds", "content", "style", "tv" and "total" after 0, 1, 2, ... iterations, of
            the unrounded pictures, in the arithmetic of the run.
        equivalent: The network's total loss on that curve.
    """

    name: str
    width: int
    height: int
    start: dict[str, float]
    network: dict[str, float]
    network_seconds: float
    network_spread: tuple[float, float]
    milestones: list[Milestone]
    curve: dict[str, list[float]]
    equivalent: Equivalent


@dataclass(frozen=True)
class Pictures:
    """What there is to look at: the photograph, the network's painting, the milestones'."""

    photograph: Image.Image
    network: Image.Image
    milestones: list[Image.Image]


def compare(
    name: str,
    photo: Image.Image,
    stylizer: Stylizer,
    loss: PerceptualLoss,
    steps: Sequence[int],
    *,
    init: str = "content",
    precision: str = "auto",
    seed: int = 0,
    on_progress: Callable[[Iterate], bool] | None = None,
) -> tuple[Comparison, Pictures] | None:
    """Paint one photograph with the network and with L-BFGS, and score both with one loss.

    Args:
        name: For the record.
        photo: "RGB", at the size to work at.
        stylizer: The network.
        loss: On the device where the optimizer shall run.
        steps: After how many iterations to keep a picture; the last one ends the run.
        init: Where the optimizer starts: "content" or "noise".
        precision: Of the optimizer.
        seed: Of the noise.
        on_progress: Called with each iterate; returning true gives the comparison up.

    Returns:
        The numbers and the pictures, or None if it was given up.
    """
    content = to_tensor(photo).to(_device(loss))
    with torch.no_grad():
        features = loss.content_features(content)

        def score(image: Image.Image) -> dict[str, float]:
            with torch.no_grad():
                parts = loss(to_tensor(image).to(content), features)
            return {part: parts[part].item() for part in PARTS}

    painting, timings = _time_network(stylizer, photo)
    network_seconds = statistics.median(timings)
    kept: dict[int, tuple[float, Tensor]] = {}

    def keep(item: Iterate, picture: Tensor) -> bool:
        if item.step == 0 or item.step in steps:
            kept[item.step] = (item.seconds, picture)
        return on_progress is not None and on_progress(item)

    history = optimize(
        content,
        None,
        loss,
        init=init,
        steps=max(steps),
        precision=precision,
        seed=seed,
        on_progress=keep,
    ).history
    if len(history) <= max(steps):
        return None
    images = {step: to_image(picture) for step, (_, picture) in kept.items()}
    milestones = [
        Milestone(step, kept[step][0], score(images[step]), kept[step][0] / network_seconds)
        for step in sorted(set(steps))
    ]
    curve = {part: [item.losses[part] for item in history] for part in PARTS}
    network, start = score(painting), score(images[0])
    comparison = Comparison(
        name,
        photo.width,
        photo.height,
        start,
        network,
        network_seconds,
        (min(timings), max(timings)),
        milestones,
        {"seconds": [item.seconds for item in history], **curve},
        equivalent_iterations([start["total"], *curve["total"][1:]], network["total"]),
    )
    return comparison, Pictures(photo, painting, [images[m.steps] for m in milestones])


def _device(loss: PerceptualLoss) -> torch.device:
    return next(loss.buffers()).device


def _time_network(stylizer: Stylizer, photo: Image.Image) -> tuple[Image.Image, list[float]]:
    pixels = to_array(photo)[None]
    for _ in range(WARM_UPS):
        stylizer.run(pixels)
    timings = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        painted = stylizer.run(pixels)
        timings.append(time.perf_counter() - started)
    return from_array(painted[0]), timings


def _mean_and_spread(values: Sequence[float]) -> dict[str, float]:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": statistics.fmean(values), "std": spread, "min": min(values), "max": max(values)}


def summarize(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Means and spreads over the photographs.

    The equivalent iterations count 0 for "worse" and the last iteration for "never"; "bound"
    says what that makes of the mean: "at least", "at most", or "about" for both or neither. A
    speed-up is the ratio of the mean times.
    """
    equivalents = [item.equivalent for item in comparisons]
    most = comparisons[0].milestones[-1].steps
    stand_in = {"worse": 0.0, "never": float(most)}
    values = [
        stand_in[e.verdict] if e.iterations is None else e.iterations  # keeps 0.0
        for e in equivalents
    ]
    counts = {v: sum(e.verdict == v for e in equivalents) for v in ("reached", "never", "worse")}
    bound = "about"
    if bool(counts["never"]) != bool(counts["worse"]):
        bound = "at least" if counts["never"] else "at most"
    network_seconds = statistics.fmean(item.network_seconds for item in comparisons)
    rows = zip(*(item.milestones for item in comparisons), strict=True)
    return {
        "photographs": len(comparisons),
        "equivalent_iterations": {**_mean_and_spread(values), **counts, "bound": bound},
        "network": {
            "seconds": _mean_and_spread([item.network_seconds for item in comparisons]),
            **_mean_losses([item.network for item in comparisons]),
        },
        "start": _mean_losses([item.start for item in comparisons]),
        "optimizer": [
            {
                "steps": row[0].steps,
                "seconds": _mean_and_spread([item.seconds for item in row]),
                "speed_up": statistics.fmean(item.seconds for item in row) / network_seconds,
                **_mean_losses([item.losses for item in row]),
            }
            for row in rows
        ],
    }


def _mean_losses(losses: Sequence[dict[str, float]]) -> dict[str, Any]:
    return {part: _mean_and_spread([item[part] for item in losses]) for part in PARTS}


def model_recipe(metadata: dict[str, str], name: str) -> Recipe:
    """How a model was trained, the loss included.

    Args:
        metadata: Of the model, see `Stylizer.metadata`.
        name: The model's, for messages.

    Raises:
        UserError: The file does not say.
    """
    if metadata.get("blend"):
        raise UserError(
            f"the model {name!r} is a blend, which no one loss has trained: compare its parts"
        )
    try:
        return Recipe(**renamed(Recipe, json.loads(metadata["recipe"])))
    except (KeyError, json.JSONDecodeError) as error:
        raise UserError(
            f"the model {name!r} does not say how it was trained: export it with fast-nst export"
        ) from error
    except TypeError as error:
        raise UserError(
            f"the model {name!r} was trained by fast_nst {metadata.get('fast_nst', '?')} with "
            f"settings that {__version__} does not know: compare it with that version"
        ) from error


def find_style(metadata: dict[str, str], model: Path, folder: Path | None = None) -> Path:
    """The style image that a model was trained on, by the SHA-256 that the model has of it.

    It may be the one in the package, where the run's settings say that it was, beside the model,
    or here, or here in `paintings/`.

    Args:
        metadata: Of the model, see `Stylizer.metadata`.
        model: Its file.
        folder: Of paintings, under whatever names: the only place then.

    Raises:
        UserError: It is not there, or another image stands in its place.
    """
    name, sha256 = metadata.get("style", ""), metadata.get("style_sha256", "")
    if folder is not None:
        for path in find_images(folder):
            if hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
                return path
        raise UserError(
            f"none of the images in {str(folder)!r} is the one that the model was trained on, "
            f"{name or 'which has no name'}: give another folder, or an image, with --style"
        )
    places = [Path(name), model.parent / name, Path("paintings", name), SAMPLE_STYLE]
    settings = model.parent / SETTINGS
    if settings.is_file():
        with contextlib.suppress(yaml.YAMLError, OSError, UnicodeError, AttributeError, TypeError):
            places.insert(0, Path(yaml.safe_load(settings.read_text(encoding="utf-8"))["style"]))
    found = [place for place in places if place.is_file()]
    for place in found:
        if hashlib.sha256(place.read_bytes()).hexdigest() == sha256:
            return place
    if name and found[0].name == name:
        raise UserError(
            f"{str(found[0])!r} is another image than the one that the model was trained on: give "
            "that one with --style IMAGE, or insist on this one with it"
        )
    raise UserError(
        f"the model was trained on {name or 'an unknown image'}, which is not here: "
        "add --style IMAGE, or a folder of images that has it"
    )
