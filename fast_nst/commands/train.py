"""`fast-nst train`: one style, from flags and YAML to a run's folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from fast_nst.commands.artifacts import report_artifacts
from fast_nst.commands.parsing import parse
from fast_nst.commands.progress import Progress
from fast_nst.training.run import TrainResult, train
from fast_nst.training.settings import TrainConfig


def run(argv: Sequence[str], prog: str, description: str) -> int:
    """Train what the command line and its YAML files say, and say what to look at."""
    config = parse(TrainConfig, argv, prog, description)
    # With several devices Lightning starts this command again for each; the first one speaks.
    is_first = int(os.environ.get("LOCAL_RANK", "0")) == 0
    quiet = not is_first or config.trainer.get("enable_progress_bar") is False
    with Progress(quiet, unit="step") as progress:

        def each(step: int, steps: int, loss: float) -> bool:
            return progress.show(step, steps, "training", {"loss": loss})

        def notice(line: str) -> None:
            if is_first:
                print(line, file=sys.stderr)

        result = train(config, each=each, notice=notice)
    if result.is_main_process:
        _report(result)
    return 0


def _report(result: TrainResult) -> None:
    for name in result.unreadable:
        print(f"skipped, cannot be read: {name}", file=sys.stderr)
    if result.unreadable:
        print(f"{len(result.unreadable)} photographs skipped", file=sys.stderr)
    report_artifacts(result.artifacts)
    print(f"{result.steps} steps in {result.seconds:.0f} s. Wrote to {result.folder}:")
    print(f"  {result.model.name}  {result.checkpoint.name}  {result.preview.name}  tensorboard/")
    print(f"Look at {result.preview}, then stylize a photograph of yours:")
    print(f"  fast-nst infer PHOTO.jpg -m {result.model} -o painting.jpg")
