"""The shared copy of a key set: what another process fetched from the issuer, and when."""

from __future__ import annotations

import hashlib
import math
from contextlib import suppress
from typing import NamedTuple, Self

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.keysets.fetch import FetchedKeySet
from auth0_blueprint.keysets.lease import Fleet
from auth0_blueprint.sharing.entry_signer import EntrySigner
from auth0_blueprint.sharing.shared_cache import CacheUnavailableError
from auth0_blueprint.sharing.shared_store import SharedStore
from auth0_blueprint.sharing.signed_cache import SignedCache

MAX_FUTURE_SECONDS = 5.0

_KIND = "key-set"


def refreshed(issuer: str) -> str:
    """Return the name under which `FleetSync` posts that an operator refreshed the key set of *issuer*."""
    return f"refreshed-{hashlib.sha256(issuer.encode()).hexdigest()[:16]}"


class SharedEntry(NamedTuple):
    """A key set document, when it was fetched (Unix time), and what the answer said of its age: see `FetchedKeySet`.

    Entries of earlier releases have the first two members only, and these releases read no others.
    """

    document: str
    fetched_at: float
    age_seconds: float = 0.0
    max_age_seconds: float | None = None
    is_revalidated: bool = False

    @classmethod
    def of(cls, answer: FetchedKeySet, fetched_at: float) -> Self:
        """Return the entry for an *answer* that was fetched at *fetched_at* (Unix time)."""
        return cls(answer.document.decode("utf-8"), fetched_at, *answer[1:4])

    @property
    def answer(self) -> FetchedKeySet:
        """The answer that was fetched."""
        return FetchedKeySet(self.document.encode("utf-8"), *self[2:])


class SharedKeySet:
    """The shared copy of one issuer's key set.

    Args:
        entries: the entries that the processes share, by issuer, key-set URL and secret.
        store: where the lease is kept, named likewise.
        signer: signs the lease.
        keep_seconds: how long the cache keeps an entry.
        attempt_seconds: how long one attempt to fetch may take.
        clock: tells the time, waits, and draws the jitter.

    Attributes:
        fleet: coordinates the attempts of these processes.
    """

    def __init__(
        self,
        entries: SignedCache,
        store: SharedStore,
        signer: EntrySigner,
        *,
        keep_seconds: float,
        attempt_seconds: float,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._entries = entries
        self._signer = signer
        self._clock = clock
        self._keep_seconds = math.ceil(keep_seconds)
        self._newest_seen = -math.inf
        # Whether this process has a newer key set than it could store, so that an older one there is nobody's doing.
        self._is_ahead = False
        self._outdated_at = -math.inf
        self.fleet: Fleet = Fleet(
            self._entries,
            store,
            signer,
            attempt_seconds=attempt_seconds,
            keep_seconds=self._keep_seconds,
            clock=clock,
        )

    @property
    def ignored(self) -> int:
        """How many entries were rejected."""
        return self._entries.ignored + self._signer.ignored

    @property
    def is_readable(self) -> bool:
        """Whether a read makes sense: there is a secret and a cache, and the cache is not paused after a failure."""
        return self._entries.is_readable

    def read(self) -> SharedEntry | None:
        """Return the entry, if the cache has one that can be trusted and is not older than one seen before."""
        value = None
        with suppress(CacheUnavailableError):
            value = self._entries.read(_KIND)
        if value is None:
            return None
        max_age_seconds = value.get("max_age_seconds")
        entry = SharedEntry(
            str(value["document"]),
            float(value["fetched_at"]),
            float(value.get("age_seconds", 0)),
            None if max_age_seconds is None else float(max_age_seconds),
            bool(value.get("is_revalidated")),
        )
        if not self._newest_seen <= entry.fetched_at <= self._clock.time() + MAX_FUTURE_SECONDS:
            # Once: it stays there until the next fetch, and is read until then.
            if entry.fetched_at != self._outdated_at and not (self._is_ahead and entry.fetched_at < self._newest_seen):
                self._entries.ignore(_KIND)
            self._outdated_at = entry.fetched_at
            return None
        self._newest_seen, self._is_ahead = entry.fetched_at, False
        return entry

    def write(self, entry: SharedEntry) -> None:
        """Share *entry* with the fleet, if the cache is available."""
        self._newest_seen = max(self._newest_seen, entry.fetched_at)
        self._is_ahead = True
        with suppress(CacheUnavailableError):
            self._entries.write(_KIND, entry._asdict(), self._keep_seconds)
            self._is_ahead = False
