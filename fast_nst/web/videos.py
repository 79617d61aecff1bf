"""Films that the service paints, one at a time, each in a process of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import secrets
import shutil
import signal
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from starlette.requests import Request

from fast_nst.errors import UserError, one_line
from fast_nst.stylize.video import LIVE
from fast_nst.web.child_process import ChildProcess
from fast_nst.web.file_upload import receive_file
from fast_nst.web.limits import Limits
from fast_nst.web.models import Models, UnknownStyle, model_named
from fast_nst.web.stylizer_pool import PaintRequest
from fast_nst.web.video_worker import RESULT, VideoTask, source_name
from fast_nst.web.work_queue import ShuttingDown

INSTALL = 'pip install "fast-nst[video]"'
_PREFIX = "fast_nst-video-"  # of folders for temporary files
_STALE = 2 * 24 * 60 * 60  # s, after which such a folder is one that a killed service has left
_KEEP_SECONDS = 60 * 60  # after a film has ended
_MAX_KEPT = 4  # films that have ended
_STALLED = 10 * 60  # s without a frame, after which a film gives way to another
_UPLOAD = "upload"


class VideoExtraMissing(UserError):
    """The extra `video` is not installed."""


class VideoBusy(UserError):
    """Another film is being painted, or has the same identifier."""


class VideoUnfinished(UserError):
    """The film is not painted, or not yet."""


class UnknownVideo(UserError):
    """An identifier that no film has."""


@dataclass(frozen=True)
class VideoStatus:
    """The state of a film.

    Attributes:
        state: "waiting" for its upload or its first frame, "painting", "done" or "failed".
        done: Frames painted.
        total: Approximate number of all frames; 0 if unknown.
        left: Estimated time left, in seconds; None if unknown.
        error: Why it failed, in one line; "" otherwise.
    """

    state: Literal["waiting", "painting", "done", "failed"]
    done: int
    total: int
    left: float | None
    error: str


class _Video:
    """A film, its temporary folder, and the process and the thread that paint it."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
        self.path = Path(self.folder.name)
        self.child: ChildProcess | None = None
        self.thread: threading.Thread | None = None
        self.timer: threading.Timer | None = None
        self.is_removed = False
        self.is_over = False
        self.error = ""
        self.done, self.total = 0, 0
        self.first_at = 0.0
        self.latest_at = time.monotonic()  # when it was given, started, or had a frame
        self.lock = threading.Lock()

    @property
    def status(self) -> VideoStatus:
        """Its state."""
        with self.lock:
            if self.is_over:
                return VideoStatus(
                    "failed" if self.error else "done", self.done, self.done, None, self.error
                )
            left = None
            if self.total and self.done > 1:
                seconds = (self.latest_at - self.first_at) / (self.done - 1)
                left = round(seconds * (self.total - self.done), 1)
            return VideoStatus(
                "painting" if self.done else "waiting", self.done, self.total, left, ""
            )

    @property
    def is_stalled(self) -> bool:
        """Whether there has been no frame for a long time."""
        return not self.is_over and time.monotonic() - self.latest_at > _STALLED

    def start(self, task: VideoTask) -> None:
        """Start the process, unless the film was removed or has failed."""
        with self.lock:
            if not (self.is_removed or self.error):
                self.latest_at = time.monotonic()
                arguments = [self.folder.name, task.to_json()]
                self.child = ChildProcess("fast_nst.web.video_worker", arguments)

    def follow(self) -> None:
        """Read what the process prints until its end."""
        assert self.child is not None
        error: str | None = None
        for line in self.child.lines():
            match _record(line):
                case {"error": str(error)}:
                    pass
                case {"done": int(done), "total": int(total)}:
                    with self.lock:
                        self.latest_at = time.monotonic()
                        self.first_at = self.first_at or self.latest_at
                        self.done, self.total = done, max(done, total) if total else 0
        self.kill()
        self.end(_reason(self.child.wait()) if error is None else error)

    def end(self, error: str) -> None:
        """Set the state, failed if there is an error, and delete all files but the result."""
        for file in self.path.glob("*"):
            if file.name != RESULT:
                file.unlink(missing_ok=True)
        with self.lock:
            self.is_over = True
            self.error = self.error or error

    def kill(self, error: str = "") -> None:
        """End the process; `error` is what the state says then."""
        with self.lock:
            self.error = self.error or error
            if self.child is not None:
                self.child.kill()


def _record(line: str) -> object:
    """A line of JSON; None if it is none, since a damaged process may print anything."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _reason(code: int) -> str:
    """Why a process has ended without a word."""
    if code == -getattr(signal, "SIGKILL", 0):  # by the out-of-memory killer
        return "not enough memory for this film: try a smaller one"
    return "the film is damaged: its decoder crashed"


class Videos:
    """The films of the service. Its methods may be called from any thread.

    Args:
        models: Models that requests may name.
        limits: Limits of the service.
    """

    def __init__(self, models: Models, limits: Limits) -> None:
        self._models = models
        self._limits = limits
        self._videos: dict[str, _Video] = {}  # oldest first
        self._lock = threading.Lock()
        self._is_stopped = False

    def described(self) -> dict[str, Any]:
        """What the page has to know."""
        return {
            "missing": "" if _is_installed() else INSTALL,
            "max_bytes": self._limits.video_bytes,
        }

    def check(self) -> None:
        """Check that a film could be painted now.

        Raises:
            VideoExtraMissing: The extra `video` is not installed.
            VideoBusy: Another film is being painted.
            ShuttingDown: `stop` was called.
        """
        if not _is_installed():
            raise VideoExtraMissing(
                f"films need the video extra, which is not installed: {INSTALL}, with Python 3.11 "
                "or newer"
            )
        if self._is_stopped:
            raise ShuttingDown
        with self._lock:
            others = list(self._videos.values())
        for video in others:
            if video.is_stalled:
                minutes = _STALLED // 60
                video.kill(f"no frame was painted for {minutes} minutes, and another film was sent")
            elif not video.is_over:
                raise VideoBusy(
                    "another film is being painted, and films are painted one at a time: wait for "
                    "it, or cancel it"
                )

    async def receive(self, request: Request, wanted: PaintRequest, name: str | None) -> str:
        """Read a film from the body of a request, and begin to paint it.

        Args:
            request: A request whose body has not been read.
            wanted: How it is painted; checked.
            name: The film's identifier; None makes one.

        Returns:
            The film's identifier.

        Raises:
            VideoBusy: Another film is being painted, or has the identifier; or this one's upload
                gave way to another.
            UnknownVideo: It was removed during its upload.
            Exception: See `check` and `receive_file`.
        """
        self.check()
        _remove_stale()
        name = name or secrets.token_urlsafe(16)
        with self._lock:
            ended = [other for other, video in self._videos.items() if video.is_over]
        for other in ended[: max(len(ended) - _MAX_KEPT + 1, 0)]:
            self._discard(other)
        with self._lock:
            if name in self._videos:
                raise VideoBusy(f"a film has the identifier {name!r}: choose another one")
            video = self._videos[name] = _Video()

        def check() -> None:
            if self._is_stopped:
                raise ShuttingDown
            if video.error:
                raise VideoBusy(video.error)
            if video.is_removed:
                raise UnknownVideo("the film was removed")

        try:
            await receive_file(request, video.path / _UPLOAD, self._limits.video_bytes, check)
            check()
            with self._lock:  # so that `_discard` finds the thread
                if self._videos.get(name) is video:
                    arguments = (name, video, wanted)
                    video.thread = threading.Thread(target=self._paint, args=arguments, daemon=True)
                    video.thread.start()
        except BaseException:
            if not video.is_removed:
                self._discard(name)
            video.folder.cleanup()  # of what was written after its removal
            raise
        return name

    def status(self, name: str) -> VideoStatus:
        """The state of a film.

        Raises:
            UnknownVideo: There is none with this identifier.
        """
        return self._video(name).status

    def result(self, name: str) -> Path:
        """The painted film, an MP4 file.

        Raises:
            UnknownVideo: There is none with this identifier.
            VideoUnfinished: It failed, or is still being painted.
        """
        video = self._video(name)
        status = video.status
        if status.state == "failed":
            raise VideoUnfinished(f"the film could not be painted: {status.error}")
        if status.state != "done":
            raise VideoUnfinished("the film is being painted: wait until its state is done")
        return video.path / RESULT

    def remove(self, name: str) -> None:
        """Cancel a film if it is being painted, and delete its files.

        Raises:
            UnknownVideo: There is none with this identifier.
        """
        self._video(name)
        self._discard(name)

    def stop(self) -> None:
        """Remove all films, and refuse new ones."""
        self._is_stopped = True
        with self._lock:
            names = list(self._videos)
        for name in names:
            self._discard(name)

    def _video(self, name: str) -> _Video:
        with self._lock:
            video = self._videos.get(name)
        if video is None:
            raise UnknownVideo("no such film: it was removed, or it ended an hour ago")
        return video

    def _discard(self, name: str) -> None:
        with self._lock:
            video = self._videos.pop(name, None)
        if video is None:
            return
        if video.timer is not None:
            video.timer.cancel()
        with video.lock:
            video.is_removed = True
        video.kill()
        if video.thread is not None:
            video.thread.join()
        video.folder.cleanup()

    def _paint(self, name: str, video: _Video, wanted: PaintRequest) -> None:
        """In a thread: paint a film, and remove it when its time is up."""
        try:
            video.start(self._task(video.path, wanted))
            if video.child is None:
                video.end("")
            else:
                video.follow()
        except OSError as error:
            video.end(f"cannot paint the film: {error.strerror}")
        except UnknownStyle as error:  # which was removed during the upload
            video.end(one_line(error))
        timer = threading.Timer(_KEEP_SECONDS, self._discard, [name])
        timer.daemon = True
        with self._lock:
            if name in self._videos:
                video.timer = timer
                timer.start()

    def _task(self, folder: Path, wanted: PaintRequest) -> VideoTask:
        upload = folder / _UPLOAD
        with upload.open("rb") as file:
            source = source_name(file.read(16))
        upload.rename(folder / source)
        return VideoTask(
            source=source,
            models=self._write_models(folder, wanted),
            strength=wanted.options.strength,
            detail=wanted.options.detail,
            keep_colors=wanted.options.keep_colors,
            max_pixels=self._limits.max_pixels,
            max_memory=self._limits.max_memory,
        )

    def _write_models(self, folder: Path, wanted: PaintRequest) -> dict[str, float]:
        """Write the styles' files, or those of their film models if all have one."""
        names = [name for name, _ in wanted.styles]
        films = [film for film in map(self._film_model, names) if film]
        used = films if len(films) == len(names) else names
        files: dict[str, float] = {}
        for number, (name, (_, weight)) in enumerate(zip(used, wanted.styles, strict=True)):
            file = f"{number}.onnx"
            (folder / file).write_bytes(model_named(self._models, name).part.data)
            files[file] = weight
        return files

    def _film_model(self, name: str) -> str | None:
        model = model_named(self._models, name)
        return model.live or (name if model.network == LIVE else None)


def _is_installed() -> bool:
    return importlib.util.find_spec("av") is not None


def _remove_stale() -> None:
    """Delete the folders that killed services have left."""
    oldest = time.time() - _STALE
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)
