"""Tokens for the calls that a view makes itself: on behalf of its caller, of a connection, or for the API."""

from __future__ import annotations

import re
from collections.abc import Iterable

from flask import request

from auth0_blueprint.errors import Auth0Error, ExpiredTokenError, UnavailableError
from auth0_blueprint.guards.authentication import RequestState, app_state, request_state
from auth0_blueprint.settings.fields import is_scope_token
from auth0_blueprint.token_requests.issued_token import IssuedToken
from auth0_blueprint.token_requests.token_request import Subject, of_client, of_connection, on_behalf_of
from auth0_blueprint.verification.credentials import scheme_and_token

_MAX_LENGTH = 2048
_UNSENDABLE = re.compile(r"[\ud800-\udfff]")  # surrogates have no UTF-8 form


def exchange_token(audience: str | None = None, scope: str | Iterable[str] | None = None) -> IssuedToken:
    """Exchange the request's access token for one of another API, on behalf of the caller (RFC 8693).

    Needs the settings of the API's own application: ``AUTH0_CLIENT_ID``, and ``AUTH0_CLIENT_SECRET`` or
    ``AUTH0_CLIENT_KEY``. The token is kept until shortly before it expires, for equal calls with this very access
    token.

    Args:
        audience: the identifier of the other API; without it, the endpoint decides.
        scope: what to ask for: a string, or several; without it, the endpoint decides.

    Raises:
        TokenExchangeError: there is no token (502, or 503 with ``Retry-After``).
        ConfigurationError: the settings of the API's own application are missing.
        InvalidTokenError: since the guard ran, the caller's token has expired or was revoked.
        RuntimeError: no guard has verified an access token in this request.
    """
    asked = _text(audience, "audience="), _scope(scope)
    return app_state().token_requests().get(on_behalf_of(_subject("exchange_token"), *asked))


def connection_token(connection: str, *, login_hint: str | None = None) -> IssuedToken:
    """Return the caller's access token at an external provider, from Auth0's Token Vault.

    Args:
        connection: the name of the connection in Auth0, such as ``google-oauth2``.
        login_hint: the user's id there, if the caller has connected several accounts.

    Raises:
        TokenExchangeError: there is no token, for example because the caller has connected no account.
        ConfigurationError: the settings of the API's own application are missing.
        InvalidTokenError: since the guard ran, the caller's token has expired or was revoked.
        RuntimeError: no guard has verified an access token in this request.
    """
    name = _text(connection, "connection=")
    if name is None:
        raise TypeError("connection= takes the name of a connection, such as 'google-oauth2'.")
    hint = _text(login_hint, "login_hint=")
    return app_state().token_requests().get(of_connection(_subject("connection_token"), name, hint))


def client_token(audience: str | None = None, scope: str | Iterable[str] | None = None) -> IssuedToken:
    """Return an access token of the API's own application (RFC 6749 §4.4). Needs an app context, and no request.

    Args:
        audience: the identifier of the other API; without it, the endpoint decides.
        scope: what to ask for: a string, or several; without it, the endpoint decides.

    Raises:
        TokenExchangeError: there is no token (502, or 503 with ``Retry-After``).
        ConfigurationError: the settings of the API's own application are missing.
    """
    return app_state().token_requests().get(of_client(_text(audience, "audience="), _scope(scope)))


def _subject(name: str) -> Subject:
    """Return the caller, with the text of the very token that was verified.

    Nothing keeps that text: it is read again from the request, and proven again, which is a look-up.
    """
    state = request_state()
    if state is None or not state.access_token:
        raise RuntimeError(
            f"{name}() acts on behalf of the caller, and nothing has verified an access token in this request. To "
            "solve this, put a guard such as @requires_auth below the view's route decorator. For a token of the API "
            "itself, call client_token()."
        )
    text = _text_of_request(state)
    if text is None:
        raise RuntimeError(
            f"{name}() does not find the access token that the guard has verified in the Authorization header. To "
            "solve this, do not change the header of a request."
        )
    return Subject(state.access_token, text)


def _text_of_request(state: RequestState) -> str | None:
    """Return the text of the token that was verified, unless it is no longer there: the caller is not to blame."""
    takes_dpop = state.app_state.binding.takes_dpop_scheme
    try:
        text = scheme_and_token(request.environ.get("HTTP_AUTHORIZATION"), takes_dpop=takes_dpop)[1]
        found = state.app_state.sequence.prove(text)
    except (ExpiredTokenError, UnavailableError):
        raise
    except Auth0Error:
        return None
    return text if found.__caching_id__() == state.access_token.__caching_id__() else None


def _text(value: str | None, name: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} takes one string, not {type(value).__name__}.")
    if value == "":
        raise ValueError(f"{name} must not be empty.")
    # What cannot be sent must not count as a failure of the endpoint, which all callers share.
    if value is not None and (len(value) > _MAX_LENGTH or _UNSENDABLE.search(value)):
        raise ValueError(f"{name} must be Unicode text of at most {_MAX_LENGTH:,} characters.")
    return value


def _scope(scope: str | Iterable[str] | None) -> str:
    """Return the value of the parameter ``scope`` (RFC 6749 §3.3): each value once, in order; empty for none."""
    values = () if scope is None else tuple(scope.split() if isinstance(scope, str) else scope)
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"scope= takes a string or several, not {type(value).__name__}.")
        if not is_scope_token(value):
            raise ValueError(f"{value!r} is not a valid scope.")
    return " ".join(sorted(set(values)))
