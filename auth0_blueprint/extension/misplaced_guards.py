"""Guards without effect, which would leave a route open: found in what the app calls, as opposed to what they wrap."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from flask import Flask
from flask.sansio.blueprints import Blueprint

from auth0_blueprint.extension.jwt_required import jwt_requirement, jwt_requirements
from auth0_blueprint.guards.decorators import admit, guarded_functions, layers_of
from auth0_blueprint.guards.route_requirements import (
    PUBLIC_ATTRIBUTE,
    REQUIREMENTS_ATTRIBUTE,
    functions_of,
    is_marked_public,
    marks_of,
    scopes_of,
)
from auth0_blueprint.guards.sockets import check_that_event_guards_have_effect

_Hooks = dict[str, Mapping[Any, list[Any]]]


def check_that_guards_have_effect(app: Flask) -> None:
    """Look for guards of *app* that nothing calls.

    Raises:
        RuntimeError: there is one; the message says where it should be.
    """
    further_inside = _further_inside(app)
    for endpoint, view in app.view_functions.items():
        if _is_called_unguarded(view, further_inside):
            raise RuntimeError(
                f"The guard of endpoint {endpoint!r} stands above its route decorator, so the route is open. To solve "
                "this, put @app.route (or @blueprint.get ...) on top and the guard below it. If the view is meant to "
                "be registered without its guard, mark it @public."
            )
    _check_hooks(app)
    if "socketio" in app.extensions:
        check_that_event_guards_have_effect(app.extensions["socketio"])
    _check_that_hooks_reach_their_routes(app)


def _is_guard(function: Any) -> bool:
    """Tell whether *function* is itself a guard, ours or ``@jwt_required()``: ``wraps`` copies marks, not code."""
    is_of_ours = getattr(function, "__globals__", None) is admit.__globals__
    return (is_of_ours and REQUIREMENTS_ATTRIBUTE in marks_of(function)) or jwt_requirement(function) is not None


def _further_inside(app: Flask) -> set[int]:
    """Return the ids of what guards in use have inside wrappers of others, and never directly below themselves.

    Two wrappers of one function are two views, as frameworks with classes make them, and only one may have a guard.
    """
    below: set[int] = set()
    inside: set[int] = set()
    for view in app.view_functions.values():
        is_behind_guard = False
        for outer, inner in itertools.pairwise(layers_of(view)):
            is_behind_guard = is_behind_guard or _is_guard(outer)
            if is_behind_guard:
                (below if _is_guard(outer) else inside).add(id(inner))
    return inside - below


def _is_called_unguarded(function: Any, further_inside: set[int]) -> bool:
    """Tell whether *function*, which the app calls, leads to something that a guard decorates, past that guard."""
    called = list(_up_to_guard(function))
    is_unguarded = function in guarded_functions or any(
        inner in guarded_functions and id(inner) not in further_inside and not _is_bare_by_name(inner)
        for inner in called[1:]
    )
    is_unguarded = is_unguarded or any(map(_is_guarded_by_name, called))
    return is_unguarded and not any(map(_is_marked_public, called))


def _up_to_guard(function: Any) -> Iterator[Any]:
    for inner in layers_of(function):
        yield inner
        if _is_guard(inner):
            return


def _is_bare_by_name(function: Any) -> bool:
    """Tell whether the name of *function* still leads to it past no guard: then it was decorated for use elsewhere.

    ``@requires_auth`` on top of a definition gives the name to the guard.
    """
    return any(inner is function for inner in _up_to_guard(_named_as(function)))


def _is_guarded_by_name(function: Any) -> bool:
    """Tell whether the name of *function* leads to it past a guard, also ``@jwt_required()``, which keeps no list."""
    layers = list(layers_of(_named_as(function)))
    until = next((index for index, inner in enumerate(layers) if inner is function), 0)
    return any(map(_is_guard, layers[:until]))


def _named_as(function: Any) -> Any:
    """Return what the name of *function* leads to in its module now."""
    with suppress(Exception):  # some objects have any attribute, of any kind, and some modules run code when asked
        found: Any = sys.modules.get(function.__module__)
        for part in function.__qualname__.split("."):
            found = getattr(found, part)
        return found
    return None


def _is_marked_public(function: Any) -> bool:
    view_class = getattr(function, "view_class", None)
    return any(marks_of(one).get(PUBLIC_ATTRIBUTE, False) for one in (function, view_class))


def _check_hooks(app: Flask) -> None:
    before: _Hooks = {"before_request": app.before_request_funcs, "url_value_preprocessor": app.url_value_preprocessors}
    after: _Hooks = {"after_request": app.after_request_funcs, "teardown_request": app.teardown_request_funcs}
    for kind, functions in {**before, **after}.items():
        for hook in [hook for hooks in functions.values() for hook in hooks]:
            if _is_called_unguarded(hook, set()):
                raise RuntimeError(
                    f"The guard of {_name(hook)} stands above @{kind}, so it has no effect. To solve this, put the "
                    "guard below @before_request, or call protect() on the blueprint or the app."
                )
            if kind in after and any(map(_is_guard, layers_of(hook))):
                raise RuntimeError(
                    f"The guard of {_name(hook)}, an @{kind} function, runs when the view has already answered. To "
                    "solve this, guard the view, or call protect() on the blueprint or the app."
                )


def _check_that_hooks_reach_their_routes(app: Flask) -> None:
    """Look for routes that a framework added under the original name of a blueprint that is nested or renamed.

    Flask finds the hooks of a request by the names in its endpoint, so those of that blueprint do not run for them.
    """
    for name, blueprint in app.blueprints.items():
        guarding = [scope for scope in scopes_of(name) if any(map(_guards, app.before_request_funcs.get(scope, ())))]
        for endpoint, view in app.view_functions.items() if guarding else ():
            if not _is_route_of(blueprint, endpoint, app):
                continue
            missing = set(guarding).difference(scopes_of(endpoint.rpartition(".")[0]))
            if missing and not _is_guarded_or_public(view):
                raise RuntimeError(
                    f"The guard of blueprint {min(missing)!r} does not run for endpoint {endpoint!r}, so the route is "
                    f"open: its framework registered it for a blueprint {blueprint.name!r}, and this one is {name!r}. "
                    "To solve this, register the blueprint on the app itself and without name=, or list a guard in "
                    "the decorators= of the Api."
                )


def _is_guarded_or_public(view: Any) -> bool:
    """Tell whether *view*, for each of its methods, says by itself who may pass."""
    methods = getattr(getattr(view, "view_class", None), "methods", None) or ("GET",)
    return all(any(map(_guards, functions_of(view, method))) or is_marked_public(view, method) for method in methods)


def _is_route_of(blueprint: Blueprint, endpoint: str, app: Flask) -> bool:
    """Tell whether *endpoint*, which begins with the original name of *blueprint*, is one of its routes."""
    if not endpoint.startswith(f"{blueprint.name}."):
        return False
    if blueprint.name not in app.blueprints:
        return True
    # Another blueprint has that name. Flask-RESTX and Flask-RESTful leave their Api, which knows its endpoints, here.
    apis = [getattr(function, "__self__", None) for function in blueprint.deferred_functions]
    return any(endpoint.removeprefix(f"{blueprint.name}.") in getattr(api, "endpoints", ()) for api in apis)


def _guards(hook: Any) -> bool:
    return REQUIREMENTS_ATTRIBUTE in marks_of(hook) or any(jwt_requirements(hook, "GET"))


def _name(hook: Any) -> str:
    return f"{getattr(hook, '__name__', hook)!r}"
