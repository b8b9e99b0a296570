"""The key set that a process holds for one issuer, its age, and its status."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Self

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.jose.algorithms import Algorithm
from auth0_blueprint.jose.jwk import VerificationKey
from auth0_blueprint.keysets.backoff import Backoff
from auth0_blueprint.keysets.key_set import KeySet


@dataclass(slots=True)  # creating a frozen one takes five times as long
class FoundKey:
    """A key, and the generation of the key set that contains it."""

    key: VerificationKey
    generation: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Snapshot:
    """A key set as this process holds it.

    Attributes:
        key_set: the keys.
        fetched_at: when the issuer sent it, as Unix time; the same in every copy.
        monotonic_fetched_at: the same moment in monotonic time.
        refresh_after_seconds: the age at which a refresh is due, with jitter.
        due_at, monotonic_due_at: when it reaches that age, by either clock.
        source: ``network`` or ``cache``.
        generation: rises only when key material changes.
    """

    key_set: KeySet
    fetched_at: float
    monotonic_fetched_at: float
    refresh_after_seconds: float
    due_at: float
    monotonic_due_at: float
    source: str
    generation: int

    def select(self, key_id: str | None, algorithm: Algorithm) -> FoundKey | None:
        """Return the one key with *key_id* that fits *algorithm*."""
        key = self.key_set.select(key_id, algorithm)
        return None if key is None else FoundKey(key, self.generation)


class SnapshotStore:
    """Holds the current snapshot. Only the call under way replaces it; every thread reads it.

    Args:
        ttl_seconds, refresh_ahead_seconds, max_stale_seconds: ``AUTH0_JWKS_*``.
        clock: tells the time, and draws the jitter.

    Attributes:
        snapshot: the current one, if there is any.
    """

    def __init__(
        self,
        *,
        ttl_seconds: float,
        refresh_ahead_seconds: float,
        max_stale_seconds: float,
        clock: Clock,
    ) -> None:
        self._ttl_seconds = ttl_seconds
        self._refresh_age_seconds = ttl_seconds - refresh_ahead_seconds
        self._max_stale_seconds = max_stale_seconds
        self._clock = clock
        self.snapshot: Snapshot | None = None

    @property
    def fetched_at(self) -> float:
        """When the issuer sent the snapshot, as Unix time; minus infinity if there is none."""
        return -math.inf if self.snapshot is None else self.snapshot.fetched_at

    def age_seconds(self, snapshot: Snapshot) -> float:
        """Return how long ago the issuer sent *snapshot*."""
        # Unix time advances while a machine sleeps; monotonic time also if somebody sets the clock back.
        return max(self._clock.time() - snapshot.fetched_at, self._clock.monotonic() - snapshot.monotonic_fetched_at)

    def usable(self) -> Snapshot | None:
        """Return the snapshot, unless it is too old to be used at all."""
        snapshot = self.snapshot
        return None if snapshot is None or self.age_seconds(snapshot) > self._max_stale_seconds else snapshot

    def select(self, key_id: str | None, algorithm: Algorithm) -> FoundKey | None:
        """Return the one key with *key_id* that fits *algorithm*, however old the snapshot is."""
        return None if self.snapshot is None else self.snapshot.select(key_id, algorithm)

    def is_due(self) -> bool:
        """Return whether a refresh is due."""
        snapshot = self.snapshot
        return snapshot is None or not self.is_fresh(snapshot)

    def is_fresh(self, snapshot: Snapshot) -> bool:
        """Return whether no refresh is due yet, by either clock: see `age_seconds`."""
        return self._clock.time() < snapshot.due_at and self._clock.monotonic() < snapshot.monotonic_due_at

    def is_stale(self) -> bool:
        """Return whether requests should wait for a newer key set."""
        snapshot = self.snapshot
        return snapshot is None or self.age_seconds(snapshot) >= self._ttl_seconds

    def state_of(self, snapshot: Snapshot) -> str:
        """Return ``fresh``, ``due``, ``stale`` or ``expired``."""
        age = self.age_seconds(snapshot)
        if age > self._max_stale_seconds:
            return "expired"
        if age >= self._ttl_seconds:
            return "stale"
        return "fresh" if self.is_fresh(snapshot) else "due"

    def would_take(self, fetched_at: float) -> bool:
        """Return whether a copy that was fetched at *fetched_at* (Unix time) is newer, and not too old."""
        return fetched_at > self.fetched_at and self._clock.time() - fetched_at <= self._max_stale_seconds

    def install(self, key_set: KeySet, fetched_at: float, monotonic_fetched_at: float, source: str) -> bool:
        """Replace the snapshot; return whether key material has changed."""
        old = self.snapshot
        is_new_material = old is None or old.key_set.identity != key_set.identity
        refresh_after_seconds = min(self._ttl_seconds, self._refresh_age_seconds * self._clock.uniform(0.9, 1.1))
        self.snapshot = Snapshot(
            key_set=key_set,
            fetched_at=fetched_at,
            monotonic_fetched_at=monotonic_fetched_at,
            refresh_after_seconds=refresh_after_seconds,
            due_at=fetched_at + refresh_after_seconds,
            monotonic_due_at=monotonic_fetched_at + refresh_after_seconds,
            source=source,
            generation=(old.generation if old else 0) + is_new_material,
        )
        return is_new_material


class KeySourceStatus(NamedTuple):
    """What health and admin endpoints report. Times in seconds; ``None`` if there is no key set."""

    issuer: str
    consecutive_failures: int
    last_error: str | None
    state: str = "none"
    age_seconds: float | None = None
    refresh_in_seconds: float | None = None
    source: str | None = None
    generation: int = 0
    keys: int = 0
    skipped: tuple[str, ...] = ()

    @classmethod
    def of(cls, issuer: str, store: SnapshotStore, backoff: Backoff) -> Self:
        """Describe the current state."""
        describe = partial(cls, issuer, backoff.failures, backoff.last_error)
        snapshot = store.snapshot
        if snapshot is None:
            return describe()
        age_seconds = store.age_seconds(snapshot)
        return describe(
            state=store.state_of(snapshot),
            age_seconds=age_seconds,
            refresh_in_seconds=max(0.0, snapshot.refresh_after_seconds - age_seconds),
            source=snapshot.source,
            generation=snapshot.generation,
            keys=len(snapshot.key_set.keys),
            skipped=snapshot.key_set.skipped,
        )

    @property
    def is_usable(self) -> bool:
        """Whether tokens can be verified with it."""
        return self.state in {"fresh", "due", "stale"}
