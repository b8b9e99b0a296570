"""Flights without threads and time: the work of one is done while somebody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from conftest import MovableClock

from auth0_blueprint.concurrency.single_flight import SingleFlight


class Waits:
    """Whoever waits for a flight has its work done, which takes *takes_seconds* on *clock*.

    Attributes:
        single_flight: to be handed to what is tested.
        begun: the work that nobody has waited for long enough yet.
        patience: how long each wait was to last at most, in seconds.
    """

    def __init__(self, clock: MovableClock, takes_seconds: float = 0) -> None:
        self.clock = clock
        self.takes_seconds = takes_seconds
        self.begun: list[Callable[[], None]] = []
        self.max_wait: list[float | None] = []
        self.single_flight = SingleFlight(start=self.begun.append, make_event=lambda: _Awaited(self), clock=clock)


class _Awaited(threading.Event):
    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self._waits = waits

    def wait(self, timeout: float | None = None) -> bool:
        waits = self._waits
        waits.max_wait.append(timeout)
        if self.is_set():
            return True
        if timeout is not None and timeout < waits.takes_seconds:
            waits.clock.move(timeout)
            return False
        waits.clock.move(waits.takes_seconds)
        waits.begun.pop()()
        return True
