"""Resets what a forked child inherits: locks, possibly held, without the threads that hold them."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class ForkAware(Protocol):
    """An object that a forked child must reset."""

    def reset_after_fork(self) -> None:
        """Forget the locks and threads of the parent process."""


_to_reset: weakref.WeakSet[ForkAware] = weakref.WeakSet()


def reset_in_children(thing: ForkAware) -> None:
    """Call ``thing.reset_after_fork()`` in every forked child, for as long as *thing* lives."""
    _to_reset.add(thing)


def _reset() -> None:
    for thing in list(_to_reset):
        thing.reset_after_fork()


if hasattr(os, "register_at_fork"):  # absent on Windows, where nothing forks
    os.register_at_fork(after_in_child=_reset)


class ProcessLock:
    """A lock for each process, made at its first use: ``with lock(): ...``.

    A forked child has a new one, which nobody holds. Under gunicorn with ``--preload`` and gevent, a worker replaces
    `threading.Lock` after it was forked from the process that built the app. A lock from before would stop all
    requests of the worker where one of them waits for it.
    """

    def __init__(self) -> None:
        self._locks: list[threading.Lock] = []
        reset_in_children(self)

    def __call__(self) -> threading.Lock:
        """Return the lock of this process."""
        if not self._locks:
            # Threads that get here together add one each; the first is the lock.
            self._locks.append(threading.Lock())
        return self._locks[0]

    def reset_after_fork(self) -> None:
        """Forget the lock of the parent process."""
        self._locks = []
