"""What a service takes at most; the flags of `fast-nst serve` are made from these fields."""

from __future__ import annotations

from dataclasses import dataclass

from fast_nst.errors import UserError
from fast_nst.options import bytes_of, check, option


@dataclass(kw_only=True)
class Limits:
    """Limits of the service."""

    max_upload: str = option("of a picture's file, in MB or GB", "25MB", metavar="SIZE")
    max_pixels: int = option("of a picture, and of its painting", 50_000_000, metavar="N", least=1)
    workers: int = option(
        "pictures painted at a time, with the cores shared out among them; a busy service does "
        "best with one a core",
        2,
        metavar="N",
        least=1,
        most=256,
    )
    queue: int = option(
        "requests that wait for that; more are sent away, and told when to come again",
        16,
        metavar="N",
        least=0,
        most=10_000,
    )
    seconds: float = option(
        "that a request may take, its upload included", 60.0, metavar="S", above=0
    )
    max_memory: str = option(
        "the networks' working memory, in MB or GB; larger pictures are painted in tiles",
        "1GB",
        metavar="SIZE",
    )

    def __post_init__(self) -> None:
        """Refuse what is out of range.

        Raises:
            UserError: A value is.
        """
        check(self)
        if self.upload_bytes < 1000:
            raise UserError(f"--max-upload is {self.max_upload}: it must be at least 0.001MB")

    @property
    def upload_bytes(self) -> int:
        """`max_upload`, in bytes."""
        return bytes_of(self.max_upload)

    @property
    def places(self) -> int:
        """Pictures that are painted or wait for it."""
        return self.workers + self.queue
