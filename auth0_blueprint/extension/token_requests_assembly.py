"""Builds what one app has for tokens of its own, at its first use: most apps have none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from auth0_blueprint.concurrency.after_fork import ProcessLock
from auth0_blueprint.concurrency.clock import Clock
from auth0_blueprint.revocation.service import Revocations
from auth0_blueprint.settings import Settings
from auth0_blueprint.sharing.shared_store import SharedStore

if TYPE_CHECKING:
    from auth0_blueprint.token_requests.service import TokenRequests
    from auth0_blueprint.token_requests.token_request import Subject


def token_requests_of(
    settings: Settings,
    revocations: Revocations | None,
    store: SharedStore,
    clock: Clock,
    on_outcome: Callable[[str], object],
) -> Callable[[], TokenRequests]:
    """Return what returns the tokens of an app, always the same.

    Args:
        settings: of the app.
        revocations: what is revoked, if anything can be.
        store: of the fleet.
        clock: tells the time.
        on_outcome: counts the answers of the token endpoint.
    """
    made: list[TokenRequests] = []
    lock = ProcessLock()

    def was_revoked(subject: Subject, since: float) -> bool:
        if revocations is None:
            return False
        return bool(revocations.matching(subject.access_token, subject.text, changed_since=since))

    def make() -> TokenRequests:
        from auth0_blueprint.token_requests.service import attempt_seconds
        from auth0_blueprint.token_requests.shared_tokens import SharedTokens

        # What a short secret encrypts can be read by whoever guesses it.
        secret = settings.cache_secret if settings.sharing_limit == "fleet" else None
        seconds = attempt_seconds(settings)
        shared = None if secret is None else SharedTokens(store, secret, attempt_seconds=seconds, clock=clock)
        return _class_for(settings)(
            settings, shared=shared, was_revoked=was_revoked, clock=clock, on_outcome=on_outcome
        )

    def token_requests() -> TokenRequests:
        if not made:
            with lock():
                made[:] = made or [make()]
        return made[0]

    return token_requests


def _class_for(settings: Settings) -> type[TokenRequests]:
    if settings.otel:
        from auth0_blueprint.extension.otel.token_requests import TracedTokenRequests

        return TracedTokenRequests
    from auth0_blueprint.token_requests.service import TokenRequests

    return TokenRequests
