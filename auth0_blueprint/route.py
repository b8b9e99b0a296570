"""What the app knows about the route of the current request: its view, its marks, the scopes it needs."""

from __future__ import annotations

from typing import Any

from flask import current_app, request

PUBLIC_ATTRIBUTE = "__auth0_public__"
SCOPES_ATTRIBUTE = "__auth0_scopes__"


def scopes_of(function: Any) -> tuple[str, ...]:
    """Return the scopes that the guards on *function* name, outermost first."""
    scopes: tuple[str, ...] = getattr(function, SCOPES_ATTRIBUTE, ())
    return scopes


def scopes_of_route(own: tuple[str, ...]) -> tuple[str, ...]:
    """Return *own* and all other scopes that the route of this request needs (RFC 6750 §3: the ``scope`` attribute)."""
    found: list[str] = []
    for scope_name in (None, *request.blueprints):
        for function in current_app.before_request_funcs.get(scope_name, ()):
            found.extend(scopes_of(function))
    for function in _functions_of_route():
        found.extend(scopes_of(function))
    return tuple(dict.fromkeys((*found, *own)))


def is_public() -> bool:
    """Tell whether the view of this request is marked as open on purpose."""
    # Not getattr: a view class does not inherit the mark of its base, whose methods are others.
    return any(getattr(function, "__dict__", {}).get(PUBLIC_ATTRIBUTE, False) for function in _functions_of_route())


def _functions_of_route() -> list[Any]:
    """Return the view function, if there is a route; of a class-based view also the class and the method to answer."""
    view = current_app.view_functions.get(request.endpoint or "")
    view_class = getattr(view, "view_class", None)
    if view_class is None:
        return [view]
    method = request.method.lower()
    handler = getattr(view_class, method, None)
    if handler is None and method == "head":
        handler = getattr(view_class, "get", None)  # as MethodView does
    return [view, view_class] if handler is None else [view, view_class, handler]
