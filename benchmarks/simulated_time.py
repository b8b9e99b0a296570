"""Time that jumps from one event to the next, for code that blocks: each activity is a greenlet."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Protocol

from greenlet import getcurrent, greenlet


class _Resumable(Protocol):
    def switch(self) -> object:
        """Go on with it."""


class Timeline:
    """Runs activities in the order of their times.

    Attributes:
        now: seconds since the start.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._hub = getcurrent()
        self._due: list[tuple[float, int, _Resumable]] = []
        self._numbers = itertools.count()

    def at(self, seconds: float, resumable: _Resumable) -> None:
        """Resume *resumable* at that time."""
        # The number keeps the order of what is due at the same time, and that of a second run the same.
        heapq.heappush(self._due, (seconds, next(self._numbers), resumable))

    def start(self, work: Callable[[], object], at: float | None = None) -> None:
        """Do *work* as an activity of its own, now or *at* a time."""
        self.at(self.now if at is None else at, greenlet(work, self._hub))

    def sleep(self, seconds: float) -> None:
        """Let *seconds* pass for the activity that calls."""
        heapq.heappush(self._due, (self.now + seconds, next(self._numbers), getcurrent()))  # the most frequent call
        self._hub.switch()

    def wait_in_hub(self) -> None:
        """Let others go on. Whoever calls has seen to being resumed."""
        self._hub.switch()

    def run(self, until: float) -> None:
        """Let time pass up to *until*. An error in any activity ends the run."""
        due = self._due
        while due and due[0][0] <= until:
            self.now, _, resumable = heapq.heappop(due)
            resumable.switch()
        self.now = until


class _Waiter:
    """An activity that waits for an event and for a deadline, and is resumed by whichever comes first."""

    __slots__ = ("_activity",)

    def __init__(self) -> None:
        self._activity: greenlet | None = getcurrent()

    def switch(self) -> None:
        activity, self._activity = self._activity, None
        if activity is not None:
            activity.switch()


class SimulatedEvent:
    """A `threading.Event` on a timeline."""

    def __init__(self, time: Timeline) -> None:
        self._time = time
        self._is_set = False
        self._waiters: list[_Waiter] = []

    def is_set(self) -> bool:
        """Tell whether it has happened."""
        return self._is_set

    def set(self) -> None:
        """Say that it has happened."""
        self._is_set = True
        for waiter in self._waiters:
            self._time.at(self._time.now, waiter)
        self._waiters.clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for it, at most *timeout* seconds."""
        if not self._is_set:
            waiter = _Waiter()
            self._waiters.append(waiter)
            if timeout is not None:
                self._time.at(self._time.now + timeout, waiter)
            self._time.wait_in_hub()
        return self._is_set
