"""What the service works with: upload reader, work queue, decoder processes, stylizers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from fast_nst.errors import UserError
from fast_nst.models.catalogue import is_style
from fast_nst.models.home import own_styles, training_folder
from fast_nst.models.own_styles import is_taken, remove_style
from fast_nst.web.access import Access
from fast_nst.web.decoder_pool import DecoderPool
from fast_nst.web.limits import Limits
from fast_nst.web.models import ServedModel, UnknownStyle, own_model
from fast_nst.web.progress import Jobs
from fast_nst.web.stylizer_pool import StylizerPool
from fast_nst.web.training import Training
from fast_nst.web.upload import UploadReader
from fast_nst.web.videos import Videos
from fast_nst.web.work_queue import WorkQueue


class StyleKept(UserError):
    """A style that is not the user's to remove."""


class Backend:
    """The service's resources, which start and stop together.

    Args:
        models: Models that requests may name; styles that are trained are added.
        limits: Limits of the service.
        video_access: Who may have films painted.
        training_access: Who may train styles.
        removal_access: Who may remove the user's styles.

    Attributes:
        models: As given.
        limits: As given.
        video_access: As given.
        training_access: As given.
        removal_access: As given.
        queue: Slots and threads for requests.
        decoders: Processes that decode and encode images.
        stylizers: Opened models.
        jobs: Progress of the requests.
        videos: Films, and what paints them.
        uploads: Reads request bodies, at most one for each slot.
        training: Trains styles of the user's own.
    """

    def __init__(
        self,
        models: dict[str, ServedModel],
        limits: Limits,
        video_access: Access = Access.NOBODY,
        training_access: Access = Access.NOBODY,
        removal_access: Access = Access.NOBODY,
    ) -> None:
        self.models = models
        self.limits = limits
        self.video_access = video_access
        self.training_access = training_access
        self.removal_access = removal_access
        self.queue: WorkQueue = WorkQueue(limits.workers, limits.queue)
        self.decoders: DecoderPool = DecoderPool()
        self.stylizers: StylizerPool = StylizerPool(models, limits, self.decoders)
        self.jobs: Jobs = Jobs()
        self.videos: Videos = Videos(models, limits)
        self.uploads: UploadReader = UploadReader(limits.slots, limits.upload_bytes)
        self.training: Training = Training(
            training_folder(), own_styles(), self._has_style, self._add_style
        )

    def _has_style(self, name: str) -> bool:
        names = {model.casefold() for model in self.models}
        return name.casefold() in names or is_style(name) or is_taken(name)

    def _add_style(self, name: str, path: Path) -> None:
        self.models[name] = own_model(name, path)

    def remove_style(self, name: str) -> None:
        """Remove a style from the user's folder, and from the models.

        Raises:
            UnknownStyle: There is none of this name.
            StyleKept: It is not in the user's folder.
            UserError: Its file cannot be removed.
        """
        if name not in self.models:
            raise UnknownStyle(f"no style {name!r}: see /api/styles")
        if not self.models[name].is_removable:
            raise StyleKept(f"{name!r} is not in your folder of styles: only those can be removed")
        if (own_styles() / f"{name}.onnx").exists():  # or else somebody has removed it
            remove_style(name)
        del self.models[name]
        for other, model in list(self.models.items()):
            if model.live == name:
                self.models[other] = dataclasses.replace(model, live="")

    def stop(self) -> None:
        """Reject all requests and cancel all work; to be called in the event loop's thread."""
        self.uploads.stop()
        self.queue.stop()
        self.decoders.close()
        self.videos.stop()
