"""How a newer key set is got: from another process if one has it, else from the issuer. Runs in calls only."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import partial

from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.keysets.backoff import MIN_BACKOFF_SECONDS, Backoff
from auth0_blueprint.keysets.fetch import FetchError
from auth0_blueprint.keysets.fleet import Failure, Lease
from auth0_blueprint.keysets.key_set import KeySet, KeySetError, parse_key_set
from auth0_blueprint.keysets.shared import SharedEntry, SharedKeySet
from auth0_blueprint.keysets.snapshot import SnapshotStore

logger: logging.Logger = logging.getLogger("auth0_blueprint")

LEARN_INTERVAL_SECONDS = 1.0

#: What is left to do once everybody who waits has the keys.
Step = Callable[[], object]


class Refresh:
    """Gets newer key sets for one issuer.

    Args:
        issuer: for the log.
        store: where they go.
        backoff: when the issuer may be asked again.
        fetch: returns the document, or raises `FetchError`, in bounded time.
        shared: what other processes see, and what they did.
        clock: tells the time.
        on_refreshed: told the key ids that came and went.
        on_failed: told why an attempt of this process failed.
    """

    def __init__(
        self,
        issuer: str,
        *,
        store: SnapshotStore,
        backoff: Backoff,
        fetch: Callable[[], bytes],
        shared: SharedKeySet,
        clock: Clock,
        on_refreshed: Callable[[tuple[str, ...], tuple[str, ...]], None],
        on_failed: Callable[[str], None],
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
        self._learned_at = -math.inf

    def may_learn(self) -> bool:
        """Tell whether a look at what other processes know is worth it: at most one in a second."""
        return self._clock.monotonic() >= self._learned_at + LEARN_INTERVAL_SECONDS and self._shared.is_readable

    def get_newer(
        self, is_needed: Callable[[], bool], on_learned: Callable[[], None], on_outcome: Callable[[], None]
    ) -> None:
        """Learn what the fleet knows, and ask the issuer if *is_needed* is still true then.

        At most one process of the fleet asks at a time. The others wait, and learn what it was told. *on_learned* is
        called each time something may have been learnt, *on_outcome* as soon as there is nothing more to come: nobody
        who waits for keys has to wait for the cache and the listeners as well.
        """
        try:
            afterwards = self._learn_or_ask(is_needed, on_learned)
        except Exception as exc:  # noqa: BLE001 - somebody waits for the outcome; _note_failure() logs it
            afterwards = [partial(self._on_failed, self._note_failure(exc).reason)]
        on_outcome()
        for step in afterwards:
            try:
                step()
            except Exception:
                logger.exception("a listener of a key-set signal failed")

    def _learn_or_ask(self, is_needed: Callable[[], bool], on_learned: Callable[[], None]) -> list[Step]:
        afterwards: list[Step] = []
        for lease in self._shared.fleet.wait_for_turn():
            afterwards += self._learn()
            on_learned()
            if not is_needed():
                return [*afterwards, lease.release] if lease else afterwards
            if lease is not None:
                afterwards += self._ask_issuer(lease)
        return afterwards

    def _learn(self) -> list[Step]:
        """Take over what other processes have got, or have failed to get."""
        self._learned_at = self._clock.monotonic()
        afterwards = self._adopt(self._shared.read())
        failure = self._shared.fleet.last_failure()
        if failure is not None and failure != self._followed:
            self._followed = failure  # once: by a clock that goes ahead it may look new for a while
            self._follow(failure)
        return afterwards

    def _note_failure(self, exc: Exception) -> Failure:
        if isinstance(exc, (FetchError, KeySetError)):
            reason = str(exc)
        else:
            reason = "an unexpected error"
            logger.error("getting the key set of %s failed in an unexpected way", self._issuer, exc_info=exc)
        self._log_failure(reason)
        asked_for = getattr(exc, "retry_after_seconds", MIN_BACKOFF_SECONDS)
        delay = self._backoff.failed(self._clock.monotonic(), reason, asked_for)
        now = self._clock.time()
        return Failure(attempted_at=now, retry_at=now + delay, failures=self._backoff.failures, reason=reason)

    def _ask_issuer(self, lease: Lease) -> list[Step]:
        attempted_at = self._clock.time()
        self._backoff.attempted(self._clock.monotonic())
        try:
            document = self._fetch()
            # Ages count from the answer, here and in every copy.
            fetched_at, monotonic_fetched_at = self._clock.time(), self._clock.monotonic()
            announce = self._install(parse_key_set(document), fetched_at, monotonic_fetched_at, "network")
        except Exception as exc:  # noqa: BLE001 - whatever it is, the fleet has to know, and the lease goes back
            failure = self._note_failure(exc)._replace(attempted_at=attempted_at)
            announce = partial(self._on_failed, failure.reason)
            return [partial(self._shared.fleet.share_failure, failure), lease.release, announce]
        self._succeeded()
        return [partial(self._shared.write, SharedEntry(document.decode("utf-8"), fetched_at)), lease.release, announce]

    def _adopt(self, entry: SharedEntry | None) -> list[Step]:
        """Install what another process got, if that is newer than what is here and not too old."""
        if entry is None or not self._store.would_take(entry.fetched_at):
            return []
        try:
            key_set = parse_key_set(entry.document.encode("utf-8"))
        except KeySetError:
            return []
        monotonic_fetched_at = self._clock.monotonic() - max(0.0, self._clock.time() - entry.fetched_at)
        if self._backoff.attempted(monotonic_fetched_at):  # the other process asked the issuer then, and was answered
            self._succeeded()
        return [self._install(key_set, entry.fetched_at, monotonic_fetched_at, "cache")]

    def _follow(self, failure: Failure) -> None:
        """Keep the pace of the fleet after an attempt of another process that failed."""
        now, wall_now = self._clock.monotonic(), self._clock.time()
        if self._backoff.attempted(now - max(0.0, wall_now - failure.attempted_at)):
            self._log_failure(failure.reason)
            self._backoff.follow_failure(now + failure.retry_at - wall_now, failure.failures, failure.reason)

    def _succeeded(self) -> None:
        if self._backoff.is_failing:
            logger.info("the key set of %s can be fetched again", self._issuer)
        self._backoff.succeeded()

    def _log_failure(self, reason: str) -> None:
        if not self._backoff.is_failing:  # once for each change of state, not for each attempt
            logger.warning("the key set of %s cannot be fetched: %s", self._issuer, reason)

    def _install(self, key_set: KeySet, fetched_at: float, monotonic_fetched_at: float, source: str) -> Step:
        old = self._store.snapshot
        is_new_material = self._store.install(key_set, fetched_at, monotonic_fetched_at, source)
        if key_set.skipped and is_new_material:
            logger.warning("keys of %s that are not used: %s", self._issuer, "; ".join(sorted(set(key_set.skipped))))
        before = old.key_set.key_ids if old else frozenset[str]()
        added, removed = tuple(sorted(key_set.key_ids - before)), tuple(sorted(before - key_set.key_ids))
        return partial(self._on_refreshed, added, removed)
