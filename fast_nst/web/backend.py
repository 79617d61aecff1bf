"""What the service works with: upload reader, work queue, decoder processes, stylizers."""

from __future__ import annotations

from fast_nst.web.decoder_pool import DecoderPool
from fast_nst.web.limits import Limits
from fast_nst.web.models import Models
from fast_nst.web.progress import Jobs
from fast_nst.web.stylizer_pool import StylizerPool
from fast_nst.web.upload import UploadReader
from fast_nst.web.videos import Videos
from fast_nst.web.work_queue import WorkQueue


class Backend:
    """The service's resources, which start and stop together.

    Args:
        models: Models that requests may name.
        limits: Limits of the service.
        allow_videos: Whether films are painted.

    Attributes:
        models: As given.
        limits: As given.
        queue: Slots and threads for requests.
        decoders: Processes that decode and encode images.
        stylizers: Opened models.
        jobs: Progress of the requests.
        videos: Films, and what paints them.
        uploads: Reads request bodies, at most one for each slot.
    """

    def __init__(self, models: Models, limits: Limits, allow_videos: bool = False) -> None:
        self.models = models
        self.limits = limits
        self.queue: WorkQueue = WorkQueue(limits.workers, limits.queue)
        self.decoders: DecoderPool = DecoderPool()
        self.stylizers: StylizerPool = StylizerPool(models, limits, self.decoders)
        self.jobs: Jobs = Jobs()
        self.videos: Videos = Videos(models, limits, allow_videos)
        self.uploads: UploadReader = UploadReader(limits.slots, limits.upload_bytes)

    def stop(self) -> None:
        """Reject all requests and cancel all work; to be called in the event loop's thread."""
        self.uploads.stop()
        self.queue.stop()
        self.decoders.close()
        self.videos.stop()
