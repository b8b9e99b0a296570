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

    @contextmanager
    def take_to_wait(self, *, is_failing: bool) -> Iterator[bool]:  # noqa: ARG002 - see `PartOfPlaces`
        """Tell whether to wait inside of the ``with`` block for what has nothing to do with a flood."""
        yield True

    def reset_after_fork(self) -> None:
        """Free the places that only threads of the parent process hold."""
        self._free = deque(range(self._number))


class PartOfPlaces(Places):
    """Some of the places that several share: whoever fills its part leaves the others theirs.

    Args:
        whole: those of all.
        number: how many of them may be held through this part.
    """

    def __init__(self, whole: Places, number: int) -> None:
        super().__init__(number)
        self._whole = whole

    @contextmanager
    def take(self) -> Iterator[bool]:
        """Hold a place of this part and of the whole inside of the ``with`` block, if both are free; tell whether."""
        with super().take() as is_free:
            if not is_free:
                yield False
                return
            with self._whole.take() as has_place:
                yield has_place

    @contextmanager
    def take_to_wait(self, *, is_failing: bool) -> Iterator[bool]:
        """Tell whether to wait inside of the ``with`` block; while it *is_failing*, only in a place.

        What fails for one must not hold the threads that the others need.
        """
        if not is_failing:
            yield True
            return
        with self.take() as has_place:
            yield has_place
