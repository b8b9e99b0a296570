"""What the app knows about its routes: their views, the marks on them, and what their guards require."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint, Flask, current_app, request
from werkzeug.routing import Rule

from auth0_blueprint.guards.requirements import Requirement

PUBLIC_ATTRIBUTE = "__auth0_public__"
REQUIREMENTS_ATTRIBUTE = "__auth0_requirements__"


def requirements_of(function: Any) -> tuple[Requirement, ...]:
    """Return what the guards on *function* require, outermost first."""
    requirements: tuple[Requirement, ...] = getattr(function, REQUIREMENTS_ATTRIBUTE, ())
    return requirements


def scopes_of(dotted: str) -> list[str]:
    """Return the names of the blueprints in *dotted*, outermost first: ``a`` and ``a.b`` for ``a.b``; none for ``""``.

    Flask finds the hooks of a request by these names, taken from its endpoint without the last part.
    """
    parts = dotted.split(".") if dotted else []
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def module_of_code(function: Any) -> str:
    """Return where the code of *function* is; its ``__module__`` may be that of what it wraps."""
    return str(getattr(function, "__globals__", {}).get("__name__", ""))


def requirements_of_route() -> Iterator[Requirement]:
    """Yield what the route of this request requires: its hooks first, then its view."""
    for scope_name in (None, *request.blueprints):
        for function in current_app.before_request_funcs.get(scope_name, ()):
            yield from requirements_of(function)
    for function in functions_of(_view_of_route(), request.method):
        yield from requirements_of(function)


def scopes_of_app(app: Flask) -> list[str]:
    """Return the scopes that the guards on any route of *app* name, each once."""
    return sorted({scope for requirement in requirements_of_app(app) for scope in requirement.scopes})


def detail_types_of_app(app: Flask) -> list[str]:
    """Return the types of authorization details that the guards on any route of *app* name, each once."""
    return sorted({name for requirement in requirements_of_app(app) for name in requirement.detail_types})


def requirements_of_app(app: Flask) -> Iterator[Requirement]:
    """Yield what the guards on the views and hooks of *app* require."""
    functions: list[Any] = [hook for hooks in app.before_request_funcs.values() for hook in hooks]
    for view in app.view_functions.values():
        functions += [view, *_functions_of_class(getattr(view, "view_class", None))]
    for function in functions:
        yield from requirements_of(function)


def is_public() -> bool:
    """Tell whether the view of this request is marked as open on purpose."""
    return is_marked_public(_view_of_route(), request.method)


def is_marked_public(view: Any, method: str) -> bool:
    """Tell whether *view*, or the method of it that answers *method*, is marked as open on purpose."""
    # Not getattr: a view class does not inherit the mark of its base class, which has other methods.
    return any(marks_of(function).get(PUBLIC_ATTRIBUTE, False) for function in functions_of(view, method))


def has_automatic_options(rule: Rule) -> bool:
    """Tell whether Flask answers ``OPTIONS`` for *rule* by itself."""
    return bool(getattr(rule, "provide_automatic_options", False))


def is_static(app: Flask, rule: Rule) -> bool:
    """Tell whether Flask's own view for static files answers *rule*, also inside wrappers of others.

    The endpoint's name alone says nothing: an app may have a view of its own there.
    """
    if rule.endpoint.rpartition(".")[2] != "static":
        return False
    view: Any = app.view_functions.get(rule.endpoint)
    while view is not None:
        if _sends_static_files(view):
            return True
        view = getattr(view, "__wrapped__", None)
    return False


def _sends_static_files(view: Any) -> bool:
    owner = getattr(view, "__self__", None)
    if isinstance(owner, (Flask, Blueprint)):
        return bool(view == owner.send_static_file)
    return getattr(view, "__code__", None) is _code_of_static_view()


@functools.cache
def _code_of_static_view() -> object:
    """Return the code of the view that Flask makes for each app with a static folder: it has no name of its own."""
    return getattr(Flask(__name__, static_folder="static").view_functions["static"], "__code__", None)


def marks_of(function: Any) -> Mapping[str, Any]:
    """Return the attributes of *function* itself."""
    marks: Mapping[str, Any] = getattr(function, "__dict__", {})
    return marks


def functions_of(view: Any, method: str) -> list[Any]:
    """Return *view*; of a class-based one also the class and its method that answers *method*, if there is one."""
    view_class = getattr(view, "view_class", None)
    if view_class is None:
        return [view]
    handler = getattr(view_class, method.lower(), None)
    if handler is None and method == "HEAD":
        handler = getattr(view_class, "get", None)  # as MethodView does
    return [view, view_class] if handler is None else [view, view_class, handler]


def _view_of_route() -> Any:
    return current_app.view_functions.get(request.endpoint or "")


def _functions_of_class(view_class: Any) -> list[Any]:
    """Return *view_class*, if there is one, and its methods that answer requests."""
    if view_class is None:
        return []
    return [view_class, *(getattr(view_class, method.lower(), None) for method in view_class.methods or ())]
