"""Options of the commands that need the `train` extra; their `--help` works without it."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from pathlib import Path

from fast_nst.choices import PRECISIONS
from fast_nst.commands.shared import model_option, quality_option, with_weight
from fast_nst.comparison import NUMBERS, PAGE, SHEET
from fast_nst.engines.engine import provider_option, threads_option
from fast_nst.errors import UserError
from fast_nst.loss_settings import CLASSIC_STYLE_LAYERS, LossSettings
from fast_nst.options import Parser, check, like, option, parser_of, positional
from fast_nst.reference.settings import INITS, LEARNING_RATES, OPTIMIZERS, STEPS
from fast_nst.training.preview_settings import PreviewSettings
from fast_nst.training.settings import TrainConfig

CONFIG = "--config"
_RATES = ", ".join(f"{rate:g} for {name}" for name, rate in LEARNING_RATES.items())


def parser_with_config(options: type, prog: str, description: str | None) -> Parser:
    """The parser of a command that also reads YAML files."""
    parser = parser_of(options, prog, description)
    parser.add_argument(
        CONFIG,
        action="append",
        default=[],
        metavar="FILE",
        help="YAML file with any of these options as keys, or the name of a recipe in the package; "
        "flags replace its values",
    )
    return parser


@dataclass(kw_only=True)
class TrainOptions(TrainConfig):
    """The options of `fast-nst train`: a run's settings, and several styles."""

    style: list[str] | None = option(  # type: ignore[assignment]  # a run has one
        "style image, at least 32 px; several, or a folder of them, are trained in turn; default: "
        "the sample painting in the package",
        [],
        metavar="IMAGE",
    )
    live: str | None = option(
        "photograph to paint every few seconds of the training, into the run's live.jpg",
        None,
        metavar="PHOTO",
    )
    no_install: bool = option(
        "leave the finished model in the run's folder; by default the user's folder gets a copy, "
        "whose name any command finds",
        False,
    )
    quiet: bool = option("print nothing but warnings and errors", False, "-q")
    json: bool = option(
        "print one JSON object a second on standard output: state, step, seconds, left, loss", False
    )


@dataclass(kw_only=True)
class PreviewOptions(PreviewSettings):
    """The options of `fast-nst preview`."""

    quiet: bool = option("print nothing but warnings and errors", False, "-q")


@dataclass
class ExportOptions:
    """The options of `fast-nst export`."""

    source: str = positional(
        "training checkpoint, for example runs/x/best.ckpt; or an exported model, to rewrite it "
        "with the current graph",
        metavar="CHECKPOINT",
    )
    output: str = option("the .onnx file to write", MISSING, "-o", metavar="MODEL")
    quiet: bool = option("print nothing but warnings and errors", False, "-q")

    def __post_init__(self) -> None:
        """Check the values, without opening a file.

        Raises:
            UserError: A value has the wrong type.
        """
        check(self)


@dataclass(kw_only=True)
class OptimizeOptions(LossSettings):
    """The options of `fast-nst optimize`."""

    style_layers: list[str] = like(LossSettings, "style_layers", CLASSIC_STYLE_LAYERS)
    content: str = positional("the photograph", metavar="CONTENT")
    style: list[str] = option(
        "style image; several with their weights: --style a.jpg:0.7 --style b.jpg:0.3",
        metavar="STYLE[:WEIGHT]",
        repeat=True,
    )
    output: str = option(
        "image file to write, or a folder, ending in / if new", MISSING, "-o", metavar="OUT"
    )
    steps: int = option("updates, at each scale", STEPS, least=1)
    size: int = option("longer side of the result, in px", 512, metavar="PX", least=1)
    style_size: int | None = option(
        "shorter side to which the style image is resized, in px, enlarged at most twofold: larger "
        "for larger strokes; default: that of the result, not enlarged",
        None,
        metavar="PX",
        least=1,
    )
    scales: int = option(
        "scales, coarse to fine: 3 optimizes at 1/4, 1/2 and full size", 1, least=1
    )
    init: str = option(
        "initial picture: content, noise, an image, or an exported model (an .onnx file or a "
        "style's name), whose painting is refined",
        "content",
    )
    keep_colors: bool = option("keep the photograph's colors, paint the luminance only", False)
    optimizer: str = option("optimization method", "lbfgs", choices=OPTIMIZERS)
    lr: float | None = option(f"step length; default: {_RATES}", None, above=0)
    seed: int = option("seed of --init noise", 0, least=0, most=2**32 - 1)
    precision: str = option(
        "arithmetic; auto takes the faster of 32 and bf16 on this machine",
        "auto",
        choices=PRECISIONS,
    )
    device: str = option("auto, cpu, cuda, cuda:1, mps", "auto")
    threads: int | None = threads_option()
    save_every: int | None = option(
        "write a frame every N updates, into the folder OUT_frames", None, metavar="N", least=1
    )
    quality: int = quality_option()
    overwrite: bool = option("replace the output file if it exists", False)
    json: bool = option("print the result's losses as one JSON object on standard output", False)
    quiet: bool = option("print nothing but errors", False, "-q")

    def __post_init__(self) -> None:
        """Check the values, without opening a file.

        Raises:
            UserError: A value is out of its range.
        """
        super().__post_init__()
        if not self.output:
            raise UserError("no output: add -o FILE")
        self.style_shares  # noqa: B018, it checks them

    @property
    def style_shares(self) -> list[tuple[Path, float]]:
        """Each style image with its weight."""
        found = (with_weight(given, "--style IMAGE") for given in self.style)
        return [(Path(path), share) for path, share in found]


@dataclass
class CompareOptions:
    """Options of `fast-nst compare`."""

    photos: list[str] = positional(
        "image files or folders, ideally not used in training", metavar="PHOTO"
    )
    output: str = option(
        f"output folder for {NUMBERS}, {PAGE} and {SHEET}", MISSING, "-o", metavar="DIR"
    )
    model: str | None = model_option()
    style: str | None = option(
        "style image for the loss, or a folder to search for the one that the model was trained "
        "on; default: search the package, the run and paintings/",
        None,
        metavar="STYLE",
    )
    steps: list[int] = option(
        "iterations after which to score the optimizer's image",
        [25, 50, 100, 200, 500],
        least=1,
        metavar="N",
        commas=True,
    )
    size: int = option("longer side of the images, in px", 256, metavar="PX", least=1)
    init: str = option("initial image of the optimizer", "content", choices=INITS)
    vgg: str | None = option("VGG-19 weights; default: those the model was trained with", None)
    precision: str = option(
        "precision of the optimizer; auto selects the faster of 32 and bf16 on this machine",
        "auto",
        choices=PRECISIONS,
    )
    device: str = option("device for the optimizer: auto, cpu, cuda, cuda:1, mps", "auto")
    provider: str = provider_option()
    threads: int | None = threads_option(" of both")
    seed: int = option("random seed of --init noise", 0, least=0, most=2**32 - 1)
    overwrite: bool = option("overwrite an existing report in DIR", False)
    quiet: bool = option("print nothing but errors", False, "-q")

    def __post_init__(self) -> None:
        """Validate the options.

        Raises:
            UserError: A value is out of range, or `output` or `steps` is empty.
        """
        check(self)
        if not self.output:
            raise UserError("no output: add -o DIR")
        if not self.steps:
            raise UserError("--steps is empty: give numbers of iterations")
        self.steps = sorted(set(self.steps))
