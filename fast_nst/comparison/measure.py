"""Losses and times of a model and of the reference optimizer on the same photographs."""

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
from fast_nst.models.catalogue import runs_of
from fast_nst.options import renamed
from fast_nst.pictures.edit import from_array, to_array
from fast_nst.pictures.find import find_images
from fast_nst.reference.optimizer import Iterate, optimize
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.training.run import SETTINGS
from fast_nst.training.settings import Recipe
from fast_nst.version import __version__

WARM_UPS = 2
REPEATS = 10


@dataclass(frozen=True)
class Equivalent:
    """The number of optimizer iterations with the network's loss.

    Attributes:
        verdict: "reached"; "never", if the optimizer stays above the network's loss; "worse", if
            the network's loss is above the optimizer's initial loss.
        iterations: Interpolated; None unless reached.
    """

    verdict: str
    iterations: float | None = None


def equivalent_iterations(curve: Sequence[float], total: float) -> Equivalent:
    """Find where the optimizer's loss first falls to the network's.

    Johnson et al. 2016, figure 5, reads 50 to 100 iterations off a plot.

    Args:
        curve: The optimizer's total loss after 0, 1, 2, ... iterations.
        total: The network's total loss.
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
    """The optimizer's image after some iterations.

    Attributes:
        steps: Iterations.
        seconds: Time from the start until the loss of this iterate was known.
        losses: Losses of the image rounded to 8 bits, computed in float32.
        speed_up: `seconds` over the network's time.
    """

    steps: int
    seconds: float
    losses: dict[str, float]
    speed_up: float


@dataclass(frozen=True)
class Comparison:
    """Results for one photograph.

    Attributes:
        name: The file, as given.
        width: Width in px.
        height: Height in px.
        start: Losses of the optimizer's initial image.
        network: Losses of the network's painting, rounded to 8 bits, computed in float32.
        network_seconds: Median of `REPEATS` runs.
        network_spread: Fastest and slowest run, in seconds.
        milestones: The optimizer's images.
        curve: "seconds", "content", "style", "tv" and "total" after 0, 1, 2, ... iterations, of
            the unrounded images, in the optimizer's precision.
        equivalent: Where `curve` reaches the network's total loss.
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
    """The images of a comparison."""

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
    """Stylize one photograph with the network and with L-BFGS, and compute the same loss of both.

    Args:
        name: The photograph's name in the results.
        photo: "RGB", resized.
        stylizer: The network.
        loss: The loss, on the device for the optimizer.
        steps: Numbers of iterations after which to keep an image; the largest ends the run.
        init: The optimizer's initial image, "content" or "noise".
        precision: Precision of the optimizer.
        seed: Seed of the noise.
        on_progress: Called with each iterate; returns true to cancel.

    Returns:
        The results and the images; None if cancelled.
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

    def keep(item: Iterate, image: Tensor) -> bool:
        if item.step == 0 or item.step in steps:
            kept[item.step] = (item.seconds, image)
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
    images = {step: to_image(image) for step, (_, image) in kept.items()}
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
    """Compute means and standard deviations over the photographs.

    "worse" counts as 0 equivalent iterations and "never" as the last iteration; "bound" says
    whether the mean is therefore "at least", "at most", or (with both or neither) "about" the
    number. A speed-up is the ratio of the mean times.
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
    """Read the training recipe, with the weights of the loss, from a model's metadata.

    Args:
        metadata: `Stylizer.metadata`.
        name: The model's name in errors.

    Raises:
        UserError: The model is a blend, or its recipe is missing, damaged or of another version.
    """
    if metadata.get("blend"):
        raise UserError(
            f"the model {name!r} is a blend, which has no loss of its own: compare its parts"
        )
    try:
        return Recipe(**renamed(Recipe, json.loads(metadata["recipe"])))
    except (KeyError, json.JSONDecodeError) as error:
        raise UserError(
            f"the model {name!r} has no training recipe: export it with fast-nst export"
        ) from error
    except TypeError as error:
        raise UserError(
            f"the model {name!r} was trained by fast_nst {metadata.get('fast_nst', '?')} with "
            f"settings that {__version__} does not know: compare it with that version"
        ) from error


def find_style(metadata: dict[str, str], model: Path, folder: Path | None = None) -> Path:
    """Find the style image that a model was trained on, by its SHA-256.

    Without `folder` it is searched for at the paths in the settings beside the model and of runs in
    `runs/`, in the current folder, beside the model, in `paintings/` and in the package.

    Args:
        metadata: `Stylizer.metadata`.
        model: The model's file.
        folder: The only folder to search, with any file names.

    Raises:
        UserError: It is not found, or another image has its name.
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
    for settings in (*runs_of(Path(name).stem, SETTINGS), model.parent / SETTINGS):
        with contextlib.suppress(yaml.YAMLError, OSError, UnicodeError, AttributeError, TypeError):
            places.insert(0, Path(yaml.safe_load(settings.read_text(encoding="utf-8"))["style"]))
    found = [place for place in places if place.is_file()]
    for place in found:
        if hashlib.sha256(place.read_bytes()).hexdigest() == sha256:
            return place
    if name and found[0].name == name:
        raise UserError(
            f"{str(found[0])!r} is another image than the one that the model was trained on: give "
            "the right one, or this one anyway, with --style IMAGE"
        )
    raise UserError(
        f"the model was trained on {name or 'an unknown image'}, which is not here: "
        "add --style IMAGE, or a folder of images that has it"
    )
