"""The state of one app, and the verified token of one request.

A request's token is kept on the request object itself, not on ``g``: ``g`` lives with the app context, which tests, CLI
commands and workers share between requests, and then the first caller's identity would still be there for the second.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

from flask import Flask, current_app, has_request_context, request
from werkzeug.local import LocalProxy

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.errors import Auth0Error, MissingCredentialsError
from auth0_blueprint.guards.counters import Counters
from auth0_blueprint.keysets.source import KeySource
from auth0_blueprint.revocation.service import Revocations
from auth0_blueprint.sender_constraining.binding import PROOF, Binding
from auth0_blueprint.settings import Settings
from auth0_blueprint.sharing.fleet_sync import FleetSync
from auth0_blueprint.sharing.shared_cache import SharedCache
from auth0_blueprint.signals import token_rejected, token_verified
from auth0_blueprint.verification.access_token import ANONYMOUS, AccessToken
from auth0_blueprint.verification.credentials import BEARER, scheme_and_token
from auth0_blueprint.verification.verifier import Verifier

logger: logging.Logger = logging.getLogger("auth0_blueprint")

EXTENSION = "auth0"
_ATTRIBUTE = "_auth0_blueprint_state"


class AppRules(Protocol):
    """What the app itself has to say about a token that is otherwise good."""

    def check_app_rules(self, access_token: AccessToken) -> None:
        """Raise if the app's blocklist or rule is against *access_token*."""

    def admit(self, access_token: AccessToken) -> dict[str, Any] | None:
        """Do the same, and return the user of *access_token*, if the app looks users up."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AppState:
    """What `Auth0Blueprint` puts into ``app.extensions["auth0"]``."""

    settings: Settings
    cache: SharedCache
    #: Who shares through it: ``process`` (nobody), ``machine`` or ``fleet``.
    reach: Callable[[], str]
    #: The issuers whose tokens are accepted, in the order of ``AUTH0_DOMAIN``: each has its own keys and its own pace.
    key_sources: Mapping[str, KeySource]
    verifier: Verifier
    binding: Binding
    rules: AppRules
    fleet_sync: FleetSync
    #: ``None`` where ``AUTH0_REVOCATION`` is off.
    revocations: Revocations | None
    counters: Counters
    clock: Clock = SYSTEM_CLOCK


class RequestState(NamedTuple):
    """What was proven about one request, by the settings of one app. Lives and dies with the request object."""

    app_state: AppState
    access_token: AccessToken
    user: Any


def app_state() -> AppState:
    """Return the state of the current app."""
    try:
        return cast("AppState", current_app._get_current_object().extensions[EXTENSION])  # type: ignore[attr-defined]
    except KeyError:
        raise RuntimeError(
            "This app has no Auth0Blueprint. To solve this, register one: app.register_blueprint(Auth0Blueprint())."
        ) from None


def request_state() -> RequestState | None:
    """Return what was proven about the current request, if a guard has run."""
    if not has_request_context():
        return None
    state = getattr(request._get_current_object(), _ATTRIBUTE, None)  # type: ignore[attr-defined]
    # Under the context of another app than that of the request, nothing has been proven for it.
    return RequestState(*state) if state is not None and state[0] is _app().extensions.get(EXTENSION) else None


def authenticate(*, optional: bool = False, ignore_other_schemes: bool = False) -> AccessToken:
    """Prove who is calling, once for each request.

    Args:
        optional: a request without credentials passes as anonymous; bad credentials are still refused.
        ignore_other_schemes: credentials of another scheme count as none.

    Raises:
        Auth0Error: the request is refused.
    """
    state = app_state()
    here = request._get_current_object()  # type: ignore[attr-defined]
    known: tuple[AppState, AccessToken, Any] | None = getattr(here, _ATTRIBUTE, None)
    # An anonymous caller is looked at again: another guard may not take other schemes for no credentials.
    if known is not None and known[1] and known[0] is state:
        return known[1]
    try:
        access_token = prove_request(state, here.environ)
        user = state.rules.admit(access_token)
    except Auth0Error as exc:
        is_anonymous = isinstance(exc, MissingCredentialsError) or (
            ignore_other_schemes and exc.reason == "other_scheme"
        )
        if not (optional and is_anonymous):
            notify_rejected(exc)
            raise
        access_token, user = ANONYMOUS, None
    else:
        state.counters.count_verified()
        if token_verified.receivers:
            token_verified.send(_app(), access_token=access_token)
    # Written last, when all checks have passed.
    setattr(here, _ATTRIBUTE, (state, access_token, user))  # a RequestState once somebody asks for it
    return access_token


def prove_request(state: AppState, environ: Mapping[str, Any], *, cached_only: bool = False) -> AccessToken:
    """Prove the token of the request that *environ* describes, and that it comes from whom it is bound to.

    Args:
        state: of the app.
        environ: the request, as WSGI describes it.
        cached_only: use only what is known already, cause no fetch and wait for none.

    Raises:
        Auth0Error: it is not acceptable, or cannot be decided now.
    """
    binding = state.binding
    scheme, token = scheme_and_token(environ.get("HTTP_AUTHORIZATION"), takes_dpop=binding.takes_dpop_scheme)
    access_token = state.verifier.prove(token, cached_only=cached_only)
    state.verifier.check_not_revoked(access_token, token)
    if access_token.is_bound or scheme != BEARER or PROOF in environ or binding.is_proof_required:
        binding.refuse_unproven(access_token, token, scheme, environ)
    return access_token


def verify_token(token: str) -> AccessToken:
    """Prove *token* as a guard would, outside of a request: for sockets and queues. Needs an app context.

    Sender-constrained tokens are refused: there is no request that could show the proof.

    Raises:
        Auth0Error: it is not acceptable, or cannot be decided now.
    """
    if not isinstance(token, str):
        raise TypeError("verify_token() takes the text of one access token.")
    state = app_state()
    try:
        access_token = state.verifier.verify(token)
        state.rules.check_app_rules(access_token)
    except Auth0Error as exc:
        notify_rejected(exc)
        raise
    _notify_verified(state, access_token)
    return access_token


def _app() -> Flask:
    return current_app._get_current_object()  # type: ignore[attr-defined,no-any-return]


def _notify_verified(state: AppState, access_token: AccessToken) -> None:
    state.counters.count_verified()
    if token_verified.receivers:
        token_verified.send(_app(), access_token=access_token)


def notify_rejected(error: Auth0Error) -> None:
    """Let the log, the counters and the listeners know that a token, or a request, was refused."""
    app_state().counters.count_rejected(error.code)
    logger.info("refused: %s (%s)", error.code, error.reason)
    token_rejected.send(_app(), code=error.code, reason=error.reason)


def _current_token() -> AccessToken:
    state = request_state()
    if state is None:
        raise RuntimeError(
            "Nothing has verified an access token in this request. To solve this, put a guard such as @requires_auth "
            "below the view's route decorator, or use protect() on its blueprint."
        )
    return state.access_token


class _TokenProxy(LocalProxy[AccessToken]):
    """A proxy that says what is wrong in an unguarded view, also when it is only asked for its truth."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return bool(self._get_current_object())


#: The current request's `AccessToken`.
current_token: AccessToken = cast("AccessToken", _TokenProxy(_current_token))
