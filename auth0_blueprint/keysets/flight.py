"""Single flight: one piece of work under way in this process, which any number of requests can wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable

from auth0_blueprint.forks import reset_in_children


class Flight:
    """Work under way."""

    def __init__(self) -> None:
        self._landed = threading.Event()

    @property
    def has_landed(self) -> bool:
        """Whether its outcome is known."""
        return self._landed.is_set()

    def wait(self, seconds: float) -> None:
        """Wait for the outcome, at most *seconds*."""
        self._landed.wait(seconds)

    def land(self) -> None:
        """Wake up whoever waits."""
        self._landed.set()


class SingleFlight:
    """At most one `Flight` at a time, in a daemon thread. Works again in a child that was forked in mid-flight."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: Flight | None = None
        reset_in_children(self)

    @property
    def current(self) -> Flight | None:
        """The flight under way."""
        return self._current

    def join_or_start(self, work: Callable[[Flight], None], may_start: Callable[[], bool]) -> Flight | None:
        """Return the flight under way, or a new one that does *work*, or ``None`` where *may_start* says no.

        *work* gets its flight, and lands it as soon as the outcome can be seen; it may go on after that. It must not
        raise.
        """
        with self._lock:
            if self._current is not None:
                return self._current
            # Asked again inside the lock: whoever held it may have just landed.
            if not may_start():
                return None
            flight = self._current = Flight()

        def run() -> None:
            try:
                work(flight)
            finally:
                self.land(flight)

        try:
            threading.Thread(target=run, name="auth0-key-set-flight", daemon=True).start()
        except RuntimeError:  # no more threads, or the interpreter is going down
            self.land(flight)
        return flight

    def land(self, flight: Flight) -> None:
        """End *flight*: a next one may start, and whoever waits goes on."""
        with self._lock:
            if self._current is flight:
                self._current = None
        flight.land()

    def reset_after_fork(self) -> None:
        """Forget what only the parent process has: its threads, and who held the lock."""
        self._lock = threading.Lock()
        self._current = None
