"""Lightning callbacks for programs that watch a training: a live painting, and progress events."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from fast_nst.errors import UserError
from fast_nst.pictures.detail import DETAIL, add_detail
from fast_nst.pictures.edit import from_array, resize_longest, to_array
from fast_nst.pictures.read import open_photograph
from fast_nst.pictures.write import save_image
from fast_nst.training.models import PixelNetwork
from fast_nst.training.module import StyleTransfer

LIVE = "live.jpg"  # in the run's folder
EVERY = 4.0  # seconds from one painting to the next
_SHARE = 0.05  # of the run's time for them at most
_SIZE = 512  # px, longer side
_QUALITY = 90
_EVENT_EVERY = 1.0  # seconds


class LivePainting(Callback):
    """Paints a photograph every few seconds, as the network is then, into the run's `live.jpg`.

    A painting that cannot be written is left out.

    Args:
        photograph: Its file, of which a copy with a longer side of at most 512 px is painted.

    Attributes:
        count: Paintings so far.

    Raises:
        UserError: The photograph cannot be read.
    """

    def __init__(self, photograph: Path) -> None:
        photo = open_photograph(photograph)
        self._photo = to_array(resize_longest(photo, min(_SIZE, max(photo.size))))
        self._next = -math.inf
        self.count = 0

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any, **__: Any
    ) -> None:
        """Paint if it is time to."""
        if time.monotonic() >= self._next:
            self._paint(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Paint the last one."""
        self._paint(trainer, pl_module)

    def _paint(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if not trainer.is_global_zero or not isinstance(module, StyleTransfer):
            return
        began = time.monotonic()
        image = torch.from_numpy(np.ascontiguousarray(self._photo))[None].to(module.device)
        with torch.no_grad():
            painting = PixelNetwork(module.network)(image)[0].cpu().numpy()
        painting = add_detail(self._photo, painting, DETAIL)
        with contextlib.suppress(UserError):
            save_image(from_array(painting), Path(trainer.default_root_dir) / LIVE, _QUALITY)
            self.count += 1
        ended = time.monotonic()
        self._next = ended + max(EVERY, (ended - began) / _SHARE)


class Events(Callback):
    """Reports a run's progress as plain values, at most once a second.

    Args:
        emit: Called with `state`, which is "training" or, after the last step, "exporting";
            `seconds` since the first step; `left`, the estimated seconds to the last one; `step`,
            `steps`, `loss`; and `paintings`, the number of live ones.
        painting: The callback that counts them.
    """

    def __init__(
        self, emit: Callable[[dict[str, Any]], None], painting: LivePainting | None = None
    ) -> None:
        self._emit = emit
        self._painting = painting
        self._next = -math.inf

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any, **__: Any
    ) -> None:
        """Report if it is time to."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _EVENT_EVERY
            self._report("training", trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Report the end of the steps."""
        self._report("exporting", trainer, pl_module)

    def _report(self, state: str, trainer: L.Trainer, module: L.LightningModule) -> None:
        if not isinstance(module, StyleTransfer):
            return
        step, steps, minutes = trainer.global_step, module.config.steps, module.config.minutes
        seconds = module.seconds
        left = seconds / max(step, 1) * (steps - step)
        if minutes is not None and (module.follows_time or seconds < 60 * minutes):
            left = min(left, max(60 * minutes - seconds, 0.0))
        self._emit(
            {
                "state": state,
                "step": step,
                "steps": steps,
                "seconds": round(seconds, 2),
                "left": 0.0 if state == "exporting" else round(left, 2),
                "loss": module.step_loss if math.isfinite(module.step_loss) else None,
                "paintings": self._painting.count if self._painting else 0,
            }
        )
