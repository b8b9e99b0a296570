"""Single flight: at most one call runs in the background of this process, and any number of requests wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from auth0_blueprint.concurrency.after_fork import ProcessLock, reset_in_children
from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.concurrency.observation import carried, waiting


class Event(Protocol):
    """The part of `threading.Event` that is used."""

    def is_set(self) -> bool:
        """Return whether the event has happened."""
        ...

    def set(self) -> None:
        """Wake up whoever waits."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the event, at most *timeout* seconds."""
        ...


# A wait that ends so much later than it should was frozen, with the process.
FROZEN_AFTER_SECONDS = 1.0


class Call:
    """A call that runs in the background.

    Args:
        make_event: makes the events that callers wait for.
        clock: tells the time.
        name: what it gets.

    Attributes:
        note: what an observer keeps about it.
    """

    def __init__(
        self, make_event: Callable[[], Event] = threading.Event, clock: Clock = SYSTEM_CLOCK, name: str = "call"
    ) -> None:
        self.name = name
        self.note: object = None
        self._clock = clock
        self._completed = make_event()
        self._has_progress = make_event()
        self._is_cancelled = False

    @property
    def is_complete(self) -> bool:
        """Whether its outcome is known. It never is for a call that was cancelled."""
        return self._completed.is_set() and not self._is_cancelled

    @property
    def is_cancelled(self) -> bool:
        """Whether it has no outcome: it never started, or this process was frozen all the time."""
        return self._is_cancelled

    def wait(self, seconds: float) -> None:
        """Wait for the outcome, at most *seconds*."""
        self._wait(self._completed, seconds)

    def wait_for_progress(self, seconds: float) -> bool:
        """Wait for the outcome, or for progress that is good enough, at most *seconds*; return whether it came."""
        return self._wait(self._has_progress, seconds)

    def _wait(self, event: Event, seconds: float) -> bool:
        until = self._clock.monotonic() + seconds
        with waiting(self):
            if event.wait(seconds):
                return True
            # Once more if the process was frozen meanwhile: the call has not seen the time that passed, either.
            return self._clock.monotonic() > until + FROZEN_AFTER_SECONDS and event.wait(seconds)

    def notify_progress(self) -> None:
        """Wake up whoever waits for progress."""
        self._has_progress.set()

    def complete(self) -> None:
        """Wake up everybody who waits."""
        self._completed.set()
        self._has_progress.set()

    def cancel(self) -> None:
        """Note that it has no outcome when it completes."""
        self._is_cancelled = True


def start_thread(work: Callable[[], None]) -> None:
    """Do *work* in a daemon thread.

    Raises:
        RuntimeError: no thread can be started.
    """
    threading.Thread(target=work, name="auth0-blueprint-background", daemon=True).start()


class SingleFlight:
    """Runs at most one `Call` at a time, in the background. Works in a child that was forked during a call, too.

    Args:
        start: runs a function in the background, or raises ``RuntimeError``.
        make_event: makes the events that callers wait for.
        clock: tells the time.
        name: what its calls get, for whoever observes them.
    """

    def __init__(
        self,
        start: Callable[[Callable[[], None]], None] = start_thread,
        make_event: Callable[[], Event] = threading.Event,
        clock: Clock = SYSTEM_CLOCK,
        name: str = "call",
    ) -> None:
        self._name = name
        self._start = start
        self._make_event = make_event
        self._clock = clock
        self._lock = ProcessLock()
        self._current: Call | None = None
        reset_in_children(self)

    @property
    def current(self) -> Call | None:
        """The call under way, if any."""
        return self._current

    def join_or_start(self, work: Callable[[Call], None], may_start: Callable[[], bool]) -> Call | None:
        """Return the call under way, else a new one that runs *work*, or ``None`` if *may_start* forbids one.

        *work* receives its call. It may complete it before it returns, as soon as the outcome is visible. It must not
        raise.
        """
        with self._lock():
            if self._current is not None:
                return self._current
            # Asked inside the lock: a call may have completed just now.
            if not may_start():
                return None
            call = self._current = Call(self._make_event, self._clock, self._name)

        def run() -> None:
            try:
                work(call)
            finally:
                self.complete(call)

        try:
            self._start(carried(run, call))
        except RuntimeError:  # no more threads, or the interpreter is shutting down
            call.cancel()
            self.complete(call)
        return call

    def join_then_start(
        self, work: Callable[[Call], None], may_start: Callable[[], bool], max_wait_seconds: float
    ) -> Call | None:
        """Wait for the call under way, then for one of our own: the first may have had another purpose.

        There is no second call if *may_start* forbids one by then. Both waits together take at most *max_wait_seconds*.

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
        """Complete *call*: another one may start, and whoever waits continues."""
        with self._lock():
            if self._current is call:
                self._current = None
        call.complete()

    def reset_after_fork(self) -> None:
        """Forget the parent's call, whose thread does not exist here."""
        self._current = None
