"""What holds threads of its own, and is taken through `os.fork`.

A forked process has its parent's objects without the threads that belong to them: an engine that is
used there, or let go, would wait for good for threads that are not there.
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
# While a process forks: the child drops what its parent's other threads hold, before it runs ours.
_held: list[tuple[Any, Callable[[Any], None]]] = []


def after_fork(owner: _Owner, action: Callable[[_Owner], None]) -> None:
    """Call `action(owner)` in each process that is forked off while `owner` lives."""
    with _lock:
        _actions[owner] = action


def abandon(owner: object) -> None:
    """Keep an object for good: what its destructor waits for is not in this process."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))


def _leave_at_exit() -> None:
    """Let this process end without the destructors of C++ libraries, where that can be told.

    ONNX Runtime has a thread from its import on, OpenVINO from its first network; at the end of a
    process, after Python's own, their destructors wait for those.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "on_exit"):  # of glibc; what is given last is called first
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
