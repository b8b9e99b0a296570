"""When the issuer may be asked again: backoff after failures, cooldown for unknown key ids."""

from __future__ import annotations

import math

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock

MIN_BACKOFF_SECONDS = 1.0
BACKOFF_LIMITS_SECONDS = (2.0, 4.0, 8.0, 16.0, 30.0)
MAX_RETRY_AFTER_SECONDS = 300.0
MAX_SPREAD_SECONDS = 5.0


class Backoff:
    """The attempts to fetch one key set, on the monotonic clock. Written by the one call under way, read by all.

    Attributes:
        failures: how many attempts failed since the last that worked.
        last_error: why the last one failed; ``None`` once one has worked.
    """

    def __init__(self, *, cooldown_seconds: float, clock: Clock = SYSTEM_CLOCK) -> None:
        self._cooldown_seconds = cooldown_seconds
        self._clock = clock
        self._last_attempt_at = -math.inf
        self._search_at = -math.inf
        self._retry_at = -math.inf
        self.failures: int = 0
        self.last_error: str | None = None

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt failed."""
        return self.failures > 0

    def is_in_backoff(self, now: float) -> bool:
        """Tell whether no attempt may be made yet, because the last ones failed."""
        return now < self._retry_at

    def is_in_cooldown(self, now: float) -> bool:
        """Tell whether an unknown key id may not cause an attempt yet. Any attempt counts, failed ones too."""
        return now < self._search_at

    def retry_after_seconds(self, now: float) -> int:
        """Return when it is worth asking us again, as whole seconds, at least 1."""
        return math.ceil(self._retry_at - now) if self.is_in_backoff(now) else 1

    def attempted(self, at: float) -> bool:
        """Note that somebody asked the issuer; tell whether that was the last attempt known."""
        is_last = at > self._last_attempt_at
        if is_last:
            self._last_attempt_at = at
            self._search_at = at + self._cooldown_seconds
        return is_last

    def succeeded(self) -> None:
        """Note that the attempt worked."""
        self.failures = 0
        self.last_error = None
        self._retry_at = -math.inf

    def failed(self, now: float, reason: str, retry_after_seconds: float) -> float:
        """Note that the attempt failed; return how many seconds to wait before the next.

        Full jitter up to 2, 4, 8 ... 30 s, never under 1 s or what the issuer asks.
        """
        self.failures += 1
        self.last_error = reason
        limit = BACKOFF_LIMITS_SECONDS[min(self.failures, len(BACKOFF_LIMITS_SECONDS)) - 1]
        jitter = self._clock.uniform(0, limit)
        delay = max(MIN_BACKOFF_SECONDS, jitter, min(retry_after_seconds, MAX_RETRY_AFTER_SECONDS))
        self._retry_at = now + delay
        self._spread()
        return delay

    def follow_failure(self, retry_at: float, failures: int, reason: str) -> None:
        """Note that an attempt of another process failed: its pace is ours, within the bounds of our own."""
        self.failures = failures
        self.last_error = reason
        self._retry_at = min(retry_at, self._last_attempt_at + MAX_RETRY_AFTER_SECONDS)
        self._spread()

    def _spread(self) -> None:
        """Choose how much longer than the cooldown the next search for a key waits.

        Processes without a shared cache meet a new key at the same moment. Were they refused for being too many, they
        would come back all at once after each cooldown.
        """
        self._search_at += self._clock.uniform(0, min(MAX_SPREAD_SECONDS, self._cooldown_seconds))
