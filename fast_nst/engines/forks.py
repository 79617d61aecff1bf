"""Objects with threads, in processes made by `os.fork`.

A forked process inherits its parent's objects without their threads. An engine that is used or
destroyed there would wait forever for threads that do not exist.
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

_Owner = TypeVar("_Owner")
_actions: weakref.WeakKeyDictionary[Any, Callable[[Any], None]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()
# Strong references while a process forks, so that nothing is destroyed before its action has run.
_held: list[tuple[Any, Callable[[Any], None]]] = []


def after_fork(owner: _Owner, action: Callable[[_Owner], None]) -> None:
    """Call `action(owner)` in each process that is forked while `owner` exists."""
    with _lock:
        _actions[owner] = action


def abandon(owner: object) -> None:
    """Never destroy an object, since its destructor would wait for threads of another process."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))


def _leave_at_exit() -> None:
    """Skip the static destructors of C++ libraries at the end of this process, if libc allows it.

    ONNX Runtime starts a thread at its import, OpenVINO with its first network; their destructors
    wait for these threads.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "on_exit"):  # glibc; called in reverse order
        for last in (libc._exit, libc.fcloseall):  # `_exit` gets the exit code
            libc.on_exit(ctypes.cast(last, ctypes.c_void_p), None)


def _before() -> None:
    _lock.acquire()
    _held.extend(_actions.items())


def _in_parent() -> None:
    _held.clear()
    _lock.release()


def _in_child() -> None:
    _leave_at_exit()
    try:
        for owner, action in _held:
            action(owner)
    finally:
        _in_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
