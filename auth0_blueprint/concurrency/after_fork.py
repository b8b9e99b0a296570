"""Resets locks in a forked child, which inherits them (possibly held) without the threads that hold them."""

from __future__ import annotations

import os
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
