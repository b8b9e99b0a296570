"""Coordinates the processes that share a cache: one asks the issuer at a time, and all back off after a failure.

The searches for unknown key ids are limited by `SearchBudget`, which takes its slots here.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.concurrency.polling import poll
from auth0_blueprint.sharing.entry_signer import EntrySigner
from auth0_blueprint.sharing.shared_cache import CacheUnavailableError
from auth0_blueprint.sharing.shared_store import SharedStore
from auth0_blueprint.sharing.signed_cache import SignedCache
from auth0_blueprint.sharing.store import StoreError

# How much the clocks of two machines may differ.
MAX_SKEW_SECONDS = 5.0
# An answer takes about 0.2 s, so polling starts fast. It slows down, as a thousand processes that wait for a hanging
# issuer are a load on the cache.
FIRST_POLL_SECONDS, MAX_POLL_SECONDS = 0.1, 1.0

_LEASE, _SEARCH, _FAILURE = "lease", "search", "failure"


class Failure(NamedTuple):
    """A failed attempt, as processes share it. Times are Unix time; *reason* is one of our fixed texts."""

    attempted_at: float
    retry_at: float
    failures: int
    reason: str


class Lease:
    """The right to ask the issuer. It expires by itself if its holder dies.

    Args:
        store: where the lease is kept.
        text: what is kept there; ``None`` for one that asks without, after a long wait or without a store.
    """

    def __init__(self, store: SharedStore, text: str | None) -> None:
        self._store = store
        self._text = text

    def release(self) -> None:
        """Let the next process have it. If the store is unavailable, the lease expires instead."""
        text = self._text
        if text is not None:
            with suppress(StoreError):
                self._store.write(lambda store: store.give_back(_LEASE, text))


class Fleet:
    """Decides, together with the other processes, when this one may ask the issuer.

    Without a store, or while it is unavailable, each process decides for itself.

    Args:
        entries: the entries that the processes share.
        store: where the lease is kept.
        signer: signs the lease.
        attempt_seconds: how long one attempt to fetch may take, and so how long a lease is valid.
        keep_seconds: how long a failure is kept.
        clock: tells the time.

    Attributes:
        attempt_seconds: see above.
    """

    def __init__(
        self,
        entries: SignedCache,
        store: SharedStore,
        signer: EntrySigner,
        *,
        attempt_seconds: float,
        keep_seconds: int,
        clock: Clock,
    ) -> None:
        self._entries = entries
        self._store = store
        self._signer = signer
        self.attempt_seconds: float = attempt_seconds
        self._keep_seconds = keep_seconds
        self._clock = clock

    def wait_for_turn(self) -> Iterator[Lease | None]:
        """Yield ``None`` for each time that the caller should check for a result of another process, then the lease.

        The caller checks when it has the lease, too: a result may have come just before. The wait takes no longer than
        the attempt of a process that died and the attempt of the process that took over.
        """
        lease = yield from poll(
            self._take,
            max_wait_seconds=2 * self.attempt_seconds,
            first_seconds=FIRST_POLL_SECONDS,
            max_seconds=MAX_POLL_SECONDS,
            clock=self._clock,
        )
        yield lease or Lease(self._store, None)

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

    def take_search(self, number: int, seconds: float) -> float:
        """Take the search with this *number* for so many *seconds*; return for how long another process has it, else 0.

        Raises:
            StoreError: the store is unavailable.
        """
        if not self._is_sharing:
            return 0
        text = self._signed(f"{_SEARCH}-{number}", seconds)
        # The clock of another machine does not end it sooner.
        return self._claim(f"{_SEARCH}-{number}", text, seconds, grace_seconds=MAX_SKEW_SECONDS)

    @property
    def _is_sharing(self) -> bool:
        # Whoever cannot read what another process fetches has no reason to wait for it.
        return self._store.reach() != "process" and self._entries.is_readable

    def _take(self) -> Lease | None:
        if not self._is_sharing:
            return Lease(self._store, None)
        text = self._signed(_LEASE, self.attempt_seconds)
        # While the store is unavailable no other process can have the lease either: it counts as taken.
        with suppress(StoreError):
            if self._claim(_LEASE, text, self.attempt_seconds):
                return None
        return Lease(self._store, text)

    def _signed(self, name: str, seconds: float) -> str:
        return self._signer.sign(name, "", {"holder": secrets.token_hex(), "until": self._clock.time() + seconds})

    def _claim(self, name: str, text: str, seconds: float, *, grace_seconds: float = 0) -> float:
        """Store *text* under *name* for so many *seconds*; return for how long another one is in force, else 0."""
        held: str | None = None
        for _ in range(2):  # once more if the other one has ended just now: of those who see that, one gets it
            if held is None:
                if self._store.write(lambda store: store.take(name, text, seconds)):
                    return 0
                held = self._store.read(lambda store: store.value_of(name))
        claim: Any = self._signer.verify(name, "", held)
        remaining_seconds: float = -math.inf if claim is None else claim["until"] - self._clock.time()
        if -grace_seconds < remaining_seconds <= seconds + MAX_SKEW_SECONDS:
            return max(remaining_seconds, MAX_POLL_SECONDS)
        # Expired, orphaned or unreadable: overwritten. Two may get it, but never nobody.
        self._store.write(lambda store: store.put(name, text, seconds))
        return 0
