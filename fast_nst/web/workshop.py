"""What paints for a service: uploads, places, decoders, networks; they begin and end together."""

from __future__ import annotations

from fast_nst.web.decoders import Decoders
from fast_nst.web.desk import Desk
from fast_nst.web.limits import Limits
from fast_nst.web.models import Models
from fast_nst.web.painters import Painters
from fast_nst.web.upload import Uploads


class Workshop:
    """All that a service works with.

    Args:
        models: What it paints with.
        limits: What it takes.

    Attributes:
        models: As given.
        limits: As given.
        desk: The places.
        decoders: The processes that read and write pictures.
        painters: The networks.
        uploads: The bodies on their way; as many as there are places.
    """

    def __init__(self, models: Models, limits: Limits) -> None:
        self.models = models
        self.limits = limits
        self.desk = Desk(limits.workers, limits.queue)
        self.decoders = Decoders()
        self.painters = Painters(models, limits, self.decoders)
        self.uploads = Uploads(limits.places, limits.upload_bytes)

    def stop(self) -> None:
        """Send everybody away, and have all work end as soon as it can; for the loop's thread."""
        self.uploads.stop()
        self.desk.stop()
        self.decoders.close()
