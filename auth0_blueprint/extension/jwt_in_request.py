"""flask-jwt-extended's way from a request to a verified token, led through our manager on the apps that have it.

``jwt_required`` and ``verify_jwt_in_request`` find and decode the token in one function of their module. For a missing
token it raises an exception of flask-jwt-extended, which Flask-RESTX, and a blueprint with a handler for every
exception, answer with 500. No setting, loader or method of the manager reaches that place, so the function is replaced.
Apps of the same process that have a manager of flask-jwt-extended's own get what they had.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from flask import current_app
from flask_jwt_extended import view_decorators

from auth0_blueprint.verification.credentials import BEARER

EXTENSION = "flask-jwt-extended"

_FUNCTION = "_decode_jwt_from_request"
_CALLER = "verify_jwt_in_request"

#: What the function returns: claims, JOSE header, location.
Decoded = tuple[dict[str, Any], dict[str, Any], str]


def ask_manager() -> None:
    """Let a manager that has a method ``_decode_jwt_from_request`` decode the tokens of its apps' requests."""
    stock: Callable[..., Decoded] = getattr(view_decorators, _FUNCTION)
    if getattr(stock, "asks_manager", False):
        return

    @functools.wraps(stock)
    def decode(*args: Any, **kwargs: Any) -> Decoded:
        decoded: Decoded = getattr(current_app.extensions.get(EXTENSION), _FUNCTION, stock)(*args, **kwargs)
        return decoded

    decode.asks_manager = True  # type: ignore[attr-defined]
    setattr(view_decorators, _FUNCTION, decode)


def is_token_optional() -> bool:
    """Return whether the ``verify_jwt_in_request()`` that is running was called with ``optional=True``.

    The function that decodes is not told, but whether a missing token is a refusal, to be counted and logged, is
    decided there. Where it cannot be read, a token is required.
    """
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_name != _CALLER:
        frame = frame.f_back
    return frame is not None and bool(frame.f_locals.get("optional"))


def has_bearer_after_another(authorization: str | None) -> bool:
    """Return whether the header lists Bearer credentials behind those of another scheme, as in ``Basic x, Bearer y``.

    Stock flask-jwt-extended reads them. This package does not, and must not take their sender for anonymous either.
    """
    _, _, others = (authorization or "").partition(",")
    return any(credentials.split()[:1] == [BEARER] for credentials in others.lower().split(","))


def refuse_other_locations(locations: object, where: str = "") -> None:
    """Raise if the *locations* of a ``jwt_required()`` name anything but the header.

    Raises:
        RuntimeError: names the argument, *where* it stands, and the remedy.
    """
    if not are_headers_only(locations):
        raise RuntimeError(
            f"jwt_required(locations={locations!r}){where} looks for tokens where this app accepts none. To solve "
            "this, remove locations=: Auth0's access tokens are read only from the Authorization header."
        )


def admits_nobody(*, fresh: object, refresh: object, where: str = "") -> str | None:
    """Return why a ``jwt_required()`` with these arguments admits nobody, and the remedy; ``None`` if it does."""
    if not fresh and not refresh:
        return None
    return (
        f"jwt_required({'fresh' if fresh else 'refresh'}=True){where} admits nobody. To solve this, remove the "
        "argument, or the route: Auth0's access tokens, read from the Authorization header, are neither fresh nor "
        "refresh tokens."
    )


def are_headers_only(locations: object) -> bool:
    """Return whether *locations* names the header, or nothing, and then the default: the header."""
    if not locations or locations == "headers":
        return True
    if isinstance(locations, str):
        return False
    return isinstance(locations, Iterable) and all(location == "headers" for location in locations)
