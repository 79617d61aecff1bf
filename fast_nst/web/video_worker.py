"""The program that paints a film for the service, in a process that can be killed at any time.

`python -m fast_nst.web.video_worker FOLDER TASK`, where FOLDER contains all files and TASK is a
`VideoTask` in JSON. Prints a line of JSON for each frame, with the frames `done` and their `total`
(0 if unknown), and a last one with the `error`, which is empty if there was none.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

from fast_nst.errors import FadeWarning, UserError, one_line
from fast_nst.stylize.stylizer import Stylizer
from fast_nst.stylize.video import stylize_video
from fast_nst.videos.codecs import is_animation

RESULT = "painting.mp4"
# FFmpeg's names of formats that never refer to other files, as playlists do.
_CONTAINERS = frozenset(
    [
        "mov",
        "matroska",
        "avi",
        "mpegts",
        "mpeg",
        "mpegvideo",
        "ogg",
        "flv",
        "asf",
        "mxf",
        "dv",
        "ivf",
        "h264",
        "hevc",
    ]
)


@dataclass(frozen=True, kw_only=True)
class VideoTask:
    """A film to paint, and how.

    Attributes:
        source: Name of the film's file.
        models: Names of the styles' files, and their weights.
        strength: As for `Stylizer`.
        detail: As for `Stylizer`.
        keep_colors: As for `Stylizer`.
        max_pixels: Maximum pixels of a frame.
        max_memory: As for `Stylizer`.
    """

    source: str
    models: dict[str, float]
    strength: float
    detail: float
    keep_colors: bool
    max_pixels: int
    max_memory: str

    def to_json(self) -> str:
        """The task as an argument of this program."""
        return json.dumps(dataclasses.asdict(self))

    def __call__(self) -> None:
        """Paint the film to the file `RESULT`.

        Raises:
            UserError: The film cannot be read, painted or written.
        """
        check_container(Path(self.source))
        stylize_video(
            self.source,
            RESULT,
            Stylizer(self.models, pictures=math.inf, max_memory=self.max_memory),
            strength=self.strength,
            detail=self.detail,
            keep_colors=self.keep_colors,
            max_pixels=self.max_pixels,
            on_progress=_report,
        )


def check_container(path: Path) -> None:
    """Refuse pictures; and playlists and the like, which could refer to any file of this machine.

    Raises:
        UserError: The file is not a film, or in another format than one of `_CONTAINERS`.
    """
    if is_animation(path):
        return
    from fast_nst.videos.container import open_video

    with open_video(path) as container:
        names = container.format.name.split(",")
    if _CONTAINERS.isdisjoint(names):
        raise UserError(f"{str(path)!r} is no film ({names[0]}): give one as MP4, MOV, MKV or WebM")


def source_name(head: bytes) -> str:
    """The name for a film's file that begins with these bytes, with a suffix if it needs one."""
    if head.startswith(b"GIF8"):
        return "film.gif"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "film.webp"
    return "film"


def _report(done: int, total: int) -> None:
    _print(done=done, total=total)


def _print(**record: object) -> None:
    sys.stdout.write(f"{json.dumps(record)}\n")
    sys.stdout.flush()


def main(folder: str, task: str) -> None:
    """Run the program."""
    os.chdir(folder)
    warnings.simplefilter("ignore", FadeWarning)  # the page marks styles that fade
    error = ""
    try:
        VideoTask(**json.loads(task))()
    except UserError as reason:
        error = one_line(reason)
    except MemoryError:
        error = "not enough memory for this film: try a smaller one"
    except OSError as reason:
        error = f"cannot write the painting: {one_line(reason.strerror or reason)}"
    _print(error=error)


if __name__ == "__main__":
    main(*sys.argv[1:])
