"""The key set that a process holds for one issuer, its age, and its status."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Self

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.jose.algorithms import Algorithm
from auth0_blueprint.jose.jwk import VerificationKey
from auth0_blueprint.keysets.backoff import Backoff
from auth0_blueprint.keysets.fetch import FetchedKeySet
from auth0_blueprint.keysets.key_set import KeySet

#: ``max-age`` makes no shorter TTL than this, and ``Age`` no key set due sooner.
MIN_TTL_SECONDS = 60.0
# ``Age`` is in whole seconds, and does not count the time of the answer itself.
_AGE_TOLERANCE_SECONDS = 2.0
_NO_ANSWER = FetchedKeySet(b"")


@dataclass(slots=True)
class FoundKey:
    """A key, and the generation of the key set that contains it."""

    key: VerificationKey
    generation: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Snapshot:
    """A key set as this process holds it.

    Attributes:
        key_set: the keys.
        fetched_at: when it was fetched, as Unix time; the same in every copy.
        monotonic_fetched_at: the same moment in monotonic time.
        refresh_after_seconds: the age at which a refresh is due, with jitter.
        due_at, monotonic_due_at: when it reaches that age, by either clock.
        source: ``network`` or ``cache``.
        generation: rises only when key material changes.
        answer: what the key set was parsed from, and how old it was when it was fetched.
        counted_age_seconds: how much of that age counts: see `SnapshotStore.install`.
        ttl_seconds: the age at which requests should wait for a newer one.
    """

    key_set: KeySet
    fetched_at: float
    monotonic_fetched_at: float
    refresh_after_seconds: float
    due_at: float
    monotonic_due_at: float
    source: str
    generation: int
    answer: FetchedKeySet = _NO_ANSWER
    counted_age_seconds: float = 0
    ttl_seconds: float = math.inf
    # Only what was found: the key ids in tokens that name no key are without number.
    _found: dict[tuple[str | None, Algorithm], FoundKey] = field(default_factory=dict, init=False)

    def select(self, key_id: str | None, algorithm: Algorithm) -> FoundKey | None:
        """Return the one key with *key_id* that fits *algorithm*."""
        found = self._found.get((key_id, algorithm))
        if found is None and (key := self.key_set.select(key_id, algorithm)) is not None:
            found = self._found[key_id, algorithm] = FoundKey(key, self.generation)
        return found


class SnapshotStore:
    """Holds the current snapshot. Only the call under way replaces it; every thread reads it.

    Args:
        ttl_seconds, refresh_ahead_seconds, max_stale_seconds, honors_max_age: ``AUTH0_JWKS_*``.
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
        honors_max_age: bool = False,
        clock: Clock,
    ) -> None:
        self._ttl_seconds = ttl_seconds
        self._refresh_age_seconds = ttl_seconds - refresh_ahead_seconds
        self._max_stale_seconds = max_stale_seconds
        self._honors_max_age = honors_max_age
        self._clock = clock
        self.snapshot: Snapshot | None = None

    @property
    def fetched_at(self) -> float:
        """When the snapshot was fetched, as Unix time; minus infinity if there is none."""
        return -math.inf if self.snapshot is None else self.snapshot.fetched_at

    def age_seconds(self, snapshot: Snapshot) -> float:
        """Return how long ago *snapshot* was fetched, and as much of its age at that time as counts."""
        return self._seconds_since_fetch(snapshot) + snapshot.counted_age_seconds

    def _seconds_since_fetch(self, snapshot: Snapshot) -> float:
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
        return snapshot is None or self.age_seconds(snapshot) >= snapshot.ttl_seconds

    def state_of(self, snapshot: Snapshot) -> str:
        """Return ``fresh``, ``due``, ``stale`` or ``expired``."""
        age = self.age_seconds(snapshot)
        if age > self._max_stale_seconds:
            return "expired"
        if age >= snapshot.ttl_seconds:
            return "stale"
        return "fresh" if self.is_fresh(snapshot) else "due"

    def would_take(self, fetched_at: float, age_seconds: float = 0) -> bool:
        """Return whether a copy that was fetched at *fetched_at* (Unix time) is newer, and not too old."""
        elapsed = self._clock.time() - fetched_at
        if fetched_at <= self.fetched_at or elapsed > self._max_stale_seconds:
            return False
        return self.newer_than(age_seconds + max(0.0, elapsed)) is None

    def newer_than(self, age_seconds: float) -> Snapshot | None:
        """Return the snapshot if the issuer sent it after an answer that is *age_seconds* old now, and not long ago.

        An answer without an age comes from the issuer itself: then nothing is newer, whatever a clock says. An age may
        be wrong, too, so it holds nothing back for longer than the maximum age of a key set.
        """
        snapshot = self.snapshot
        full_age_seconds = math.inf if snapshot is None else self._full_age_seconds(snapshot)
        is_ours_newer = age_seconds - _AGE_TOLERANCE_SECONDS > full_age_seconds <= self._max_stale_seconds
        return snapshot if is_ours_newer else None

    def install(
        self, key_set: KeySet, answer: FetchedKeySet, fetched_at: float, monotonic_fetched_at: float, source: str
    ) -> bool:
        """Replace the snapshot by the *key_set* in *answer*; return whether key material has changed.

        A cache on the way may always say a great age, and must not have us fetch all the time for that: ``Age`` counts
        for at most half of the time to the next refresh, and does not bring that below ``MIN_TTL_SECONDS``.
        """
        old = self.snapshot
        is_new_material = old is None or old.key_set.identity != key_set.identity
        ttl_seconds = self._ttl_seconds
        if self._honors_max_age and answer.max_age_seconds is not None:
            ttl_seconds = min(ttl_seconds, max(answer.max_age_seconds, MIN_TTL_SECONDS))
        refresh_age_seconds = self._refresh_age_seconds * (ttl_seconds / self._ttl_seconds)
        refresh_after_seconds = min(ttl_seconds, refresh_age_seconds * self._clock.uniform(0.9, 1.1))
        most_seconds = max(0.0, min(refresh_age_seconds / 2, refresh_age_seconds - MIN_TTL_SECONDS))
        counted_age_seconds = min(answer.age_seconds, most_seconds)
        due_in_seconds = refresh_after_seconds - counted_age_seconds
        self.snapshot = Snapshot(
            key_set=key_set,
            fetched_at=fetched_at,
            monotonic_fetched_at=monotonic_fetched_at,
            refresh_after_seconds=refresh_after_seconds,
            due_at=fetched_at + due_in_seconds,
            monotonic_due_at=monotonic_fetched_at + due_in_seconds,
            source=source,
            generation=(old.generation if old else 0) + is_new_material,
            answer=answer,
            counted_age_seconds=counted_age_seconds,
            ttl_seconds=ttl_seconds,
        )
        return is_new_material

    def keep(self, snapshot: Snapshot, older: FetchedKeySet, fetched_at: float, monotonic_fetched_at: float) -> None:
        """Go on with *snapshot* as if the issuer had sent it once more, at its age, instead of the *older* answer."""
        answer = older._replace(document=snapshot.answer.document, age_seconds=self._full_age_seconds(snapshot))
        self.install(snapshot.key_set, answer, fetched_at, monotonic_fetched_at, snapshot.source)

    def _full_age_seconds(self, snapshot: Snapshot) -> float:
        return self._seconds_since_fetch(snapshot) + snapshot.answer.age_seconds


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
