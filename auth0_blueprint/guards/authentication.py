"""The state of one app, and the verified token of one request.

A request's token is kept on the request object itself, not on ``g``: ``g`` lives with the app context, which tests, CLI
commands and workers share between requests, and then the first caller's identity would still be there for the second.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from flask import Flask, current_app, has_app_context, has_request_context, request
from werkzeug.local import LocalProxy

from auth0_blueprint.concurrency.clock import SYSTEM_CLOCK, Clock
from auth0_blueprint.errors import Auth0Error, MissingCredentialsError
from auth0_blueprint.guards.counters import Counters
from auth0_blueprint.guards.unread_body import read_body_after_refusal
from auth0_blueprint.keysets.source import KeySource
from auth0_blueprint.revocation.service import Revocations
from auth0_blueprint.sender_constraining.binding import Binding
from auth0_blueprint.settings import Settings
from auth0_blueprint.sharing.fleet_sync import FleetSync
from auth0_blueprint.sharing.shared_cache import SharedCache
from auth0_blueprint.sharing.shared_store import SharedStore
from auth0_blueprint.signals import token_rejected, token_verified
from auth0_blueprint.verification.access_token import ANONYMOUS, AccessToken
from auth0_blueprint.verification.credentials import scheme_and_token
from auth0_blueprint.verification.sequence import Presentation, VerificationSequence

if TYPE_CHECKING:  # few apps have many tenants, senders of events, or tokens of their own to ask for
    from auth0_blueprint.keysets.directory import IssuerDirectory
    from auth0_blueprint.revocation.events.app_events import AppEvents
    from auth0_blueprint.token_requests.service import TokenRequests

logger: logging.Logger = logging.getLogger("auth0_blueprint")

EXTENSION = "auth0"
_ATTRIBUTE = "_auth0_blueprint_state"
_REFUSAL = "_auth0_blueprint_refusal"


class AppRules(Protocol):
    """The app's own say about a token that is otherwise good."""

    def check_app_rules(self, access_token: AccessToken, presentation: Presentation) -> None:
        """Raise if the app's blocklist or rule rejects *access_token*."""

    def look_up_user(self, access_token: AccessToken) -> dict[str, Any] | None:
        """Return the user of *access_token*, if the app looks users up; raise if it knows none."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AppState:
    """What `Auth0Blueprint` puts into ``app.extensions["auth0"]``."""

    settings: Settings
    cache: SharedCache
    #: What processes share that must be atomic, or must not be lost.
    store: SharedStore
    #: Who shares through it: ``process`` (nobody), ``machine`` or ``fleet``.
    reach: Callable[[], str]
    #: The issuers whose tokens are accepted, in the order of ``AUTH0_DOMAIN``, each with its own key set. Where a
    #: function decides, those in use now.
    key_sources: Mapping[str, KeySource]
    sequence: VerificationSequence
    binding: Binding
    rules: AppRules
    fleet_sync: FleetSync
    #: ``None`` where ``AUTH0_REVOCATION`` is off.
    revocations: Revocations | None
    counters: Counters
    #: Returns the tokens for calls of the API itself, made at their first use.
    token_requests: Callable[[], TokenRequests]
    #: ``None`` where no setting names a sender of events.
    events: AppEvents | None = None
    clock: Clock = SYSTEM_CLOCK
    #: Whether the cache is not used, because it reaches beyond this machine and the secret is too short for that.
    is_withheld: Callable[[], bool] = lambda: False
    #: Where a function in ``AUTH0_DOMAIN`` says which issuers are ours: each of them is a tenant of its own.
    directory: IssuerDirectory | None = None


class RequestState(NamedTuple):
    """What was verified for one request, under the settings of one app. Lives and dies with the request object."""

    app_state: AppState
    access_token: AccessToken
    user: Any


def app_state() -> AppState:
    """Return the state of the current app."""
    try:
        state: AppState = current_app._get_current_object().extensions[EXTENSION]  # type: ignore[attr-defined]
    except KeyError:
        raise RuntimeError(
            "This app has no Auth0Blueprint. To solve this, register one: app.register_blueprint(Auth0Blueprint())."
        ) from None
    return state


def request_state() -> RequestState | None:
    """Return what was verified for the current request, if a guard has run."""
    if not has_request_context():
        return None
    state = getattr(request._get_current_object(), _ATTRIBUTE, None)  # type: ignore[attr-defined]
    # In the context of another app than that of the request, nothing is verified.
    return RequestState(*state) if state is not None and state[0] is _app().extensions.get(EXTENSION) else None


def authenticate(*, optional: bool = False, ignore_other_schemes: bool = False) -> AccessToken:
    """Verify who is calling, once for each request.

    Args:
        optional: a request without credentials passes as anonymous; bad credentials are still refused.
        ignore_other_schemes: credentials of another scheme count as none.

    Raises:
        Auth0Error: the request is refused.
    """
    state = app_state()
    here = request._get_current_object()  # type: ignore[attr-defined]
    known: tuple[AppState, AccessToken, Any] | None = getattr(here, _ATTRIBUTE, None)
    # An anonymous caller is checked again: another guard may not treat other schemes as no credentials.
    if known is not None and known[1] and known[0] is state:
        return known[1]
    try:
        access_token = verify_request(state, here.environ)
        user = state.rules.look_up_user(access_token)
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
        if access_token.is_delegated:
            state.counters.count_delegated()
        if token_verified.receivers:
            token_verified.send(_app(), access_token=access_token)
    # Written last, when all checks have passed.
    setattr(here, _ATTRIBUTE, (state, access_token, user))  # a RequestState once somebody asks for it
    return access_token


def verify_request(state: AppState, environ: Mapping[str, Any], *, cached_only: bool = False) -> AccessToken:
    """Verify the token of the request that *environ* describes.

    Args:
        state: of the app.
        environ: the request, as WSGI describes it.
        cached_only: use only what is known already: cause no fetch and wait for none.

    Raises:
        Auth0Error: the token is refused, or cannot be judged now.
    """
    scheme, token = scheme_and_token(environ.get("HTTP_AUTHORIZATION"), takes_dpop=state.binding.takes_dpop_scheme)
    return state.sequence.verify(Presentation(token, scheme, environ), cached_only=cached_only)


def verify_token(token: str) -> AccessToken:
    """Verify *token* as a guard would, outside of a request: for sockets and queues. Needs an app context.

    Sender-constrained tokens are refused: no request can prove possession of their key or certificate.

    Raises:
        Auth0Error: the token is refused, or cannot be judged now.
    """
    if not isinstance(token, str):
        raise TypeError("verify_token() takes the text of one access token.")
    state = app_state()
    try:
        access_token = state.sequence.verify(Presentation(token))
    except Auth0Error as exc:
        notify_rejected(exc, is_of_request=False)
        raise
    state.counters.count_verified()
    if access_token.is_delegated:
        state.counters.count_delegated()
    if token_verified.receivers:
        token_verified.send(_app(), access_token=access_token)
    return access_token


def _app() -> Flask:
    return current_app._get_current_object()  # type: ignore[attr-defined,no-any-return]


def notify_rejected(error: Auth0Error, access_token: AccessToken | None = None, *, is_of_request: bool = True) -> None:
    """Log and count a refused token or request, send the signal, and let the client finish sending its body.

    Args:
        error: the refusal.
        access_token: the verified token, if it is one that may not do what was asked. Its actor is logged, escaped.
        is_of_request: whether the caller of the current request is refused, if there is one.
    """
    state = app_state()
    if is_of_request and has_request_context():
        setattr(request._get_current_object(), _REFUSAL, (state, error.code))  # type: ignore[attr-defined]
    state.counters.count_rejected(error.code)  # whoever counts along may ask for the outcome of the request
    actor = None if access_token is None else access_token.actor
    acting = "" if actor is None else f", actor {ascii(actor.subject)[:300]}"
    logger.info("refused: %s (%s)%s", error.code, error.reason, acting)
    token_rejected.send(_app(), code=error.code, reason=error.reason)
    read_body_after_refusal()


def get_current_token() -> AccessToken | None:
    """Return the access token that a guard has verified for the current request, or ``None``. Never raises.

    For code that also runs where no guard has passed: hooks, log filters, rate limiters, error handlers, threads. It is
    ``None`` outside of a request, in an unguarded view, before the guard has run, for an anonymous caller, and in the
    context of another app. After a 403 it is the token of the caller, who is known but was refused.
    """
    # A request context may outlive that of its app, as when a test pops the one and not the other.
    state = request_state() if has_app_context() else None
    return (state.access_token or None) if state is not None else None


def outcome_of_request() -> str:
    """Return how the caller of the current request was judged in this app. Never raises.

    It is ``verified``, ``anonymous``, the code of the refusal, or ``none``: outside of a request, and while no guard
    has run. A refusal stands, also where a view has caught it.
    """
    if not (has_app_context() and has_request_context()):
        return "none"
    refusing, code = getattr(request._get_current_object(), _REFUSAL, (None, ""))  # type: ignore[attr-defined]
    if refusing is not None and refusing is _app().extensions.get(EXTENSION):
        return str(code)
    state = request_state()
    if state is None:
        return "none"
    return "verified" if state.access_token else "anonymous"


def _current_token() -> AccessToken:
    state = request_state()
    if state is None:
        raise RuntimeError(
            "Nothing has verified an access token in this request. To solve this, put a guard such as @requires_auth "
            "below the view's route decorator, or use protect() on its blueprint. Where there may be no caller, as in "
            "hooks, log filters and error handlers, call get_current_token(): it returns None then."
        )
    return state.access_token


class _TokenProxy(LocalProxy[AccessToken]):
    """A proxy that says what is wrong in an unguarded view, also when it is only asked for its truth."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return bool(self._get_current_object())


#: The current request's `AccessToken`.
current_token: AccessToken = cast("AccessToken", _TokenProxy(_current_token))
