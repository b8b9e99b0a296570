"""Coordinates the processes that share a cache: one asks the issuer at a time, and all back off after a failure."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.sharing.shared_cache import CacheUnavailableError
from auth0_blueprint.sharing.signed_cache import SignedCache

# How much the clocks of two machines may differ.
MAX_SKEW_SECONDS = 5.0
# An answer takes about 0.2 s, so polling starts fast. It slows down, as a thousand processes that wait for a hanging
# issuer are a load on the cache.
FIRST_POLL_SECONDS, MAX_POLL_SECONDS = 0.1, 1.0

_LEASE, _FAILURE = "lease", "failure"


class Failure(NamedTuple):
    """A failed attempt, as processes share it. Times are Unix time; *reason* is one of our fixed texts."""

    attempted_at: float
    retry_at: float
    failures: int
    reason: str


class Lease:
    """The right to ask the issuer. It expires by itself if its holder dies.

    Args:
        entries: where the lease is stored.
        holder: identifies the process that has it; ``None`` for one that asks without, after a long wait.
    """

    def __init__(self, entries: SignedCache, holder: str | None) -> None:
        self._entries = entries
        self._holder = holder

    def release(self) -> None:
        """Let the next process have it. If the cache is unavailable, the lease expires instead."""
        with suppress(CacheUnavailableError):
            held = self._entries.read(_LEASE)
            if held is not None and held["holder"] == self._holder:
                self._entries.delete(_LEASE)


class Fleet:
    """Decides, together with the other processes, when this one may ask the issuer.

    Without a cache, or while it is unavailable, each process decides for itself.

    Args:
        entries: the entries that the processes share.
        attempt_seconds: how long one attempt to fetch may take, and so how long a lease is valid.
        keep_seconds: how long a failure is kept.
        clock: tells the time.
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
        """Yield ``None`` for each time that the caller should check for a result of another process, then the lease.

        The caller checks when it has the lease, too: a result may have come just before. The wait takes no longer than
        the attempt of a process that died and the attempt of the process that took over.
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
        """Return the last failed attempt of the fleet, if it is known."""
        with suppress(CacheUnavailableError):
            value = self._entries.read(_FAILURE)
            return None if value is None else Failure(**value)
        return None

    def share_failure(self, failure: Failure) -> None:
        """Share that an attempt failed, if the cache is available."""
        with suppress(CacheUnavailableError):
            self._entries.write(_FAILURE, failure._asdict(), self._keep_seconds)

    def _take(self) -> Lease | None:
        holder = secrets.token_hex()
        lease = {"holder": holder, "until": self._clock.time() + self._attempt_seconds}
        seconds = math.ceil(self._attempt_seconds)
        # While the cache is unavailable no other process can have the lease either: it counts as taken.
        with suppress(CacheUnavailableError):
            if not self._entries.add(_LEASE, lease, seconds):
                if self._is_in_force(self._entries.read(_LEASE)):
                    return None
                # Expired, orphaned, unreadable or just released: overwritten. Two may get it, but never nobody.
                self._entries.write(_LEASE, lease, seconds)
        return Lease(self._entries, holder)

    def _is_in_force(self, lease: Any) -> bool:
        if lease is None:
            return False
        remaining_seconds: float = lease["until"] - self._clock.time()
        return 0 < remaining_seconds <= self._attempt_seconds + MAX_SKEW_SECONDS
