"""One issuer's key set, kept current: the states of a snapshot by its age, and what a request does in each.

    age of the snapshot          a request
    ──────────────────────────   ─────────────────────────────────────────────────────────────
    fresh                        uses it
    due (refresh ahead)          uses it; one refresh flies in the background
    stale (TTL to MAX_STALE)     joins the flight for a moment, then uses it all the same;
                                 while fetches fail it does not wait
    expired (over MAX_STALE)     joins the flight for a moment; without a new snapshot: unavailable
    or none

The request path reads one attribute and two clocks while the snapshot is fresh: no lock, no I/O.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from functools import partial

from auth0_blueprint.algorithms import Algorithm
from auth0_blueprint.errors import KeySetUnavailableError, UnknownKeyError
from auth0_blueprint.keysets.fetch import FetchError
from auth0_blueprint.keysets.flight import Flight, SingleFlight
from auth0_blueprint.keysets.key_set import KeySet, KeySetError, VerificationKey, parse_key_set
from auth0_blueprint.keysets.pacing import MIN_BACKOFF_SECONDS, Pacing
from auth0_blueprint.keysets.shared import SharedEntry, SharedKeySet
from auth0_blueprint.keysets.snapshot import KeySourceStatus, Snapshot

logger = logging.getLogger("auth0_blueprint")

FLIGHT_PATIENCE_SECONDS = 3.0
UNKNOWN_KEY_PATIENCE_SECONDS = 0.5
SHARED_LOOK_INTERVAL_SECONDS = 1.0

Step = Callable[[], object]


class KeySource:
    """Answers "which key?" for one issuer.

    Args:
        issuer: the issuer, for logs and status.
        ttl_seconds, refresh_ahead_seconds, max_stale_seconds, cooldown_seconds: ``AUTH0_JWKS_*``.
        fetch: returns the document, or raises `FetchError`, in bounded time.
        shared: the copy that other processes see.
        clock: Unix time.
        monotonic: seconds that never go back.
        uniform: the jitter.
        on_refreshed: told the key ids that came and went, after a fetch.
        on_failed: told why a fetch failed.
    """

    def __init__(
        self,
        issuer: str,
        *,
        ttl_seconds: float,
        refresh_ahead_seconds: float,
        max_stale_seconds: float,
        cooldown_seconds: float,
        fetch: Callable[[], bytes],
        shared: SharedKeySet,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
        on_refreshed: Callable[[tuple[str, ...], tuple[str, ...]], None] = lambda _added, _removed: None,
        on_failed: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self.issuer = issuer
        self._ttl_seconds = ttl_seconds
        self._refresh_age_seconds = ttl_seconds - refresh_ahead_seconds
        self._max_stale_seconds = max_stale_seconds
        self._fetch = fetch
        self._shared = shared
        self._clock = clock
        self._monotonic = monotonic
        self._uniform = uniform
        self._on_refreshed = on_refreshed
        self._on_failed = on_failed
        self._pacing = Pacing(cooldown_seconds=cooldown_seconds, uniform=uniform)
        self._flights = SingleFlight()
        self._snapshot: Snapshot | None = None
        self._looked_at_shared = float("-inf")

    def key_for(self, key_id: str | None, algorithm: Algorithm) -> VerificationKey:
        """Return the one key that *key_id* names and that fits *algorithm*.

        Raises:
            UnknownKeyError: there is none, and the issuer was asked lately.
            KeySetUnavailableError: there is no usable key set, or no telling whether there is such a key.
        """
        key = self.snapshot().key_set.select(key_id, algorithm)
        return self._key_after_another_look(key_id, algorithm) if key is None else key

    def key_at_hand(self, key_id: str | None, algorithm: Algorithm) -> VerificationKey:
        """Do as `key_for`, with what this process holds right now: no wait, and nothing is caused."""
        key = self._usable_snapshot().key_set.select(key_id, algorithm)
        if key is None:
            raise UnknownKeyError
        return key

    def snapshot(self, patience_seconds: float = FLIGHT_PATIENCE_SECONDS) -> Snapshot:
        """Return the snapshot to work with; see the table at the top.

        Raises:
            KeySetUnavailableError: none is usable, and none came within *patience_seconds*.
        """
        snapshot = self._snapshot
        if snapshot is not None and self._age_seconds(snapshot) < snapshot.refresh_after_seconds:
            return snapshot
        return self._snapshot_when_due(patience_seconds)

    def status(self) -> KeySourceStatus:
        """Describe the present, and cause nothing."""
        snapshot = self._snapshot
        pacing = self._pacing
        return KeySourceStatus(
            issuer=self.issuer,
            state=self._state(snapshot),
            age_seconds=self._age_seconds(snapshot) if snapshot else None,
            refresh_in_seconds=max(0.0, snapshot.refresh_after_seconds - self._age_seconds(snapshot))
            if snapshot
            else None,
            source=snapshot.source if snapshot else None,
            generation=snapshot.generation if snapshot else 0,
            key_count=len(snapshot.key_set.keys) if snapshot else 0,
            skipped=snapshot.key_set.skipped if snapshot else (),
            consecutive_failures=pacing.failures,
            last_error=pacing.last_error,
        )

    def _age_seconds(self, snapshot: Snapshot) -> float:
        # The wall clock goes on while a machine sleeps, the monotonic one when somebody sets the clock back.
        return max(self._clock() - snapshot.fetched_at, self._monotonic() - snapshot.monotonic_fetched_at)

    def _state(self, snapshot: Snapshot | None) -> str:
        if snapshot is None:
            return "none"
        age = self._age_seconds(snapshot)
        if age > self._max_stale_seconds:
            return "expired"
        if age >= self._ttl_seconds:
            return "stale"
        return "fresh" if age < snapshot.refresh_after_seconds else "due"

    def _snapshot_when_due(self, patience_seconds: float) -> Snapshot:
        state = self._state(self._snapshot)
        flight = self._flights.join_or_start(self._fly, self._may_refresh)
        must_wait = state in {"expired", "none"} or (state == "stale" and not self._pacing.is_failing)
        if flight is not None and must_wait:
            flight.wait(patience_seconds)
        # Read again: it may be a new one, or the old one may have expired meanwhile.
        return self._usable_snapshot()

    def _usable_snapshot(self) -> Snapshot:
        snapshot = self._snapshot
        if snapshot is None or self._age_seconds(snapshot) > self._max_stale_seconds:
            raise self._unavailable()
        return snapshot

    def _key_after_another_look(self, key_id: str | None, algorithm: Algorithm) -> VerificationKey:
        flight = self._flights.join_or_start(self._fly, self._may_look_for_unknown_key)
        if flight is None:
            flight = self._flights.join_or_start(self._look_at_shared, self._may_look_at_shared)
        if flight is not None:
            flight.wait(UNKNOWN_KEY_PATIENCE_SECONDS)
        # Read again in any case: a flight may have landed between our first look and now.
        key = self._usable_snapshot().key_set.select(key_id, algorithm)
        if key is not None:
            return key
        if self._pacing.is_failing or (flight is not None and not flight.has_landed):
            raise self._unavailable()
        raise UnknownKeyError

    def _may_refresh(self) -> bool:
        snapshot = self._snapshot
        is_due = snapshot is None or self._age_seconds(snapshot) >= snapshot.refresh_after_seconds
        return is_due and not self._pacing.is_in_backoff(self._monotonic())

    def _may_look_for_unknown_key(self) -> bool:
        now = self._monotonic()
        return not (self._pacing.is_in_cooldown(now) or self._pacing.is_in_backoff(now))

    def _may_look_at_shared(self) -> bool:
        is_time = self._monotonic() >= self._looked_at_shared + SHARED_LOOK_INTERVAL_SECONDS
        return is_time and self._shared.is_readable

    def _unavailable(self) -> KeySetUnavailableError:
        return KeySetUnavailableError(retry_after_seconds=self._pacing.retry_after_seconds(self._monotonic()))

    def _fly(self, flight: Flight) -> None:
        self._do_in_flight(flight, self._get_newer_key_set)

    def _look_at_shared(self, flight: Flight) -> None:
        self._do_in_flight(flight, self._get_shared_key_set)

    def _do_in_flight(self, flight: Flight, get: Callable[[], list[Step]]) -> None:
        """Get a newer key set, if there is one. Runs in a thread of its own."""
        try:
            afterwards = get()
        except Exception as exc:
            logger.exception("getting the key set of %s failed in an unexpected way", self.issuer)
            afterwards = [self._failed(exc)]
        # Nobody who waits for the keys has to wait for the cache and the listeners as well.
        self._flights.land(flight)
        for step in afterwards:
            try:
                step()
            except Exception:
                logger.exception("a listener of a key-set signal failed")

    def _get_newer_key_set(self) -> list[Step]:
        """Take it from another process if one has it, else from the issuer; return what is left to do."""
        entry = self._read_shared()
        if adopted := self._adopt_if_fresh(entry):
            return adopted
        try:
            return self._fetch_key_set()
        except (FetchError, KeySetError) as exc:
            afterwards = [self._failed(exc)]
        if entry is not None and (announce := self._adopt(entry, self._max_stale_seconds)):
            afterwards.append(announce)
        return afterwards

    def _get_shared_key_set(self) -> list[Step]:
        """Take it from another process if one has a fresh one, and ask nobody else."""
        return self._adopt_if_fresh(self._read_shared())

    def _read_shared(self) -> SharedEntry | None:
        self._looked_at_shared = self._monotonic()
        return self._shared.read()

    def _adopt_if_fresh(self, entry: SharedEntry | None) -> list[Step]:
        if entry is None or (announce := self._adopt(entry, self._refresh_age_seconds)) is None:
            return []
        self._pacing.succeeded()
        return [announce]

    def _fetch_key_set(self) -> list[Step]:
        self._pacing.attempted(self._monotonic())
        document = self._fetch()
        # Ages count from the answer, here and in every copy.
        fetched_at, monotonic_fetched_at = self._clock(), self._monotonic()
        announce = self._install(parse_key_set(document), fetched_at, monotonic_fetched_at, "network")
        if self._pacing.is_failing:
            logger.info("the key set of %s can be fetched again", self.issuer)
        self._pacing.succeeded()
        return [partial(self._shared.write, SharedEntry(document.decode("utf-8"), fetched_at)), announce]

    def _failed(self, exc: Exception) -> Step:
        reason = str(exc) if isinstance(exc, (FetchError, KeySetError)) else "an unexpected error"
        if not self._pacing.is_failing:  # once for each change of state, not for each attempt
            logger.warning("the key set of %s cannot be fetched: %s", self.issuer, reason)
        self._pacing.failed(self._monotonic(), reason, getattr(exc, "retry_after_seconds", MIN_BACKOFF_SECONDS))
        return partial(self._on_failed, reason)

    def _adopt(self, entry: SharedEntry, max_age_seconds: float) -> Step | None:
        """Install what another process got, if that is newer than what is here and not too old."""
        current = self._snapshot
        age = max(0.0, self._clock() - entry.fetched_at)
        if age > max_age_seconds or (current is not None and entry.fetched_at <= current.fetched_at):
            return None
        try:
            key_set = parse_key_set(entry.document.encode("utf-8"))
        except KeySetError:
            return None
        monotonic_fetched_at = self._monotonic() - age
        self._pacing.attempted(monotonic_fetched_at)  # the other process asked the issuer then
        return self._install(key_set, entry.fetched_at, monotonic_fetched_at, "cache")

    def _install(self, key_set: KeySet, fetched_at: float, monotonic_fetched_at: float, source: str) -> Step:
        old = self._snapshot
        is_new_material = old is None or old.key_set.identity != key_set.identity
        self._snapshot = Snapshot(
            key_set=key_set,
            fetched_at=fetched_at,
            monotonic_fetched_at=monotonic_fetched_at,
            refresh_after_seconds=min(self._ttl_seconds, self._refresh_age_seconds * self._uniform(0.9, 1.1)),
            source=source,
            generation=(old.generation if old else 0) + is_new_material,
        )
        if key_set.skipped and is_new_material:
            logger.warning("keys of %s that are not used: %s", self.issuer, "; ".join(sorted(set(key_set.skipped))))
        before = old.key_set.key_ids if old else frozenset[str]()
        added, removed = tuple(sorted(key_set.key_ids - before)), tuple(sorted(before - key_set.key_ids))
        return partial(self._on_refreshed, added, removed)
