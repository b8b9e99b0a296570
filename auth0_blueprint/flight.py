"""Single flight: one piece of work under way in this process, which any number of requests can wait for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from auth0_blueprint.forks import reset_in_children


class Event(Protocol):
    """What is used of a `threading.Event`."""

    def is_set(self) -> bool:
        """Tell whether it has happened."""
        ...

    def set(self) -> None:
        """Say that it has happened."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for it, at most *timeout* seconds."""
        ...


class Flight:
    """Work under way."""

    def __init__(self, make_event: Callable[[], Event] = threading.Event) -> None:
        self._landed = make_event()
        self._has_news = make_event()
        self._is_cancelled = False

    @property
    def has_landed(self) -> bool:
        """Whether its outcome is known."""
        return self._landed.is_set() and not self._is_cancelled

    def wait(self, seconds: float) -> None:
        """Wait for the outcome, at most *seconds*."""
        self._landed.wait(seconds)

    def wait_for_news(self, seconds: float) -> None:
        """Wait for the outcome, or for something on the way to it that is good enough, at most *seconds*."""
        self._has_news.wait(seconds)

    def tell_news(self) -> None:
        """Wake up whoever waits for news."""
        self._has_news.set()

    def land(self) -> None:
        """Wake up whoever waits."""
        self._landed.set()
        self._has_news.set()

    def cancel(self) -> None:
        """Say that it never took off, so that it has no outcome when it lands."""
        self._is_cancelled = True


def start_thread(work: Callable[[], None]) -> None:
    """Do *work* in a daemon thread.

    Raises:
        RuntimeError: no thread can be started.
    """
    threading.Thread(target=work, name="auth0-key-set-flight", daemon=True).start()


class SingleFlight:
    """At most one `Flight` at a time, in the background. Works again in a child that was forked in mid-flight.

    Args:
        start: does a piece of work in the background, or raises ``RuntimeError``.
        make_event: makes what waits for it.
        monotonic: seconds that never go back, as the events count them.
    """

    def __init__(
        self,
        start: Callable[[Callable[[], None]], None] = start_thread,
        make_event: Callable[[], Event] = threading.Event,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start = start
        self._make_event = make_event
        self._monotonic = monotonic
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
            flight = self._current = Flight(self._make_event)

        def run() -> None:
            try:
                work(flight)
            finally:
                self.land(flight)

        try:
            self._start(run)
        except RuntimeError:  # no more threads, or the interpreter is going down
            flight.cancel()
            self.land(flight)
        return flight

    def join_then_start(
        self, work: Callable[[Flight], None], may_start: Callable[[], bool], patience_seconds: float
    ) -> Flight | None:
        """Join the flight under way, and once it has landed do as `join_or_start`: it may have been for another reason.

        Waits for both, at most *patience_seconds* together; for the first one only, where *may_start* says no then.

        Returns:
            the flight waited for last; ``None`` if none was under way and none may start.
        """
        until = self._monotonic() + patience_seconds
        flight = self._current
        if flight is not None:
            flight.wait(patience_seconds)
            if not may_start():
                return flight
        flight = self.join_or_start(work, may_start)
        if flight is not None:
            flight.wait(max(0.0, until - self._monotonic()))
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
