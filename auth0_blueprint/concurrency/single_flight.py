"""Single flight: one piece of work under way in this process, which any number of requests can wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from auth0_blueprint.concurrency.after_fork import reset_in_children
from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock


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


class Call:
    """Work under way."""

    def __init__(self, make_event: Callable[[], Event] = threading.Event) -> None:
        self._completed = make_event()
        self._has_progress = make_event()
        self._is_cancelled = False

    @property
    def is_complete(self) -> bool:
        """Whether its outcome is known."""
        return self._completed.is_set() and not self._is_cancelled

    def wait(self, seconds: float) -> None:
        """Wait for the outcome, at most *seconds*."""
        self._completed.wait(seconds)

    def wait_for_progress(self, seconds: float) -> None:
        """Wait for the outcome, or for something on the way to it that is good enough, at most *seconds*."""
        self._has_progress.wait(seconds)

    def notify_progress(self) -> None:
        """Wake up whoever waits for news."""
        self._has_progress.set()

    def complete(self) -> None:
        """Wake up whoever waits."""
        self._completed.set()
        self._has_progress.set()

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
    """At most one `Flight` at a time, in the background. Works again in a child that was forked in mid-call.

    Args:
        start: does a piece of work in the background, or raises ``RuntimeError``.
        make_event: makes what waits for it.
        clock: tells the time, at the rate at which the events wait.
    """

    def __init__(
        self,
        start: Callable[[Callable[[], None]], None] = start_thread,
        make_event: Callable[[], Event] = threading.Event,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._start = start
        self._make_event = make_event
        self._clock = clock
        self._lock = threading.Lock()
        self._current: Call | None = None
        reset_in_children(self)

    @property
    def current(self) -> Call | None:
        """The call under way."""
        return self._current

    def join_or_start(self, work: Callable[[Call], None], may_start: Callable[[], bool]) -> Call | None:
        """Return the call under way, or a new one that does *work*, or ``None`` where *may_start* says no.

        *work* gets its call, and lands it as soon as the outcome can be seen; it may go on after that. It must not
        raise.
        """
        with self._lock:
            if self._current is not None:
                return self._current
            # Asked again inside the lock: whoever held it may have just landed.
            if not may_start():
                return None
            call = self._current = Call(self._make_event)

        def run() -> None:
            try:
                work(call)
            finally:
                self.complete(call)

        try:
            self._start(run)
        except RuntimeError:  # no more threads, or the interpreter is going down
            call.cancel()
            self.complete(call)
        return call

    def join_then_start(
        self, work: Callable[[Call], None], may_start: Callable[[], bool], max_wait_seconds: float
    ) -> Call | None:
        """Join the call under way, and once it has landed do as `join_or_start`: it may have been for another reason.

        Waits for both, at most *max_wait_seconds* together; for the first one only, where *may_start* says no then.

        Returns:
            the call waited for last; ``None`` if none was under way and none may start.
        """
        until = self._clock.monotonic() + max_wait_seconds
        call = self._current
        if call is not None:
            call.wait(max_wait_seconds)
            if not may_start():
                return call
        call = self.join_or_start(work, may_start)
        if call is not None:
            call.wait(max(0.0, until - self._clock.monotonic()))
        return call

    def complete(self, call: Call) -> None:
        """End *call*: a next one may start, and whoever waits goes on."""
        with self._lock:
            if self._current is call:
                self._current = None
        call.complete()

    def reset_after_fork(self) -> None:
        """Forget what only the parent process has: its threads, and who held the lock."""
        self._lock = threading.Lock()
        self._current = None
