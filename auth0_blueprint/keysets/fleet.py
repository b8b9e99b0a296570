"""The attempts of all processes that share a cache: one at a time, and one pace after failures."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from typing import Any, NamedTuple

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.sharing.signed_cache import SignedCache

# Clocks may differ by this much, as for the entries themselves.
MAX_SKEW_SECONDS = 5.0
# The first look comes soon, for an answer takes a fifth of a second. Then ever more seldom: a thousand processes that
# wait for an issuer that hangs are many for one cache.
FIRST_POLL_SECONDS, MAX_POLL_SECONDS = 0.1, 1.0

_LEASE, _FAILURE = "lease", "failure"


class Failure(NamedTuple):
    """An attempt that failed. Times in Unix time; *reason* is one of our fixed texts."""

    attempted_at: float
    retry_at: float
    failures: int
    reason: str


class Lease:
    """The right to ask the issuer. It ends by itself, should its holder die.

    Args:
        entries: where it is.
        holder: who has it; ``None`` who asks without, having waited for long enough.
    """

    def __init__(self, entries: SignedCache, holder: str | None) -> None:
        self._entries = entries
        self._holder = holder

    def release(self) -> None:
        """Let the next process have it."""
        held = self._entries.read(_LEASE)
        if held is not None and held["holder"] == self._holder:
            self._entries.delete(_LEASE)


class Fleet:
    """The processes that share a cache, as far as they agree about when the issuer is asked.

    Without a cache, or while it is away, each process is a fleet of its own.

    Args:
        entries: what they share.
        attempt_seconds: how long one attempt to fetch may take, and so how long a lease holds.
        keep_seconds: how long a failure is remembered.
        clock: tells the time, waits, and draws the jitter: two processes seldom do the same at the same time.
    """

    def __init__(
        self,
        entries: SignedCache,
        *,
        attempt_seconds: float,
        keep_seconds: int,
        clock: Clock,
    ) -> None:
        self._entries = entries
        self._attempt_seconds = attempt_seconds
        self._keep_seconds = keep_seconds
        self._clock = clock

    def wait_for_turn(self) -> Iterator[Lease | None]:
        """Yield ``None`` while another process may be about to bring news, and in the end the lease.

        At each one look for news: also at the last, which the news may have come just before. It takes no longer than
        one attempt of a process that died, and one of the process that took over from it.
        """
        yield None
        give_up_at = self._clock.monotonic() + 2 * self._attempt_seconds
        longest_pause = FIRST_POLL_SECONDS
        lease = self._take()
        while lease is None and self._clock.monotonic() < give_up_at:
            self._clock.sleep(self._clock.uniform(longest_pause / 4, longest_pause))
            longest_pause = min(2 * longest_pause, MAX_POLL_SECONDS)
            yield None
            lease = self._take()
        yield lease or Lease(self._entries, None)

    def last_failure(self) -> Failure | None:
        """Return the last attempt of the fleet that failed."""
        value = self._entries.read(_FAILURE)
        return None if value is None else Failure(**value)

    def share_failure(self, failure: Failure) -> None:
        """Let the fleet know that an attempt failed."""
        self._entries.write(_FAILURE, failure._asdict(), self._keep_seconds)

    def _take(self) -> Lease | None:
        holder = secrets.token_hex()
        lease = {"holder": holder, "until": self._clock.time() + self._attempt_seconds}
        seconds = math.ceil(self._attempt_seconds)
        if not self._entries.add(_LEASE, lease, seconds):
            if self._is_in_force(self._entries.read(_LEASE)):
                return None
            # Expired, orphaned, unreadable, or gone since: overwritten. It may be won by two, and never by nobody.
            self._entries.write(_LEASE, lease, seconds)
        return Lease(self._entries, holder)

    def _is_in_force(self, lease: Any) -> bool:
        if lease is None:
            return False
        remaining_seconds: float = lease["until"] - self._clock.time()
        return 0 < remaining_seconds <= self._attempt_seconds + MAX_SKEW_SECONDS
