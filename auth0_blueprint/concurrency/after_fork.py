"""Objects to be put right in a forked child, which has their locks, but not the threads that held them."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class ForkAware(Protocol):
    """What can be put right."""

    def reset_after_fork(self) -> None:
        """Forget what only the parent process has."""


_to_reset: weakref.WeakSet[ForkAware] = weakref.WeakSet()


def reset_in_children(thing: ForkAware) -> None:
    """Have *thing* put right in every child process, for as long as it lives."""
    _to_reset.add(thing)


def _reset() -> None:
    for thing in list(_to_reset):
        thing.reset_after_fork()


if hasattr(os, "register_at_fork"):  # absent on Windows, where nothing forks
    os.register_at_fork(after_in_child=_reset)
