"""Spans and metrics through OpenTelemetry's API: what `Telemetry` adds to the state of an app (docs/how-to/tracing.md).

Nothing in a span or metric comes from an unverified token: outcomes are the codes of this package, exceptions are never
recorded, since their text or a local of theirs may hold what was sent, and urls are those of the settings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from auth0_blueprint.concurrency.observation import observe
from auth0_blueprint.extension.otel.counts import Counts
from auth0_blueprint.extension.otel.sequence import TracedSequence
from auth0_blueprint.extension.otel.spans import ThreadObserver
from auth0_blueprint.extension.otel.traced_fetch import fetch_in_span
from auth0_blueprint.guards.authentication import AppState
from auth0_blueprint.keysets.fetch import FetchedKeySet, fetch
from auth0_blueprint.settings import Settings


class Telemetry:
    """Spans and metrics for one app.

    Args:
        settings: of the app.

    Attributes:
        fetch: gets a key set, in a span.
    """

    def __init__(self, settings: Settings) -> None:
        self._names_subjects = settings.otel_subject
        self.fetch: Callable[..., FetchedKeySet] = partial(
            fetch_in_span, partial(fetch, user_agent=settings.jwks_user_agent)
        )

    def observe(self, state: AppState) -> AppState:
        """Return *state* with spans, and count along with its counters."""
        observe(ThreadObserver())
        Counts(state)
        sequence = TracedSequence(state.sequence.prove, state.sequence.steps, names_subjects=self._names_subjects)
        return replace(state, sequence=sequence)
