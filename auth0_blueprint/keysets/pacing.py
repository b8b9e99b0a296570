"""When the issuer may be asked again: backoff after failures, cooldown for unknown key ids."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

MAX_BACKOFF_SECONDS = 30.0
MAX_RETRY_AFTER_SECONDS = 300.0
MAX_SPREAD_SECONDS = 5.0


class Pacing:
    """The attempts to fetch one key set, on the monotonic clock. Written by the one flight under way, read by all.

    Attributes:
        failures: how many attempts failed since the last that worked.
        last_error: why the last one failed; ``None`` once one has worked.
    """

    def __init__(self, *, cooldown_seconds: float, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._cooldown_seconds = cooldown_seconds
        self._uniform = uniform
        self._last_attempt_at = -math.inf
        self._retry_at = -math.inf
        self._spread_seconds = 0.0
        self.failures = 0
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
        return now < self._last_attempt_at + self._cooldown_seconds + self._spread_seconds

    def backoff_seconds(self, now: float) -> float:
        """Return how long no attempt may be made."""
        return max(0.0, self._retry_at - now)

    def retry_after_seconds(self, now: float) -> int:
        """Return when it is worth asking us again, as whole seconds, at least 1."""
        return max(1, math.ceil(self.backoff_seconds(now)))

    def attempted(self, at: float) -> bool:
        """Note that somebody asked the issuer; tell whether that was the last attempt known."""
        is_last = at > self._last_attempt_at
        if is_last:
            self._last_attempt_at = at
        return is_last

    def succeeded(self) -> None:
        """Note that the attempt worked."""
        self.failures = 0
        self.last_error = None
        self._retry_at = -math.inf
        self._spread_seconds = 0.0

    def failed(self, now: float, reason: str, retry_after_seconds: float = 0) -> None:
        """Note that the attempt failed: full jitter up to 2, 4, 8 ... 30 s, never under 1 s or what the issuer asks."""
        self.failures += 1
        self.last_error = reason
        limit = min(MAX_BACKOFF_SECONDS, 2.0 ** min(self.failures, 5))  # the power would overflow after 1023
        delay = max(1.0, self._uniform(0, limit), min(retry_after_seconds, MAX_RETRY_AFTER_SECONDS))
        self._retry_at = now + delay
        self._spread()

    def heed_failure(self, retry_at: float, failures: int, reason: str) -> None:
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
        self._spread_seconds = self._uniform(0, min(MAX_SPREAD_SECONDS, self._cooldown_seconds))
