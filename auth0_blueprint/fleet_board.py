"""What each process looks at once in a while, in one read of the shared cache: whether another one has done something.

A request that comes when the last look is older than the interval has it made, and waits for it; so whatever was posted
an interval ago is known to whoever answers. While the cache is away nobody waits: what is known stays in force.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any

from auth0_blueprint.flight import Flight, SingleFlight
from auth0_blueprint.signed_cache import SignedCache

logger = logging.getLogger("auth0_blueprint")

BOARD = "board"
FIRST_PATIENCE_SECONDS = 3.0
PATIENCE_SECONDS = 1.0
RETRY_SECONDS = 1.0
FAILURE_COUNTS_SECONDS = 5.0

#: Takes what stands on the board, and returns what is left to do once nobody waits any more.
Heed = Callable[[Any], Callable[[], None] | None]


class FleetBoard:
    """One process's looks at the board.

    Args:
        entries: where the board is.
        interval_seconds: how old the last look may be; 0 has each request look.
        monotonic: seconds that never go back.
        flights: runs the looks in the background.
    """

    def __init__(
        self,
        entries: SignedCache,
        *,
        interval_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        flights: SingleFlight | None = None,
    ) -> None:
        self._entries = entries
        self._interval_seconds = interval_seconds
        self._monotonic = monotonic
        self._flights = SingleFlight() if flights is None else flights
        self._subscribers: dict[str, Heed] = {}
        self._listeners: list[Callable[[bool], object]] = []
        self._looked_at = self._next_look_at = -math.inf
        self._retry_at = -math.inf
        self.is_away = False

    def subscribe(self, name: str, heed: Heed) -> None:
        """Have *heed* called with what stands under *name*, or ``None``, at each look. It may raise to say: away."""
        self._subscribers[name] = heed

    def tell_looks(self, listener: Callable[[bool], object]) -> None:
        """Have *listener* told of each look that is over: whether it has worked."""
        self._listeners.append(listener)

    def read(self, name: str) -> Any:
        """Return what stands under *name* right now.

        Raises:
            BoardUnavailableError: the cache is away.
        """
        value = self._entries.read(BOARD, name)
        if self._entries.is_away:
            raise BoardUnavailableError
        return value

    def post(self, name: str, value: dict[str, Any], keep_seconds: int) -> None:
        """Put *value* under *name*, as far as the cache takes it."""
        self._entries.write(BOARD, value, keep_seconds, name=name)

    @property
    def age_seconds(self) -> float:
        """How old the last look is that worked; infinite if there was none."""
        return self._monotonic() - self._looked_at

    def keep_up(self) -> None:
        """See to it that the last look is not older than the interval, as far as the cache lets us."""
        now = self._monotonic()
        if now >= self._next_look_at:
            self._look_after(now - self._interval_seconds)

    def look_now(self) -> None:
        """See to it that the last look is not older than this call, as far as the cache lets us."""
        self._look_after(self._monotonic())

    def _look_after(self, moment: float) -> None:
        def may_look() -> bool:
            # Somebody else may have looked since we asked: one look is enough for all.
            return self._looked_at <= moment and self._monotonic() >= self._retry_at

        if self.is_away and self._monotonic() < self._retry_at + FAILURE_COUNTS_SECONDS:
            # While looks fail nobody waits for one; but whoever comes after a time without any finds out.
            self._flights.join_or_start(self._look, may_look)
        else:
            # A look that is under way may be too early for us.
            patience_seconds = FIRST_PATIENCE_SECONDS if math.isinf(self._looked_at) else PATIENCE_SECONDS
            self._flights.join_then_start(self._look, may_look, patience_seconds)

    def _look(self, flight: Flight) -> None:
        looked_at = self._monotonic()
        try:
            afterwards = self._heed_all()
            self._looked_at, self._next_look_at = looked_at, looked_at + self._interval_seconds
            self.is_away = False
            self._flights.land(flight)
            for step in afterwards:
                step()
        except Exception as exc:
            if not isinstance(exc, BoardUnavailableError):
                logger.exception("keeping up with the fleet failed in an unexpected way")
            self._retry_at = self._monotonic() + RETRY_SECONDS
            self.is_away = True
        for listener in self._listeners:
            listener(not self.is_away)

    def _heed_all(self) -> list[Callable[[], None]]:
        names = list(self._subscribers)
        values = self._entries.read_many(BOARD, names)
        if self._entries.is_away:
            raise BoardUnavailableError
        steps = [self._subscribers[name](value) for name, value in zip(names, values, strict=True)]
        return [step for step in steps if step is not None]


class BoardUnavailableError(Exception):
    """The cache is away: nothing could be read, or it is not certain that something was written."""
