"""Metrics, counted along with the counters of an app, as those of Prometheus are; and refusals, noted on spans.

The names are those of `auth0_blueprint.metrics` with dots: a collector that exports to Prometheus makes the same of
them, so that queries, alerts and dashboards fit both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import NamedTuple
from weakref import WeakSet

from flask import has_request_context, request
from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, Counter, Observation

from auth0_blueprint import errors
from auth0_blueprint.extension.otel.spans import (
    OUTCOME,
    SCOPE,
    STATUS,
    current_verification,
    harmless,
    open_span,
    parent_of,
    set_all,
)
from auth0_blueprint.guards.authentication import AppState, outcome_of_request
from auth0_blueprint.guards.labels import EVENT_REASONS, OTHER, known_code, reason_of

#: What is refused without, or after, the verification of a token. Its status is always the same.
_ERRORS_BESIDE_VERIFICATION: tuple[type[errors.Auth0Error], ...] = (
    errors.MissingCredentialsError,
    errors.UserNotFoundError,
    errors.InsufficientUserAuthenticationError,
    errors.InsufficientScopeError,
    errors.InsufficientPermissionsError,
    errors.InsufficientClaimsError,
    errors.InsufficientAuthorizationDetailsError,
)
_STATUS_BESIDE_VERIFICATION = {error.code: error.status for error in _ERRORS_BESIDE_VERIFICATION}
_BESIDE_VERIFICATION = {*_STATUS_BESIDE_VERIFICATION, errors.InvalidHeaderError.code}

#: Those whose gauges are read. An app that is gone is in it no more.
_counting: WeakSet[Counts] = WeakSet()


class HarmlessCounter:
    """A counter that never raises: a request goes on, whatever a part of the SDK does.

    Args:
        counter: that may.
    """

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    def add(self, amount: int, attributes: Mapping[str, str] | None = None) -> None:
        """Do what `opentelemetry.metrics.Counter.add` does."""
        with harmless:
            self._counter.add(amount, attributes)


class Instruments(NamedTuple):
    """The counters of the process: apps add up."""

    verified: HarmlessCounter
    delegated: HarmlessCounter
    rejected: HarmlessCounter
    misses: HarmlessCounter
    fetches: HarmlessCounter
    fetch_failures: HarmlessCounter
    looks: HarmlessCounter
    look_failures: HarmlessCounter
    token_requests: HarmlessCounter
    events: HarmlessCounter
    events_refused: HarmlessCounter


@cache
def _instruments() -> Instruments:
    meter = metrics.get_meter(*SCOPE)
    meter.create_observable_gauge(
        "auth0.key_set.fetched_timestamp",
        [lambda _: _largest(Counts.fetched_at)],
        "s",
        "Unix time at which the key set in use was fetched.",
    )
    meter.create_observable_gauge(
        "auth0.revocations.in_force", [_revocations_in_force], "{revocation}", "Revocations that this process knows."
    )

    def counter(name: str, unit: str, description: str) -> HarmlessCounter:
        return HarmlessCounter(meter.create_counter(name, unit, description))

    return Instruments(
        counter("auth0.tokens.verified", "{token}", "Access tokens accepted, in requests and by verify_token."),
        counter("auth0.tokens.delegated", "{token}", "Those that an actor uses on behalf of their subject."),
        counter("auth0.tokens.rejected", "{request}", "Requests and verify_token calls refused, by error code."),
        counter("auth0.token_cache.misses", "{token}", "Valid access tokens that were not in the token cache."),
        counter("auth0.key_set.fetches", "{attempt}", "Attempts to fetch an issuer's key set."),
        counter("auth0.key_set.fetch_failures", "{attempt}", "Those that failed, by reason."),
        counter("auth0.revocation_store.looks", "{look}", "Syncs with the shared revocations."),
        counter("auth0.revocation_store.look_failures", "{look}", "Those that failed."),
        counter("auth0.token_requests", "{request}", "Requests for tokens of the API itself, by outcome."),
        counter("auth0.events", "{event}", "Events handled, by route and outcome."),
        counter("auth0.events.refused", "{request}", "Events and requests with events refused, by route and reason."),
    )


class Counts:
    """Counts for one app.

    Args:
        state: of the app.
    """

    def __init__(self, state: AppState) -> None:
        instruments = self._instruments = _instruments()
        senders = () if state.events is None else state.events.key_sources.values()
        self._key_sources = {**{source.issuer: source for source in senders}, **dict(state.key_sources.items())}
        self._revocations = state.revocations
        self._time = state.clock.time
        self.count_verified: Callable[[], None] = lambda: instruments.verified.add(1)
        state.counters.count_along(self)
        if state.revocations is not None:
            state.fleet_sync.subscribe_to_outcomes(self._count_look)
        _counting.add(self)

    def count_delegated(self) -> None:
        """Count a token that an actor uses."""
        self._instruments.delegated.add(1)

    def count_proven(self) -> None:
        """Count a token that was not in the token cache, and note it for the span of its verification."""
        self._instruments.misses.add(1)
        verification = current_verification()
        if verification is not None:
            verification.is_proven = True

    def count_rejected(self, code: str) -> None:
        """Count a refusal, and note it on the span of the request; without one, one is made for it."""
        is_of_request = code == outcome_of_request()  # and not of a token that `verify_token` was given
        code = known_code(code)
        self._instruments.rejected.add(1, {"code": code})
        attributes = {OUTCOME: code, STATUS: _STATUS_BESIDE_VERIFICATION.get(code)}
        span = trace.get_current_span()
        if span.is_recording():
            set_all(span, {OUTCOME: code if is_of_request else None})
        elif code in _BESIDE_VERIFICATION:
            with open_span("auth0.refuse", parent_of(request.environ if has_request_context() else None)) as span:
                set_all(span, attributes)

    def count_key_fetch(self, issuer: str) -> None:
        """Count a request for the key set of *issuer*."""
        self._instruments.fetches.add(1, {"issuer": self._known(issuer)})

    def count_key_fetch_failure(self, issuer: str, code: str, status: int | None) -> None:
        """Count one that failed."""
        labels = {"issuer": self._known(issuer), "reason": reason_of(code, status)}
        self._instruments.fetch_failures.add(1, labels)

    def count_token_request(self, outcome: str) -> None:
        """Count an answer of the token endpoint."""
        self._instruments.token_requests.add(1, {"outcome": outcome})

    def count_event(self, source: str, outcome: str) -> None:
        """Count an event."""
        self._instruments.events.add(1, {"source": source, "outcome": outcome})

    def count_event_refused(self, source: str, reason: str) -> None:
        """Count a request with events that was refused."""
        reason = reason if reason in EVENT_REASONS else OTHER
        self._instruments.events_refused.add(1, {"source": source, "reason": reason})

    def fetched_at(self) -> Iterator[tuple[str, float]]:
        """Yield each issuer whose key set is known, with the Unix time at which it was fetched."""
        for issuer, source in self._key_sources.items():
            age_seconds = source.status().age_seconds
            if age_seconds is not None:
                yield issuer, self._time() - age_seconds

    def revocations_known(self) -> int | None:
        """Return how many revocations are known; ``None`` where there can be none."""
        return None if self._revocations is None else self._revocations.status().known

    def _known(self, issuer: str) -> str:
        return issuer if issuer in self._key_sources else OTHER

    def _count_look(self, has_worked: bool) -> None:
        self._instruments.looks.add(1)
        if not has_worked:
            self._instruments.look_failures.add(1)


def _largest(values_of: Callable[[Counts], Iterator[tuple[str, float]]]) -> Iterable[Observation]:
    """Yield the largest value for each issuer: apps of one process may trust the same."""
    largest: dict[str, float] = {}
    for counts in list(_counting):
        for issuer, value in values_of(counts):
            largest[issuer] = max(value, largest.get(issuer, value))
    return [Observation(value, {"issuer": issuer}) for issuer, value in largest.items()]


def _revocations_in_force(_options: CallbackOptions) -> Iterable[Observation]:
    known = [number for counts in list(_counting) if (number := counts.revocations_known()) is not None]
    return [Observation(max(known))] if known else []
