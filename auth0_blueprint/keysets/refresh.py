"""Gets a newer key set: from another process if one has it, else from the issuer. Runs in background calls only."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from auth0_blueprint.concurrency.clock import Clock, Moment
from auth0_blueprint.keysets.backoff import Backoff
from auth0_blueprint.keysets.fetch import FetchedKeySet, FetchError
from auth0_blueprint.keysets.key_set import KeySet, KeySetError, parse_key_set
from auth0_blueprint.keysets.lease import Failure, Lease
from auth0_blueprint.keysets.shared_copy import SharedEntry, SharedKeySet
from auth0_blueprint.keysets.snapshot import SnapshotStore

logger: logging.Logger = logging.getLogger("auth0_blueprint")

LEARN_INTERVAL_SECONDS = 1.0
# An attempt that ends so much later than its deadline was frozen: it has not seen the time that passed.
FROZEN_AFTER_SECONDS = 1.0
#: How often a call makes an attempt again that was frozen.
MAX_REPEATS = 2

_NOT_UNDER_WAY = Moment(math.inf, math.inf)

#: Something to do when the keys are installed. That it fails is no failure of the refresh.
FollowUp = Callable[[], object]


class FrozenError(Exception):
    """This process was frozen during the attempt, as by AWS Lambda: it says nothing about the issuer."""


class Refresh:
    """Gets newer key sets for one issuer.

    Args:
        issuer: the issuer, for the log.
        store: receives the key sets.
        backoff: limits how often the issuer is asked.
        fetch: returns the answer, or raises `FetchError`, in bounded time. It is told whether caches on the way are to
            be bypassed.
        shared: the key set and the attempts of other processes.
        clock: tells the time.
        on_refreshed: called with the key ids that were added and removed.
        on_failed: called with the error of a failed attempt of this process.
    """

    def __init__(
        self,
        issuer: str,
        *,
        store: SnapshotStore,
        backoff: Backoff,
        fetch: Callable[[bool], FetchedKeySet],
        shared: SharedKeySet,
        clock: Clock,
        on_refreshed: Callable[[tuple[str, ...], tuple[str, ...]], None],
        on_failed: Callable[[FetchError | KeySetError], None],
    ) -> None:
        self._issuer = issuer
        self._store = store
        self._backoff = backoff
        self._fetch = fetch
        self._shared = shared
        self._clock = clock
        self._on_refreshed = on_refreshed
        self._on_failed = on_failed
        self._followed: Failure | None = None
        self._learned_at = Moment()
        self._asked_at = _NOT_UNDER_WAY
        self._was_frozen = False

    def may_learn(self) -> bool:
        """Return whether to read what other processes have fetched: at most once per second."""
        return self._clock.seconds_since(self._learned_at) >= LEARN_INTERVAL_SECONDS and self._shared.is_readable

    @property
    def was_frozen(self) -> bool:
        """Whether the attempt under way, or else the last one, was frozen: an earlier failure says nothing then."""
        return self._was_frozen or self._has_outlasted(self._asked_at)

    def get_newer(
        self,
        is_needed: Callable[[], bool],
        *,
        may_ask: Callable[[], bool],
        on_learned: Callable[[], None],
        on_outcome: Callable[[], None],
        no_cache: bool = False,
    ) -> None:
        """Read what the fleet knows, and ask the issuer if *is_needed* still returns true then, and *may_ask* does.

        One process of the fleet asks at a time. The others wait, and adopt its result. *may_ask* is called just before
        the issuer is asked, *on_learned* each time something may have been adopted, *on_outcome* when nothing more
        will come: requests that wait for keys do not wait for the listeners, too. With *no_cache* only what the issuer
        has now is good enough: an older copy from a cache on the way is a failure then.

        Raises:
            FrozenError: there is no outcome. *on_outcome* has not been called.
        """
        follow_ups: list[FollowUp] = []
        work = partial(self._learn_or_ask, is_needed, may_ask, no_cache, on_learned, follow_ups)
        try:
            self._repeat_if_frozen(work)
        except FrozenError:
            self._do_all(follow_ups)
            raise
        except Exception as exc:  # noqa: BLE001 - requests wait for the outcome; _expected() logs it
            error = self._expected(exc)
            self._note_failure(error)
            follow_ups.append(partial(self._on_failed, error))
        on_outcome()
        self._do_all(follow_ups)

    def _repeat_if_frozen(self, work: Callable[[], None]) -> None:
        for _ in range(MAX_REPEATS):
            with suppress(FrozenError):
                return work()
        return work()

    def _do_all(self, follow_ups: list[FollowUp]) -> None:
        for follow_up in follow_ups:
            try:
                follow_up()
            except Exception:
                logger.exception("what follows a refresh failed: sharing its result, or a listener of a signal")

    def _learn_or_ask(
        self,
        is_needed: Callable[[], bool],
        may_ask: Callable[[], bool],
        no_cache: bool,
        on_learned: Callable[[], None],
        follow_ups: list[FollowUp],
    ) -> None:
        for lease in self._shared.fleet.wait_for_turn():
            follow_ups += self._learn()
            on_learned()
            if not is_needed() or (lease is not None and not may_ask()):
                follow_ups += [] if lease is None else [lease.release]
                return
            if lease is not None:
                follow_ups += self._ask_issuer(lease, no_cache)

    def _learn(self) -> list[FollowUp]:
        """Adopt the result of other processes, be it a key set or a failure."""
        self._learned_at = self._clock.moment()
        follow_ups = self._adopt(self._shared.read())
        failure = self._shared.fleet.last_failure()
        if failure is not None and failure != self._followed:
            self._followed = failure  # only once: with a clock that is ahead it may look new for a while
            self._follow(failure)
        return follow_ups

    def _expected(self, exc: Exception) -> FetchError | KeySetError:
        """Return *exc* if it is one of ours, else log it and return an error with the code ``unexpected``."""
        if isinstance(exc, (FetchError, KeySetError)):
            return exc
        logger.error("unexpected error while getting the key set of %s", self._issuer, exc_info=exc)
        return FetchError("unexpected")

    def _note_failure(self, error: FetchError | KeySetError) -> Failure:
        reason = str(error)
        self._log_failure(reason)
        retry_after_seconds = error.retry_after_seconds if isinstance(error, FetchError) else 0
        delay = self._backoff.failed(reason, retry_after_seconds)
        now = self._clock.time()
        return Failure(attempted_at=now, retry_at=now + delay, failures=self._backoff.failures, reason=reason)

    def _ask_issuer(self, lease: Lease, no_cache: bool) -> list[FollowUp]:
        attempted_at = self._clock.time()
        self._backoff.attempted(self._clock.monotonic())
        try:
            answer = self._fetch_awake(no_cache)
            # The age counts from the answer, here and in every copy.
            fetched_at, monotonic_fetched_at = self._clock.time(), self._clock.monotonic()
            announce = self._take(answer, fetched_at, monotonic_fetched_at, no_cache)
        except FrozenError:
            lease.release()
            raise
        except Exception as exc:  # noqa: BLE001 - whatever it is, the fleet must know, and the lease be released
            error = self._expected(exc)
            failure = self._note_failure(error)._replace(attempted_at=attempted_at)
            announce = partial(self._on_failed, error)
            self._do_all([partial(self._shared.fleet.share_failure, failure), lease.release])
            return [announce]
        self._succeeded()
        # Before the waiting requests go on: a server without threads freezes this one as soon as they have ended, and
        # the others of the fleet would wait for the lease until it expires.
        self._do_all([self._share, lease.release])
        return [announce]

    def _take(self, answer: FetchedKeySet, fetched_at: float, monotonic_fetched_at: float, no_cache: bool) -> FollowUp:
        """Install the key set in *answer*, unless ours is newer: a cache on the way may hold an older copy."""
        key_set = parse_key_set(answer.document)
        ours = self._store.newer_than(answer.age_seconds)
        if ours is None:
            return self._install(key_set, answer, fetched_at, monotonic_fetched_at, "network")
        if no_cache:
            raise FetchError("outdated")
        logger.info("kept the key set of %s: a cache on the way answered with an older copy", self._issuer)
        self._store.keep(ours, answer, fetched_at, monotonic_fetched_at)
        return lambda: None

    def _share(self) -> None:
        snapshot = self._store.snapshot
        if snapshot is not None:
            self._shared.write(SharedEntry.of(snapshot.answer, snapshot.fetched_at))

    def _fetch_awake(self, no_cache: bool) -> FetchedKeySet:
        """Return what `fetch` does, unless this process was frozen meanwhile.

        An answer is of no use then either: it may have been waiting for as long, and its age counts from now.

        Raises:
            FrozenError: the attempt has ended long after its deadline.
        """
        asked_at = self._asked_at = self._clock.moment()
        try:
            answer = self._fetch(no_cache)
        except Exception as exc:
            self._check_awake(asked_at, getattr(exc, "lookup_seconds", 0), exc)
            raise
        self._check_awake(asked_at, answer.lookup_seconds)
        return answer

    def _check_awake(self, asked_at: Moment, lookup_seconds: float, exc: Exception | None = None) -> None:
        # In this order: a request may look in between.
        self._was_frozen = self._has_outlasted(asked_at, lookup_seconds)
        self._asked_at = _NOT_UNDER_WAY
        if self._was_frozen:
            raise FrozenError from exc

    def _has_outlasted(self, asked_at: Moment, lookup_seconds: float = 0) -> bool:
        limit = self._shared.fleet.attempt_seconds + lookup_seconds + FROZEN_AFTER_SECONDS
        return self._clock.seconds_since(asked_at) > limit

    def _adopt(self, entry: SharedEntry | None) -> list[FollowUp]:
        """Install the key set of another process, if it is newer than ours and not too old."""
        if entry is None or not self._store.would_take(entry.fetched_at, entry.age_seconds):
            return []
        try:
            key_set = parse_key_set(entry.answer.document)
        except KeySetError:
            return []
        monotonic_fetched_at = self._clock.monotonic() - max(0.0, self._clock.time() - entry.fetched_at)
        if self._backoff.attempted(monotonic_fetched_at):  # the other process got an answer from the issuer then
            self._succeeded()
        return [self._install(key_set, entry.answer, entry.fetched_at, monotonic_fetched_at, "cache")]

    def _follow(self, failure: Failure) -> None:
        """Back off with the fleet after another process's attempt failed."""
        now, wall_now = self._clock.monotonic(), self._clock.time()
        if self._backoff.attempted(now - max(0.0, wall_now - failure.attempted_at)):
            self._log_failure(failure.reason)
            self._backoff.follow_failure(failure.retry_at - wall_now, failure.failures, failure.reason)

    def _succeeded(self) -> None:
        if self._backoff.is_failing:
            logger.info("the key set of %s can be fetched again", self._issuer)
        self._backoff.succeeded()

    def _log_failure(self, reason: str) -> None:
        if not self._backoff.is_failing:  # once per outage, not per attempt
            logger.warning("the key set of %s cannot be fetched: %s", self._issuer, reason)

    def _install(
        self, key_set: KeySet, answer: FetchedKeySet, fetched_at: float, monotonic_fetched_at: float, source: str
    ) -> FollowUp:
        old = self._store.snapshot
        is_new_material = self._store.install(key_set, answer, fetched_at, monotonic_fetched_at, source)
        if key_set.skipped and is_new_material:
            logger.warning(
                "unusable keys in the key set of %s: %s", self._issuer, "; ".join(sorted(set(key_set.skipped)))
            )
        before = old.key_set.key_ids if old else frozenset[str]()
        added, removed = tuple(sorted(key_set.key_ids - before)), tuple(sorted(before - key_set.key_ids))
        return partial(self._on_refreshed, added, removed)
