"""Limits how often the issuer is asked: backoff after failures, cooldown for unknown key ids."""

from __future__ import annotations

import math

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock

MIN_BACKOFF_SECONDS = 1.0
BACKOFF_LIMITS_SECONDS = (2.0, 4.0, 8.0, 16.0, 30.0)
MAX_RETRY_AFTER_SECONDS = 300.0
MAX_SPREAD_SECONDS = 5.0


class Backoff:
    """The attempts to fetch one key set, in monotonic time. Only the call under way writes; every thread reads.

    Attributes:
        failures: how many attempts have failed since the last success.
        last_error: why the last attempt failed; ``None`` after a success.
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
        """Return whether the next attempt must wait because the last ones failed."""
        return now < self._retry_at

    def is_in_cooldown(self, now: float) -> bool:
        """Return whether an unknown key id must not cause an attempt yet. Every attempt counts, also a failed one."""
        return now < self._search_at

    def retry_after_seconds(self, now: float) -> int:
        """Return after how many whole seconds, at least 1, a client should ask us again."""
        return math.ceil(self._retry_at - now) if self.is_in_backoff(now) else 1

    def attempted(self, at: float) -> bool:
        """Note that a process asked the issuer; return whether this is the latest attempt known."""
        is_last = at > self._last_attempt_at
        if is_last:
            self._last_attempt_at = at
            self._search_at = at + self._cooldown_seconds
        return is_last

    def succeeded(self) -> None:
        """Note that the attempt succeeded."""
        self.failures = 0
        self.last_error = None
        self._retry_at = -math.inf

    def failed(self, now: float, reason: str, retry_after_seconds: float) -> float:
        """Note that the attempt failed; return the delay before the next one, in seconds.

        Full jitter up to 2, 4, 8 ... 30 s, but at least 1 s and what the issuer asks for.
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
        """Adopt the backoff of another process whose attempt failed, within our own limits."""
        self.failures = failures
        self.last_error = reason
        self._retry_at = min(retry_at, self._last_attempt_at + MAX_RETRY_AFTER_SECONDS)
        self._spread()

    def _spread(self) -> None:
        """Extend the cooldown by a random time.

        Processes without a shared cache see a new key at the same moment. If the issuer rejects them for their number,
        they must not all return at once after each cooldown.
        """
        self._search_at += self._clock.uniform(0, min(MAX_SPREAD_SECONDS, self._cooldown_seconds))
