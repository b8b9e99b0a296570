"""Prometheus metrics of an app: `instrument` it, and expose its registry as any other (docs/metrics.md).

Needs the extra ``metrics``; nothing else of the package imports this room. Everything is a plain ``Counter`` or
``Gauge``, which alone work in the multi-process mode of prometheus-client. A label has one of a few values that are
known before the first request comes: none is taken from a token or a request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from flask import Flask

from auth0_blueprint import errors, signals
from auth0_blueprint.guards.authentication import EXTENSION, AppState
from auth0_blueprint.keysets.fetch import FetchError
from auth0_blueprint.keysets.key_set import KeySetError

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge
except ModuleNotFoundError as _missing:
    raise ModuleNotFoundError(
        "auth0_blueprint.metrics needs prometheus-client. To solve this: pip install 'auth0_blueprint[metrics]'",
        name=_missing.name,
    ) from _missing

METRICS_EXTENSION = "auth0_metrics"

#: Of a code or a reason that is not of this package.
OTHER = "other"

_HTTP_STATUS = "http_status"
_FETCH_CODES = {**FetchError.descriptions, **KeySetError.descriptions}.keys() - {_HTTP_STATUS}

#: Why a key set could not be fetched: the code of the error, or the class of the HTTP status.
REASONS = (*sorted(_FETCH_CODES), *(f"http_{digit}xx" for digit in "12345"), OTHER)


def _codes() -> Iterator[str]:
    refusals = (errors.AuthenticationError, errors.AuthorizationError, errors.UnavailableError)
    for error in vars(errors).values():
        if isinstance(error, type) and issubclass(error, refusals) and hasattr(error, "code"):
            yield error.code


#: With which codes a guard refuses.
CODES = (*sorted(set(_codes())), OTHER)


class Collectors:
    """What is in one registry, for all apps that count in it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.verified: Counter = Counter(
            "auth0_tokens_verified_total",
            "Requests, and calls of verify_token, whose access token was accepted.",
            registry=registry,
        )
        self.rejected: Counter = Counter(
            "auth0_tokens_rejected_total",
            "Requests, and calls of verify_token, that were refused, by error code.",
            ["code"],
            registry=registry,
        )
        # The hits would cost each request a second count.
        self.cache_misses: Counter = Counter(
            "auth0_token_cache_misses_total",
            "Good access tokens that were not remembered, and had to be proven.",
            registry=registry,
        )
        self.fetches: Counter = Counter(
            "auth0_key_set_fetches_total",
            "Requests for the key set of an issuer.",
            ["issuer"],
            registry=registry,
        )
        self.fetch_failures: Counter = Counter(
            "auth0_key_set_fetch_failures_total",
            "Requests for the key set of an issuer that gave none, by reason.",
            ["issuer", "reason"],
            registry=registry,
        )
        # Not its age: in multi-process mode a gauge says what was set last, and an age would stand still.
        self.fetched_at: Gauge = Gauge(
            "auth0_key_set_fetched_timestamp_seconds",
            "When the issuer gave the key set that is in use, as Unix time; of several processes, the newest.",
            ["issuer"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        # Each process knows all of them: they must not be added up.
        self.revocations: Gauge = Gauge(
            "auth0_revocations_in_force",
            "Revocations in force, as the process knows them that has looked last.",
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self.looks: Counter = Counter(
            "auth0_revocation_store_looks_total",
            "Looks at what processes share about revocations.",
            registry=registry,
        )
        self.look_failures: Counter = Counter(
            "auth0_revocation_store_look_failures_total",
            "Looks at what processes share about revocations that failed.",
            registry=registry,
        )


_collectors: WeakKeyDictionary[CollectorRegistry, Collectors] = WeakKeyDictionary()


def instrument(app: Flask, *, registry: CollectorRegistry = REGISTRY) -> None:
    """Count in *registry* what happens in *app*, from now on.

    To be called once for each app, after its `Auth0Blueprint` is registered. Several apps may count in one registry:
    their figures add up.

    Args:
        app: the app.
        registry: the one that the host exposes; by default that of prometheus-client.

    Raises:
        RuntimeError: the app has no Auth0Blueprint, or is instrumented already.
    """
    state: AppState | None = app.extensions.get(EXTENSION)
    if state is None:
        raise RuntimeError(
            "This app has no Auth0Blueprint. To solve this, register it before instrument(app): "
            "app.register_blueprint(Auth0Blueprint())."
        )
    if METRICS_EXTENSION in app.extensions:
        raise RuntimeError("This app is instrumented already: everything would be counted twice.")
    collectors = _collectors.get(registry)
    if collectors is None:
        collectors = _collectors[registry] = Collectors(registry)
    app.extensions[METRICS_EXTENSION] = AppMetrics(app, state, collectors)


class AppMetrics:
    """Counts for one app: along with its counters, at each look at the board, and as a listener of its signals.

    Each series is made here, at zero: a rate that only begins with the first failure would not see it.
    """

    def __init__(self, app: Flask, state: AppState, collectors: Collectors) -> None:
        self._key_sources = state.key_sources
        self._revocations = state.revocations
        self._collectors = collectors
        self.count_verified: Callable[[], None] = collectors.verified.inc
        self.count_proven: Callable[[], None] = collectors.cache_misses.inc
        self._rejected = {code: collectors.rejected.labels(code) for code in CODES}
        self._fetches = {issuer: collectors.fetches.labels(issuer) for issuer in state.key_sources}
        self._fetch_failures = {
            (issuer, reason): collectors.fetch_failures.labels(issuer, reason)
            for issuer in state.key_sources
            for reason in REASONS
        }
        state.counters.count_along(self)
        # blinker holds these weakly, by this object: they go with the app.
        signals.key_set_refreshed.connect(self._note_key_set, sender=app)
        if state.revocations is not None:
            signals.revocation_changed.connect(self._note_revocations, sender=app)
            state.fleet_sync.subscribe_to_outcomes(self._count_look)

    def count_rejected(self, code: str) -> None:
        """Count a refusal; under `OTHER` if the error is the app's own."""
        self._rejected.get(code, self._rejected[OTHER]).inc()

    def count_key_fetch(self, issuer: str) -> None:
        """Count a request for the key set of *issuer*."""
        self._fetches[issuer].inc()

    def count_key_fetch_failure(self, issuer: str, code: str, status: int | None) -> None:
        """Count a request for the key set of *issuer* that failed."""
        self._fetch_failures[issuer, reason_of(code, status)].inc()

    def _note_key_set(self, _app: Flask, *, issuer: str, **_key_ids: Any) -> None:
        age_seconds = self._key_sources[issuer].status().age_seconds
        if age_seconds is not None:
            # Not before: until then there is no time to tell, and 0 would be a key set of 1970.
            self._collectors.fetched_at.labels(issuer).set(time.time() - age_seconds)

    def _count_look(self, has_worked: bool) -> None:
        self._collectors.looks.inc()
        if has_worked:
            self._note_revocations()
        else:
            self._collectors.look_failures.inc()

    def _note_revocations(self, *_app: Flask, **_revocation: Any) -> None:
        if self._revocations is not None:
            self._collectors.revocations.set(self._revocations.status().known)


def reason_of(code: str, status: int | None) -> str:
    """Return one of `REASONS` for the *code* and HTTP *status* of a `FetchError` or `KeySetError`."""
    reason = f"http_{(status or 0) // 100}xx" if code == _HTTP_STATUS else code
    return reason if reason in REASONS else OTHER
