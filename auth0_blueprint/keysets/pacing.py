"""When the issuer may be asked again: backoff after failures, cooldown for unknown key ids."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

MIN_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 30.0
MAX_RETRY_AFTER_SECONDS = 300.0


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
        self._limit_seconds = MIN_BACKOFF_SECONDS
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
        return now < self._last_attempt_at + self._cooldown_seconds

    def retry_after_seconds(self, now: float) -> int:
        """Return when it is worth asking us again, as whole seconds, at least 1."""
        return math.ceil(self._retry_at - now) if self.is_in_backoff(now) else 1

    def attempted(self, at: float) -> None:
        """Note that somebody asked the issuer."""
        self._last_attempt_at = max(self._last_attempt_at, at)

    def succeeded(self) -> None:
        """Note that the attempt worked."""
        self.failures = 0
        self.last_error = None
        self._retry_at = -math.inf
        self._limit_seconds = MIN_BACKOFF_SECONDS

    def failed(self, now: float, reason: str, retry_after_seconds: float) -> None:
        """Note that the attempt failed: full jitter up to 2, 4, 8 ... 30 s, never under 1 s or what the issuer asks."""
        self.failures += 1
        self.last_error = reason
        self._limit_seconds = min(MAX_BACKOFF_SECONDS, 2 * self._limit_seconds)
        jitter = self._uniform(0, self._limit_seconds)
        self._retry_at = now + max(MIN_BACKOFF_SECONDS, jitter, min(retry_after_seconds, MAX_RETRY_AFTER_SECONDS))
