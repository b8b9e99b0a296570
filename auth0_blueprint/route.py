"""What the app knows about its routes: their views, the marks on them, and what the guards on them demand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Flask, current_app, request

from auth0_blueprint.demands import Demand

PUBLIC_ATTRIBUTE = "__auth0_public__"
DEMANDS_ATTRIBUTE = "__auth0_demands__"


def demands_of(function: Any) -> tuple[Demand, ...]:
    """Return what the guards on *function* demand, outermost first."""
    demands: tuple[Demand, ...] = getattr(function, DEMANDS_ATTRIBUTE, ())
    return demands


def demands_of_route() -> Iterator[Demand]:
    """Yield what the route of this request demands: its hooks first, then its view."""
    for scope_name in (None, *request.blueprints):
        for function in current_app.before_request_funcs.get(scope_name, ()):
            yield from demands_of(function)
    for function in _functions_of_route():
        yield from demands_of(function)


def scopes_of_app(app: Flask) -> list[str]:
    """Return the scopes that the guards on any route of *app* name, each once."""
    functions: list[Any] = [hook for hooks in app.before_request_funcs.values() for hook in hooks]
    for view in app.view_functions.values():
        functions += [view, *_functions_of_class(getattr(view, "view_class", None))]
    return sorted({scope for function in functions for demand in demands_of(function) for scope in demand.scopes})


def is_public() -> bool:
    """Tell whether the view of this request is marked as open on purpose."""
    # Not getattr: a view class does not inherit the mark of its base, whose methods are others.
    return any(getattr(function, "__dict__", {}).get(PUBLIC_ATTRIBUTE, False) for function in _functions_of_route())


def _functions_of_class(view_class: Any) -> list[Any]:
    """Return *view_class*, if there is one, and its methods that answer requests."""
    if view_class is None:
        return []
    return [view_class, *(getattr(view_class, method.lower(), None) for method in view_class.methods or ())]


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
