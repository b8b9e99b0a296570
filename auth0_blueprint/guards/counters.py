"""Counters of this process, for `/auth/admin/stats`: counted without a lock, as requests do the counting."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Protocol

from auth0_blueprint.concurrency.after_fork import ProcessLock


class Counts(Protocol):
    """Who counts the same as a `Counters`, in a way of its own."""

    def count_verified(self) -> object:
        """Count a request, or a call of `verify_token`, whose token was accepted."""

    def count_delegated(self) -> object:
        """Count one of those whose token names an actor (RFC 8693 §4.1)."""

    def count_proven(self) -> object:
        """Count a token that was good, and not in the token cache."""

    def count_rejected(self, code: str) -> object:
        """Count one that was refused with *code*."""

    def count_key_fetch(self, issuer: str) -> object:
        """Count a request for the key set of *issuer*."""

    def count_key_fetch_failure(self, issuer: str, code: str, status: int | None) -> object:
        """Count one that failed, with the *code* and HTTP *status* of its error."""

    def count_token_request(self, outcome: str) -> object:
        """Count an answer of the token endpoint: ``issued``, or the code of the error."""

    def count_event(self, source: str, outcome: str) -> object:
        """Count an event that came by *source*, and what became of it."""

    def count_event_refused(self, source: str, reason: str) -> object:
        """Count a request by *source* whose events were refused for *reason*."""


class _Counter:
    """Counts by `next` on an `itertools.count`, which no other thread can interrupt, unlike ``+= 1``."""

    def __init__(self) -> None:
        numbers = itertools.count()
        self.add = numbers.__next__
        self._lock = ProcessLock()
        self._looks = 0

    def value(self) -> int:
        """Return how often was counted. Each look counts as well, and is taken off."""
        with self._lock():
            value = self.add() - self._looks
            self._looks += 1
        return value


class Counters:
    """What has happened in this process since it started."""

    def __init__(self) -> None:
        self._verified = _Counter()
        #: Counts a request, or a call of `verify_token`, whose token was accepted.
        self.count_verified: Callable[[], object] = self._verified.add
        self._delegated = _Counter()
        self._remembered = _Counter()
        #: Counts a token that was in the token cache.
        self.count_remembered: Callable[[], int] = self._remembered.add
        self._key_fetches: dict[str, _Counter] = {}
        self._rejected: dict[str, _Counter] = {}
        self._token_requests: dict[str, _Counter] = {}
        self._events: dict[str, dict[str, _Counter]] = {}
        self._events_refused: dict[str, dict[str, _Counter]] = {}
        self._others: list[Counts] = []

    def count_along(self, other: Counts) -> None:
        """Have *other* count as well, from now on."""
        self._others.append(other)
        # Every request counts this: while nobody counts along, it costs nothing more.
        self.count_verified = _both(self.count_verified, other.count_verified)

    def count_delegated(self) -> None:
        """Count one of those whose token names an actor."""
        self._delegated.add()
        for other in self._others:
            other.count_delegated()

    def count_proven(self) -> None:
        """Let the others count a token that was good, and not in the token cache."""
        for other in self._others:
            other.count_proven()

    def count_rejected(self, code: str) -> None:
        """Count one that was refused with *code*."""
        _counter(self._rejected, code).add()
        for other in self._others:
            other.count_rejected(code)

    def count_key_fetch(self, issuer: str) -> None:
        """Count a request for the key set of *issuer*."""
        _counter(self._key_fetches, issuer).add()
        for other in self._others:
            other.count_key_fetch(issuer)

    def count_key_fetch_failure(self, issuer: str, code: str, status: int | None) -> None:
        """Let the others count a request that failed, with the *code* and HTTP *status* of its error."""
        for other in self._others:
            other.count_key_fetch_failure(issuer, code, status)

    def count_token_request(self, outcome: str) -> None:
        """Count an answer of the token endpoint: ``issued``, or the code of the error."""
        _counter(self._token_requests, outcome).add()
        for other in self._others:
            other.count_token_request(outcome)

    def count_event(self, source: str, outcome: str) -> None:
        """Count an event that came by *source*, and what became of it."""
        _counter(self._events.setdefault(source, {}), outcome).add()
        for other in self._others:
            other.count_event(source, outcome)

    def count_event_refused(self, source: str, reason: str) -> None:
        """Count a request by *source* whose events were refused for *reason*."""
        _counter(self._events_refused.setdefault(source, {}), reason).add()
        for other in self._others:
            other.count_event_refused(source, reason)

    @property
    def events(self) -> dict[str, dict[str, int]]:
        """How many events there were, by source and outcome."""
        return _values(self._events)

    @property
    def events_refused(self) -> dict[str, dict[str, int]]:
        """How many requests with events were refused, by source and reason."""
        return _values(self._events_refused)

    @property
    def token_requests(self) -> dict[str, int]:
        """How often the token endpoint was asked, by outcome: ``issued``, or the code of the error."""
        return {outcome: counter.value() for outcome, counter in sorted(self._token_requests.copy().items())}

    @property
    def key_fetches(self) -> dict[str, int]:
        """How often each issuer was asked for its key set; one that never was is not in it."""
        return {issuer: counter.value() for issuer, counter in self._key_fetches.copy().items()}

    @property
    def remembered(self) -> int:
        """How many tokens were in the token cache."""
        return self._remembered.value()

    @property
    def verified(self) -> int:
        """How many were accepted."""
        return self._verified.value()

    @property
    def delegated(self) -> int:
        """How many of those were used by an actor."""
        return self._delegated.value()

    @property
    def rejected(self) -> dict[str, int]:
        """How many were refused, by code."""
        return {code: counter.value() for code, counter in sorted(self._rejected.copy().items())}


def _counter(counters: dict[str, _Counter], name: str) -> _Counter:
    # `setdefault` lets no two threads put a counter each, where the counts of one of them would be lost.
    return counters.get(name) or counters.setdefault(name, _Counter())


def _values(counters: dict[str, dict[str, _Counter]]) -> dict[str, dict[str, int]]:
    return {
        source: {name: counter.value() for name, counter in sorted(of_source.copy().items())}
        for source, of_source in sorted(counters.copy().items())
    }


def _both(count: Callable[[], object], count_as_well: Callable[[], object]) -> Callable[[], object]:
    def count_both() -> None:
        count()
        count_as_well()

    return count_both
