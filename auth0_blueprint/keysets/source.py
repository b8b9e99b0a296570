"""Keeps one issuer's key set current. The age of the snapshot decides what a request does.

    age of the snapshot          a request
    ──────────────────────────   ─────────────────────────────────────────────────────────────
    fresh                        uses it
    due (refresh ahead)          uses it; one refresh runs in the background
    stale (TTL to MAX_STALE)     waits for the refresh for a moment, then uses the snapshot anyway;
                                 while fetches fail it does not wait
    expired (over MAX_STALE)     waits for the refresh for a moment; without a new snapshot: unavailable
    or none

While the snapshot is fresh a request reads one attribute and two clocks: no lock, no I/O.
A request with an unknown key id searches: it waits for the fetch under way, then for one that `SearchBudget` allows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.concurrency.places import Places
from auth0_blueprint.concurrency.single_flight import Call, SingleFlight
from auth0_blueprint.errors import KeySetUnavailableError, UnknownKeyError
from auth0_blueprint.jose.algorithms import Algorithm
from auth0_blueprint.jose.jwk import VerificationKey
from auth0_blueprint.keysets.backoff import Backoff
from auth0_blueprint.keysets.fetch import FetchedKeySet, FetchError
from auth0_blueprint.keysets.key_set import KeySetError
from auth0_blueprint.keysets.lease import MAX_POLL_SECONDS
from auth0_blueprint.keysets.refresh import FrozenError, Refresh
from auth0_blueprint.keysets.search_budget import SearchBudget
from auth0_blueprint.keysets.shared_copy import SharedKeySet
from auth0_blueprint.keysets.snapshot import FoundKey, KeySourceStatus, Snapshot, SnapshotStore

REFRESH_MAX_WAIT_SECONDS = 3.0
ORDERED_REFRESH_MAX_WAIT_SECONDS = 1.0
DEFAULT_MAX_WAITING = 8


class KeySource:
    """Finds the key that verifies a token of one issuer.

    Args:
        issuer: the issuer, for logs and status.
        ttl_seconds, refresh_ahead_seconds, max_stale_seconds, cooldown_seconds, honors_max_age: ``AUTH0_JWKS_*``.
        fetch: returns the answer, or raises `FetchError`, in bounded time; told whether to bypass caches on the way.
        shared: the key set and the attempts of other processes.
        clock: tells the time.
        single_flight: runs the refreshes in the background.
        places: for the requests that wait for an unknown key, or a failing issuer; sources may share them.
        on_refreshed: called after a fetch with the key ids that were added and removed.
        on_failed: called with the error of a failed fetch.
    """

    def __init__(
        self,
        issuer: str,
        *,
        ttl_seconds: float,
        refresh_ahead_seconds: float,
        max_stale_seconds: float,
        cooldown_seconds: float,
        honors_max_age: bool = False,
        fetch: Callable[[bool], FetchedKeySet],
        shared: SharedKeySet,
        clock: Clock = SYSTEM_CLOCK,
        single_flight: SingleFlight | None = None,
        places: Places | None = None,
        on_refreshed: Callable[[tuple[str, ...], tuple[str, ...]], None] = lambda _added, _removed: None,
        on_failed: Callable[[FetchError | KeySetError], None] = lambda _error: None,
    ) -> None:
        self.issuer = issuer
        self._shared = shared
        self._time = clock.time
        self._monotonic = clock.monotonic
        self._backoff = Backoff(clock)
        self._budget = SearchBudget(shared.fleet, cooldown_seconds=cooldown_seconds, clock=clock)
        self._places = Places(DEFAULT_MAX_WAITING) if places is None else places
        # As long as a fetch may take, and another process needs to notice its end.
        self._search_max_wait_seconds = shared.fleet.attempt_seconds + MAX_POLL_SECONDS
        self._store = SnapshotStore(
            ttl_seconds=ttl_seconds,
            refresh_ahead_seconds=refresh_ahead_seconds,
            max_stale_seconds=max_stale_seconds,
            honors_max_age=honors_max_age,
            clock=clock,
        )
        self._refresh = Refresh(
            issuer,
            store=self._store,
            backoff=self._backoff,
            fetch=fetch,
            shared=shared,
            clock=clock,
            on_refreshed=on_refreshed,
            on_failed=on_failed,
        )
        self._single_flight = SingleFlight(name="key_set") if single_flight is None else single_flight
        self._refreshed_at = -math.inf
        self._followed: float | None = None

    def key_for(self, key_id: str | None, algorithm: Algorithm) -> FoundKey:
        """Return the one key with *key_id* that fits *algorithm*.

        Raises:
            UnknownKeyError: there is none, as far as the budget for searches allows to ask.
            KeySetUnavailableError: there is no usable key set, or whether there is such a key is unknown: it is still
                being searched for, or the last fetch failed.
        """
        found = self.snapshot().select(key_id, algorithm)
        return self._key_after_refetch(key_id, algorithm) if found is None else found

    def cached_key(self, key_id: str | None, algorithm: Algorithm) -> FoundKey:
        """Return what `key_for` does, from what this process holds: no wait, no fetch."""
        snapshot = self._usable_snapshot()
        if (found := snapshot.select(key_id, algorithm)) is None:
            raise UnknownKeyError(snapshot.key_set.why_none(key_id, algorithm))
        return found

    def snapshot(self, max_wait_seconds: float = REFRESH_MAX_WAIT_SECONDS) -> Snapshot:
        """Return the snapshot to work with; see the table at the top.

        Raises:
            KeySetUnavailableError: none is usable, and none arrived within *max_wait_seconds*.
        """
        snapshot = self._store.snapshot
        # The same as SnapshotStore.is_fresh, inlined: every request passes here.
        if snapshot is not None and self._time() < snapshot.due_at and self._monotonic() < snapshot.monotonic_due_at:
            return snapshot
        return self._snapshot_when_due(max_wait_seconds)

    def refresh_now(self, max_wait_seconds: float) -> Snapshot:
        """Ask the issuer regardless of backoff and budget, and return its answer.

        Raises:
            KeySetUnavailableError: no key set arrived within *max_wait_seconds*.
        """
        self._refreshed_at = self._monotonic()
        # Never the current one: a clock that was ahead may have dated it in the future.
        return self._snapshot_since(self._time(), max_wait_seconds, unwanted=self._store.snapshot)

    @property
    def seconds_since_refresh(self) -> float:
        """How long ago `refresh_now` was called; infinite if never called."""
        return self._monotonic() - self._refreshed_at

    def cached_keys(self) -> tuple[VerificationKey, ...]:
        """Return the keys that this process holds, however old they are."""
        snapshot = self._store.snapshot
        return () if snapshot is None else snapshot.key_set.keys

    def on_ordered_refresh(self, refreshed: Any) -> None:
        """Replace a key set that is older than the one that an operator had fetched. Called at each sync."""
        if refreshed is None or self._store.snapshot is None or refreshed["fetched_at"] == self._followed:
            return
        moment = refreshed["fetched_at"]
        with suppress(KeySetUnavailableError):
            # The other process's clock may be ahead: what the issuer sends from now on is new enough.
            self._snapshot_since(min(moment, self._time()), ORDERED_REFRESH_MAX_WAIT_SECONDS)
            self._followed = moment

    def status(self) -> KeySourceStatus:
        """Describe the state without side effects."""
        return KeySourceStatus.of(self.issuer, self._store, self._backoff)

    @property
    def ignored_entries(self) -> int:
        """How many entries of the shared cache were rejected."""
        return self._shared.ignored

    def _snapshot_when_due(self, max_wait_seconds: float) -> Snapshot:
        for _ in range(2):  # the second one if the first was frozen all the time, and so has no outcome
            must_wait = self._must_wait()  # asked first: a call has its result before it has shared it
            call = self._refreshing_call()
            if call is None or not must_wait:
                break
            with self._places.take_to_wait(is_failing=self._is_failing()) as may_wait:
                if may_wait and call.wait_for_progress(max_wait_seconds) and self._must_wait():
                    call.wait(max_wait_seconds)  # what was good enough has become stale meanwhile
            if not may_wait or not call.is_cancelled:
                break
        # Read again: it may be a new one, or the old one may have expired meanwhile.
        return self._usable_snapshot()

    def _must_wait(self) -> bool:
        # While fetches fail, waiting brings nothing better than a usable snapshot.
        return self._store.usable() is None if self._is_failing() else self._store.is_stale()

    def _is_failing(self) -> bool:
        # Where the process is frozen between its requests, nothing gets better in the background.
        return self._backoff.is_failing and not self._refresh.was_frozen

    def _refreshing_call(self) -> Call | None:
        if (call := self._single_flight.current) is not None:
            return call
        get_newer = self._to_get_newer(self._may_refresh)
        if self._may_refresh():
            return self._single_flight.join_or_start(get_newer, self._may_refresh)
        if self._store.usable() is None:
            # During the backoff this request fails at once. The next one may get what another process fetched.
            self._single_flight.join_or_start(get_newer, self._refresh.may_learn)
        return None

    def _usable_snapshot(self) -> Snapshot:
        snapshot = self._store.usable()
        if snapshot is None:
            raise self._unavailable()
        return snapshot

    def _snapshot_since(self, moment: float, max_wait_seconds: float, unwanted: Snapshot | None = None) -> Snapshot:
        """Return a key set fetched at *moment* (Unix time) or later: from the fleet, else from the issuer.

        Never the *unwanted* one, whatever its time, nor a copy that a cache on the way has not been asked to renew.

        Raises:
            KeySetUnavailableError: none arrived within *max_wait_seconds*.
        """

        def is_needed() -> bool:
            snapshot = self._store.snapshot
            if snapshot is None or snapshot is unwanted or snapshot.fetched_at < moment:
                return True
            return not snapshot.answer.is_latest

        if is_needed():
            get_newer = self._to_get_newer(is_needed, no_cache=True)
            self._single_flight.join_then_start(get_newer, is_needed, max_wait_seconds)
        if is_needed():
            raise self._unavailable()
        return self._usable_snapshot()

    def _key_after_refetch(self, key_id: str | None, algorithm: Algorithm) -> FoundKey:
        def is_missing() -> bool:
            return self._store.select(key_id, algorithm) is None

        is_settled = self._search(is_missing)
        # Read again in any case: a call may have completed since our first read.
        snapshot = self._usable_snapshot()
        found = snapshot.select(key_id, algorithm)
        if found is not None:
            return found
        if self._backoff.is_failing or not is_settled:
            raise self._unavailable()
        raise UnknownKeyError(snapshot.key_set.why_none(key_id, algorithm))

    def _search(self, is_missing: Callable[[], bool]) -> bool:
        """Look for a new key; return whether all that may be done for it now has been done."""

        def is_needed() -> bool:
            return is_missing() and self._may_search()

        def may_start() -> bool:
            # With the budget used up another process may have fetched the key.
            return is_missing() and (self._may_search() or self._refresh.may_learn())

        get_newer = self._to_get_newer(is_needed, self._budget.spend, no_cache=True)
        with self._places.take() as has_place:
            if not has_place or self._is_failing():
                return self._single_flight.join_or_start(get_newer, may_start) is None
            call = self._single_flight.join_then_start(get_newer, may_start, self._search_max_wait_seconds)
            return call is None or call.is_complete

    def _may_refresh(self) -> bool:
        return self._store.is_due() and not self._backoff.is_in_backoff

    def _may_search(self) -> bool:
        return self._budget.may_have_any and not self._backoff.is_in_backoff

    def _unavailable(self) -> KeySetUnavailableError:
        return KeySetUnavailableError(retry_after_seconds=self._backoff.retry_after_seconds())

    def _to_get_newer(
        self, is_needed: Callable[[], bool], may_ask: Callable[[], bool] = lambda: True, *, no_cache: bool = False
    ) -> Callable[[Call], None]:
        """Return the work of a call: adopt what the fleet knows, and ask the issuer if *is_needed* still holds then.

        Scheduled refreshes take what caches on the way have. A search, or an operator, needs what the issuer has now.
        """

        def get_newer(call: Call) -> None:
            def notify_progress() -> None:
                if not self._must_wait():
                    call.notify_progress()

            def complete() -> None:
                if self._backoff.is_failing:
                    self._budget.spread()
                self._single_flight.complete(call)

            try:
                self._refresh.get_newer(
                    is_needed, may_ask=may_ask, on_learned=notify_progress, on_outcome=complete, no_cache=no_cache
                )
            except FrozenError:
                call.cancel()

        return get_newer
