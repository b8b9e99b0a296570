"""Prometheus metrics of an app: call `instrument`, and expose the registry like any other (docs/metrics.md).

Needs the extra ``metrics``; nothing else in the package imports this module. Only plain ``Counter`` and ``Gauge`` are
used, because they alone work in the multi-process mode of prometheus-client. Each label takes one of a few values that
are known before the first request: none comes from a token or a request.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, get_args
from weakref import WeakKeyDictionary

from flask import Flask

from auth0_blueprint import signals
from auth0_blueprint.guards.authentication import EXTENSION, AppState
from auth0_blueprint.guards.labels import CODES, EVENT_REASONS, OTHER, REASONS, TOKEN_OUTCOMES, reason_of
from auth0_blueprint.revocation.events.event import OutcomeName

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError(
        "auth0_blueprint.metrics needs prometheus-client. To solve this: pip install 'auth0_blueprint[metrics]'",
        name=_missing.name,
    ) from _missing

METRICS_EXTENSION = "auth0_metrics"


class Collectors:
    """The metrics in one registry, shared by all apps that count in it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        self.verified: Counter = counter(
            "auth0_tokens_verified_total", "Access tokens accepted, in requests and by verify_token."
        )
        self.delegated: Counter = counter(
            "auth0_tokens_delegated_total", "Access tokens accepted that an actor uses on behalf of their subject."
        )
        self.rejected: Counter = counter(
            "auth0_tokens_rejected_total", "Requests and verify_token calls refused, by error code.", ["code"]
        )
        # The hits would cost each request a second count.
        self.cache_misses: Counter = counter(
            "auth0_token_cache_misses_total", "Valid access tokens that were not in the token cache."
        )
        self.fetches: Counter = counter(
            "auth0_key_set_fetches_total", "Attempts to fetch an issuer's key set.", ["issuer"]
        )
        self.fetch_failures: Counter = counter(
            "auth0_key_set_fetch_failures_total",
            "Attempts to fetch an issuer's key set that failed, by reason.",
            ["issuer", "reason"],
        )
        # Not the age: in multi-process mode a gauge keeps the value set last, and an age would stand still.
        self.fetched_at: Gauge = gauge(
            "auth0_key_set_fetched_timestamp_seconds",
            "Unix time at which the key set in use was fetched; with several processes, the newest.",
            ["issuer"],
            multiprocess_mode="livemax",
        )
        # Each process knows all of them: they must not be added up.
        self.revocations: Gauge = gauge(
            "auth0_revocations_in_force",
            "Revocations in force, as known to the process that synced last.",
            multiprocess_mode="livemostrecent",
        )
        self.looks: Counter = counter("auth0_revocation_store_looks_total", "Syncs with the shared revocations.")
        self.look_failures: Counter = counter(
            "auth0_revocation_store_look_failures_total", "Syncs with the shared revocations that failed."
        )
        self._add_others(counter)

    def _add_others(self, counter: Callable[..., Counter]) -> None:
        self.token_requests: Counter = counter(
            "auth0_token_requests_total", "Requests for tokens of the API itself, by outcome.", ["outcome"]
        )
        self.events: Counter = counter(
            "auth0_events_total", "Events handled, by route and outcome.", ["source", "outcome"]
        )
        self.events_refused: Counter = counter(
            "auth0_events_refused_total",
            "Events and requests with events refused, by route and reason.",
            ["source", "reason"],
        )


_collectors: WeakKeyDictionary[CollectorRegistry, Collectors] = WeakKeyDictionary()


def instrument(app: Flask, *, registry: CollectorRegistry = REGISTRY) -> None:
    """Count in *registry* what happens in *app* from now on.

    Call it once for each app, after its `Auth0Blueprint` is registered. Several apps may share one registry: their
    figures add up.

    Args:
        app: the app.
        registry: the one that the host exposes; by default that of prometheus-client.

    Raises:
        RuntimeError: the app has no Auth0Blueprint, or is already instrumented.
    """
    state: AppState | None = app.extensions.get(EXTENSION)
    if state is None:
        raise RuntimeError(
            "This app has no Auth0Blueprint. To solve this, register it before instrument(app): "
            "app.register_blueprint(Auth0Blueprint())."
        )
    if METRICS_EXTENSION in app.extensions:
        raise RuntimeError("This app is already instrumented: everything would be counted twice.")
    collectors = _collectors.get(registry)
    if collectors is None:
        collectors = _collectors[registry] = Collectors(registry)
    app.extensions[METRICS_EXTENSION] = AppMetrics(app, state, collectors)


class AppMetrics:
    """Counts for one app: alongside its counters, at each sync with the fleet, and by listening to its signals.

    Each series starts at zero here: a rate over a series that begins with the first failure would miss that failure.
    """

    def __init__(self, app: Flask, state: AppState, collectors: Collectors) -> None:
        senders = () if state.events is None else state.events.key_sources.values()
        # Where a sender of events is an issuer of access tokens with other keys, the age is that of the latter.
        self._key_sources = {**{source.issuer: source for source in senders}, **dict(state.key_sources.items())}
        # Where a function decides which issuers are ours, none is known yet, and all are counted as `OTHER`.
        issuers = [*self._key_sources, *([] if state.directory is None else [OTHER])]
        self._revocations = state.revocations
        self._time = state.clock.time
        self._collectors = collectors
        self.count_verified: Callable[[], None] = collectors.verified.inc
        self.count_delegated: Callable[[], None] = collectors.delegated.inc
        self.count_proven: Callable[[], None] = collectors.cache_misses.inc
        self._rejected = {code: collectors.rejected.labels(code) for code in CODES}
        self._fetches = {issuer: collectors.fetches.labels(issuer) for issuer in issuers}
        self._fetch_failures = {
            (issuer, reason): collectors.fetch_failures.labels(issuer, reason)
            for issuer in issuers
            for reason in REASONS
        }
        self._token_requests = {name: collectors.token_requests.labels(name) for name in TOKEN_OUTCOMES}
        sources = state.settings.events.sources if state.events is not None else ()
        self._events = {
            (source, outcome): collectors.events.labels(source, outcome)
            for source in sources
            for outcome in get_args(OutcomeName)
        }
        self._events_refused = {
            (source, reason): collectors.events_refused.labels(source, reason)
            for source in sources
            for reason in EVENT_REASONS
        }
        state.counters.count_along(self)
        # blinker holds these weakly, through this object: they are freed with the app.
        signals.key_set_refreshed.connect(self._note_key_set, sender=app)
        if state.revocations is not None:
            signals.revocation_changed.connect(self._note_revocations, sender=app)
            state.fleet_sync.subscribe_to_outcomes(self._count_look)

    def count_rejected(self, code: str) -> None:
        """Count a refusal; an error of the app's own counts as `OTHER`."""
        self._rejected.get(code, self._rejected[OTHER]).inc()

    def count_key_fetch(self, issuer: str) -> None:
        """Count a request for the key set of *issuer*."""
        self._fetches[issuer if issuer in self._fetches else OTHER].inc()

    def count_key_fetch_failure(self, issuer: str, code: str, status: int | None) -> None:
        """Count a request for the key set of *issuer* that failed."""
        self._fetch_failures[issuer if issuer in self._fetches else OTHER, reason_of(code, status)].inc()

    def count_token_request(self, outcome: str) -> None:
        """Count an answer of the token endpoint."""
        self._token_requests[outcome].inc()

    def count_event(self, source: str, outcome: str) -> None:
        """Count an event."""
        self._events[source, outcome].inc()

    def count_event_refused(self, source: str, reason: str) -> None:
        """Count a request with events that was refused; a reason that no class above has counts as `OTHER`."""
        self._events_refused[source, reason if reason in EVENT_REASONS else OTHER].inc()

    def _note_key_set(self, _app: Flask, *, issuer: str, **_key_ids: Any) -> None:
        source = self._key_sources.get(issuer)
        age_seconds = None if source is None else source.status().age_seconds
        if age_seconds is not None:
            # Only now: until a key set was fetched there is no time to report, and 0 would mean 1970.
            self._collectors.fetched_at.labels(issuer).set(self._time() - age_seconds)

    def _count_look(self, has_worked: bool) -> None:
        self._collectors.looks.inc()
        if has_worked:
            self._note_revocations()
        else:
            self._collectors.look_failures.inc()

    def _note_revocations(self, *_app: Flask, **_revocation: Any) -> None:
        if self._revocations is not None:
            self._collectors.revocations.set(self._revocations.status().known)
