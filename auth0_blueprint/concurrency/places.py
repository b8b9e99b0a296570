"""Limits how many threads do something at once, without a lock: whoever finds no place goes on without."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from auth0_blueprint.concurrency.after_fork import reset_in_children


class Places:
    """A number of places, each for one thread (or greenlet) at a time.

    Args:
        number: how many.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        # Taking from a deque and giving back is one step each, also between greenlets.
        self._free = deque(range(number))
        reset_in_children(self)

    @contextmanager
    def take(self) -> Iterator[bool]:
        """Hold a place inside of the ``with`` block, if one is free; tell whether."""
        free = self._free
        try:
            place = free.pop()
        except IndexError:
            yield False
            return
        try:
            yield True
        finally:
            free.append(place)

    def reset_after_fork(self) -> None:
        """Free the places that only threads of the parent process hold."""
        self._free = deque(range(self._number))
