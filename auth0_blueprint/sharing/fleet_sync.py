"""Keeps a process in sync with the fleet: one read of the shared cache per interval finds what other processes changed.

A request that arrives when the last sync is older than the interval starts one and waits for it, so a change that was
posted an interval ago is known to every process that answers. While the cache is unavailable nobody waits, and what is
known stays in force.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.concurrency.single_flight import Call, SingleFlight
from auth0_blueprint.sharing.shared_cache import CacheUnavailableError
from auth0_blueprint.sharing.signed_cache import SignedCache

logger: logging.Logger = logging.getLogger("auth0_blueprint")

#: The kind of the entries. An older name of it: during a rolling deployment processes of two releases must find each
#: other's entries, and it is part of their keys.
SYNC = "board"
FIRST_MAX_WAIT_SECONDS = 3.0
MAX_WAIT_SECONDS = 1.0
RETRY_SECONDS = 1.0
FAILURE_COUNTS_SECONDS = 5.0

#: Takes the value of an entry, and returns what to do after the sync, when nobody waits any more, if anything.
OnChange = Callable[[Any], Callable[[], None] | None]


class FleetSync:
    """Reads what other processes posted, and hands it to the subscribers.

    Args:
        entries: the shared entries.
        interval_seconds: how old the last sync may be; 0 makes every request sync.
        clock: tells the time.
        single_flight: runs the syncs in the background.
    """

    def __init__(
        self,
        entries: SignedCache,
        *,
        interval_seconds: float,
        clock: Clock = SYSTEM_CLOCK,
        single_flight: SingleFlight | None = None,
    ) -> None:
        self._entries = entries
        self._interval_seconds = interval_seconds
        self._monotonic = clock.monotonic
        self._single_flight = SingleFlight() if single_flight is None else single_flight
        self._subscribers: dict[str, OnChange] = {}
        self._listeners: list[Callable[[bool], object]] = []
        self._synced_at = self._next_sync_at = -math.inf
        self._retry_at = -math.inf
        #: Whether the last sync failed.
        self.is_failing: bool = False

    def subscribe(self, name: str, on_change: OnChange) -> None:
        """Call *on_change* at each sync with the value posted as *name*, or ``None``.

        If it raises `CacheUnavailableError`, the sync has failed.
        """
        self._subscribers[name] = on_change

    def subscribe_to_outcomes(self, listener: Callable[[bool], object]) -> None:
        """Call *listener* after each sync with whether it succeeded."""
        self._listeners.append(listener)

    def read(self, name: str) -> Any:
        """Return the value posted as *name* right now, or ``None``.

        Raises:
            CacheUnavailableError: it cannot be read.
        """
        return self._entries.read(SYNC, name)

    def post(self, name: str, value: dict[str, Any], keep_seconds: int) -> None:
        """Post *value* as *name*, for the next sync of every process.

        Raises:
            CacheUnavailableError: it may not have been stored.
        """
        self._entries.write(SYNC, value, keep_seconds, name=name)

    @property
    def age_seconds(self) -> float:
        """The age of the last successful sync; infinite if there was none."""
        return self._monotonic() - self._synced_at

    def sync_if_due(self) -> None:
        """Sync unless the last sync is younger than the interval; no error if the cache is unavailable."""
        now = self._monotonic()
        if now >= self._next_sync_at:
            self._sync_after(now - self._interval_seconds)

    def sync_now(self) -> None:
        """Sync, also if the last sync is younger than the interval; no error if the cache is unavailable."""
        self._sync_after(self._monotonic())

    def _sync_after(self, moment: float) -> None:
        def may_sync() -> bool:
            # Another thread may have synced since we asked: one sync is enough for all.
            return self._synced_at <= moment and self._monotonic() >= self._retry_at

        if self.is_failing and self._monotonic() < self._retry_at + FAILURE_COUNTS_SECONDS:
            # While syncs fail nobody waits for one; but the first request after a quiet time finds out.
            self._single_flight.join_or_start(self._sync, may_sync)
        else:
            # A sync that is under way may have started too early for us.
            max_wait_seconds = FIRST_MAX_WAIT_SECONDS if math.isinf(self._synced_at) else MAX_WAIT_SECONDS
            self._single_flight.join_then_start(self._sync, may_sync, max_wait_seconds)

    def _sync(self, call: Call) -> None:
        has_worked = self._try_to_sync(call)
        for listener in self._listeners:
            listener(has_worked)

    def _try_to_sync(self, call: Call) -> bool:
        started_at = self._monotonic()
        try:
            follow_ups = self._notify_subscribers()
            self._synced_at, self._next_sync_at = started_at, started_at + self._interval_seconds
            self.is_failing = False
            self._single_flight.complete(call)
            for follow_up in follow_ups:
                follow_up()
        except Exception as exc:
            if not isinstance(exc, CacheUnavailableError):
                logger.exception("unexpected error while syncing with other processes")
            self._retry_at = self._monotonic() + RETRY_SECONDS
            self.is_failing = True
            return False
        return True

    def _notify_subscribers(self) -> list[Callable[[], None]]:
        names = list(self._subscribers)
        values = self._entries.read_many(SYNC, names)
        follow_ups = [self._subscribers[name](value) for name, value in zip(names, values, strict=True)]
        return [follow_up for follow_up in follow_ups if follow_up is not None]
