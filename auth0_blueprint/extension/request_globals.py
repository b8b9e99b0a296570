"""A class for Flask's ``g`` that answers flask-jwt-extended from the state of the request object.

flask-jwt-extended keeps its verified state in ``g``, which several requests can share where an app context is pushed
around them. Here nothing is stored in ``g``: the caller of one request is never seen by another.
"""

from __future__ import annotations

from typing import Any

from auth0_blueprint.guards.authentication import authenticate, request_state
from auth0_blueprint.verification.access_token import AccessToken

#: Present on every class that `globals_class` returns.
MARK = "_answers_for_auth0"

_CLAIMS, _HEADER = "_jwt_extended_jwt", "_jwt_extended_jwt_header"
_USER, _LOCATION = "_jwt_extended_jwt_user", "_jwt_extended_jwt_location"
_NAMES = frozenset({_CLAIMS, _HEADER, _USER, _LOCATION})


def claims_with_defaults(access_token: AccessToken) -> dict[str, Any]:
    """Return the claims, plus those that flask-jwt-extended expects in every token."""
    return {"type": "access", "fresh": False, "jti": None, **access_token.claims}


def globals_class(base: type[Any]) -> type[Any]:
    """Return a subclass of *base* for ``g``; *base* is the app's own ``app_ctx_globals_class``."""

    class Auth0AppCtxGlobals(base):  # type: ignore[misc]
        def get(self, name: str, default: Any = None) -> Any:
            if name not in _NAMES:
                return super().get(name, default)
            answer = _answer_from_request(name)
            return default if answer is None else answer

        def __setattr__(self, name: str, value: Any) -> None:
            if name not in _NAMES:
                super().__setattr__(name, value)
            elif name == _CLAIMS:
                # verify_jwt_in_request() is done. Its result must be that of our own guards.
                authenticate(optional=not value, ignore_other_schemes=True)

    setattr(Auth0AppCtxGlobals, MARK, True)
    return Auth0AppCtxGlobals


def _answer_from_request(name: str) -> Any:
    state = request_state()
    if state is None:
        return None
    token = state.access_token
    if name == _CLAIMS:
        return claims_with_defaults(token) if token else {}
    if name == _HEADER:
        return token.header
    if name == _LOCATION:
        return "headers" if token else None
    return state.user if token else {"loaded_user": None}
