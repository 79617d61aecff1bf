"""The folder of a run: chosen, and locked against other trainings on this machine."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from fast_nst.errors import UserError
from fast_nst.files import claim_folder, make_folder
from fast_nst.models.catalogue import RUNS
from fast_nst.training.checkpoints import CHECKPOINT, style_name
from fast_nst.training.settings import TrainConfig

if sys.platform != "win32":
    import fcntl


def run_folder(config: TrainConfig) -> Path:
    """The run's folder: `config.out`, or the first free of runs/<style>, runs/<style>-2, ...

    Raises:
        UserError: `config.out` holds a run already, or cannot be written to.
    """
    if config.out is not None:
        folder = Path(config.out)
        _refuse_another(folder, config)
        make_folder(folder)
        return folder
    if config.num_nodes > 1:
        raise UserError(
            "num_nodes without out: name a folder, the same on each machine", "num_nodes", "out"
        )
    return claim_folder(RUNS / style_name(config.style))


def _refuse_another(folder: Path, config: TrainConfig) -> None:
    is_its_own = config.resume and Path(config.resume).resolve().parent == folder.resolve()
    if (folder / CHECKPOINT).exists() and not is_its_own:
        raise UserError(
            f"{str(folder)!r} holds a run: add resume last to continue it, or change out",
            "resume",
            "out",
        )


@contextlib.contextmanager
def locked(folder: Path, config: TrainConfig) -> Iterator[None]:
    """Lock a run's folder against other trainings on this machine.

    The operating system releases the lock however the process ends. Windows and some network
    drives have none. A folder that was made for the run is removed if an error leaves it empty.

    Args:
        folder: The run's folder.
        config: The run's settings.

    Raises:
        UserError: Another training uses the folder, or has left a run in it since it was chosen.
    """
    with contextlib.ExitStack() as stack:
        # Of several processes of one run, the first one holds it.
        if config.num_nodes == 1 and int(os.environ.get("LOCAL_RANK", "0")) == 0:
            stack.enter_context(_flock(folder))
            _refuse_another(folder, config)
        try:
            yield
        except BaseException:
            if config.out is None:
                with contextlib.suppress(OSError):  # it holds something
                    folder.rmdir()
            raise


@contextlib.contextmanager
def _flock(folder: Path) -> Iterator[None]:
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UserError(
            f"another training works in {str(folder)!r}: wait for its end, or change out", "out"
        ) from None
    except OSError:  # a drive that knows no locks
        pass
    try:
        yield
    finally:
        os.close(descriptor)
