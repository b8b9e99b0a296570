"""Limits how often the issuer is asked after failures."""

from __future__ import annotations

import math

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock, Moment

MIN_BACKOFF_SECONDS = 1.0
BACKOFF_LIMITS_SECONDS = (2.0, 4.0, 8.0, 16.0, 30.0)
MAX_RETRY_AFTER_SECONDS = 300.0


class Backoff:
    """The attempts to fetch one key set. Only the call under way writes; every thread reads.

    Attributes:
        failures: how many attempts have failed since the last success.
        last_error: why the last attempt failed; ``None`` after a success.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._last_attempt_at = -math.inf
        self._retry_at = Moment()
        self.failures: int = 0
        self.last_error: str | None = None

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt failed."""
        return self.failures > 0

    @property
    def is_in_backoff(self) -> bool:
        """Whether the next attempt must wait because the last ones failed."""
        return self._clock.seconds_since(self._retry_at) < 0

    def retry_after_seconds(self) -> int:
        """Return after how many whole seconds, at least 1, a client should ask us again."""
        return max(1, math.ceil(-self._clock.seconds_since(self._retry_at))) if self.is_in_backoff else 1

    def attempted(self, at: float) -> bool:
        """Note that a process asked the issuer at *at* (monotonic); return whether this is the latest attempt known."""
        is_last = at > self._last_attempt_at
        if is_last:
            self._last_attempt_at = at
        return is_last

    def succeeded(self) -> None:
        """Note that the attempt succeeded."""
        self.failures = 0
        self.last_error = None
        self._retry_at = Moment()

    def failed(self, reason: str, retry_after_seconds: float) -> float:
        """Note that the attempt failed; return the delay before the next one, in seconds.

        Full jitter up to 2, 4, 8 ... 30 s, but at least 1 s and what the issuer asks for.
        """
        self.failures += 1
        self.last_error = reason
        limit = BACKOFF_LIMITS_SECONDS[min(self.failures, len(BACKOFF_LIMITS_SECONDS)) - 1]
        jitter = self._clock.uniform(0, limit)
        delay = max(MIN_BACKOFF_SECONDS, jitter, min(retry_after_seconds, MAX_RETRY_AFTER_SECONDS))
        self._retry_at = self._clock.moment(delay)
        return delay

    def follow_failure(self, delay_seconds: float, failures: int, reason: str) -> None:
        """Adopt the backoff of another process whose attempt failed, within our own limits."""
        self.failures = failures
        self.last_error = reason
        limit = self._last_attempt_at + MAX_RETRY_AFTER_SECONDS - self._clock.monotonic()
        self._retry_at = self._clock.moment(min(delay_seconds, limit))
