"""Limits of the service, as flags of `fast-nst serve`."""

from __future__ import annotations

from dataclasses import dataclass

from fast_nst.errors import UserError
from fast_nst.numeric import bytes_of
from fast_nst.options import check, option


@dataclass(kw_only=True)
class Limits:
    """Limits of the service."""

    max_upload: str = option("maximum file size of an upload, in MB or GB", "25MB", metavar="SIZE")
    max_video: str = option(
        "maximum file size of a film, which is stored in the folder for temporary files while it "
        "is painted",
        "500MB",
        metavar="SIZE",
    )
    max_pixels: int = option(
        "reject images, and results, with more pixels; guards against decompression bombs",
        50_000_000,
        metavar="N",
        least=1,
    )
    workers: int = option(
        "images stylized in parallel; they share the cores, one worker per core has the highest "
        "throughput",
        2,
        metavar="N",
        least=1,
        most=256,
    )
    queue: int = option(
        "requests that wait for a worker; further ones get status 503 with Retry-After",
        16,
        metavar="N",
        least=0,
        most=10_000,
    )
    seconds: float = option(
        "request timeout in seconds, upload included", 60.0, metavar="S", above=0
    )
    max_memory: str = option(
        "working memory of the networks, in MB or GB; larger images are processed in tiles",
        "1GB",
        metavar="SIZE",
    )

    def __post_init__(self) -> None:
        """Validate the values.

        Raises:
            UserError: A value is out of range.
        """
        check(self)
        if self.upload_bytes < 1000:
            raise UserError(f"--max-upload is {self.max_upload}: it must be at least 0.001MB")
        if self.video_bytes < 1000:
            raise UserError(f"--max-video is {self.max_video}: it must be at least 0.001MB")

    @property
    def upload_bytes(self) -> int:
        """`max_upload`, in bytes."""
        return bytes_of(self.max_upload)

    @property
    def video_bytes(self) -> int:
        """`max_video`, in bytes."""
        return bytes_of(self.max_video)

    @property
    def slots(self) -> int:
        """Requests that are processed or wait."""
        return self.workers + self.queue
