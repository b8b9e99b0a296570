"""What each process looks at once in a while, in one read of the shared cache: whether another one has done something.

A request that comes when the last look is older than the interval has it made, and waits for it; so whatever was posted
an interval ago is known to whoever answers. While the cache is away nobody waits: what is known stays in force.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.concurrency.single_flight import Call, SingleFlight
from auth0_blueprint.sharing.signed_cache import SignedCache

logger: logging.Logger = logging.getLogger("auth0_blueprint")

BOARD = "board"
FIRST_MAX_WAIT_SECONDS = 3.0
MAX_WAIT_SECONDS = 1.0
RETRY_SECONDS = 1.0
FAILURE_COUNTS_SECONDS = 5.0

#: Takes what stands on the board, and returns what is left to do once nobody waits any more.
OnChange = Callable[[Any], Callable[[], None] | None]


class FleetSync:
    """One process's looks at the board.

    Args:
        entries: where the board is.
        interval_seconds: how old the last look may be; 0 has each request look.
        clock: tells the time.
        single_flight: runs the looks in the background.
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
        self.is_away: bool = False

    def subscribe(self, name: str, on_change: OnChange) -> None:
        """Have *on_change* called with what stands under *name*, or ``None``, at each look. It may raise to say: away."""
        self._subscribers[name] = on_change

    def subscribe_to_outcomes(self, listener: Callable[[bool], object]) -> None:
        """Have *listener* told of each look that is over: whether it has worked."""
        self._listeners.append(listener)

    def read(self, name: str) -> Any:
        """Return what stands under *name* right now.

        Raises:
            CacheUnavailableError: the cache is away.
        """
        value = self._entries.read(BOARD, name)
        if self._entries.is_away:
            raise CacheUnavailableError
        return value

    def post(self, name: str, value: dict[str, Any], keep_seconds: int) -> None:
        """Put *value* under *name*, as far as the cache takes it."""
        self._entries.write(BOARD, value, keep_seconds, name=name)

    @property
    def age_seconds(self) -> float:
        """How old the last look is that worked; infinite if there was none."""
        return self._monotonic() - self._synced_at

    def sync_if_due(self) -> None:
        """See to it that the last look is not older than the interval, as far as the cache lets us."""
        now = self._monotonic()
        if now >= self._next_sync_at:
            self._sync_after(now - self._interval_seconds)

    def sync_now(self) -> None:
        """See to it that the last look is not older than this call, as far as the cache lets us."""
        self._sync_after(self._monotonic())

    def _sync_after(self, moment: float) -> None:
        def may_sync() -> bool:
            # Somebody else may have looked since we asked: one look is enough for all.
            return self._synced_at <= moment and self._monotonic() >= self._retry_at

        if self.is_away and self._monotonic() < self._retry_at + FAILURE_COUNTS_SECONDS:
            # While looks fail nobody waits for one; but whoever comes after a time without any finds out.
            self._single_flight.join_or_start(self._sync, may_sync)
        else:
            # A look that is under way may be too early for us.
            max_wait_seconds = FIRST_MAX_WAIT_SECONDS if math.isinf(self._synced_at) else MAX_WAIT_SECONDS
            self._single_flight.join_then_start(self._sync, may_sync, max_wait_seconds)

    def _sync(self, call: Call) -> None:
        looked_at = self._monotonic()
        try:
            afterwards = self._notify_subscribers()
            self._synced_at, self._next_sync_at = looked_at, looked_at + self._interval_seconds
            self.is_away = False
            self._single_flight.complete(call)
            for step in afterwards:
                step()
        except Exception as exc:
            if not isinstance(exc, CacheUnavailableError):
                logger.exception("keeping up with the fleet failed in an unexpected way")
            self._retry_at = self._monotonic() + RETRY_SECONDS
            self.is_away = True
        for listener in self._listeners:
            listener(not self.is_away)

    def _notify_subscribers(self) -> list[Callable[[], None]]:
        names = list(self._subscribers)
        values = self._entries.read_many(BOARD, names)
        if self._entries.is_away:
            raise CacheUnavailableError
        steps = [self._subscribers[name](value) for name, value in zip(names, values, strict=True)]
        return [step for step in steps if step is not None]


class CacheUnavailableError(Exception):
    """The cache is away: nothing could be read, or it is not certain that something was written."""
