"""Finds parameters that no part of a route fills: other packages pass the claims to the view, often as ``payload``.

The view fails at the first request with a good token, and not before. What may fill a parameter in a way that cannot be
seen from outside counts as filling it: a decorator of others, a URL preprocessor, a dispatcher of the app's own.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import FunctionType
from typing import Any, NamedTuple

from flask import Flask
from flask.views import MethodView, View
from werkzeug.routing import Rule

from auth0_blueprint.guards.decorators import layers_of
from auth0_blueprint.guards.guard import missing_parameters
from auth0_blueprint.guards.route_requirements import module_of_code, scopes_of

#: Decorators from there pass to the view what they are given.
_PASSING = frozenset(
    {"auth0_blueprint.guards.decorators", "flask_jwt_extended.view_decorators", "flask_cors.decorator", "flask_caching"}
)


class LeftoverParameter(NamedTuple):
    """A parameter without a value.

    Attributes:
        parameter: its name.
        function: the view, or the method of its class.
        endpoint: of the route.
        path: of the route.
    """

    parameter: str
    function: str
    endpoint: str
    path: str


def leftover_parameters_of(app: Flask) -> Iterator[LeftoverParameter]:
    """Yield the parameters of the views of *app* that their routes do not fill."""
    if type(app).dispatch_request is not Flask.dispatch_request:
        return
    for rule in app.url_map.iter_rules():
        view = app.view_functions.get(rule.endpoint)
        if view is None or rule.redirect_to is not None or rule.build_only or _may_be_filled(app, rule):
            continue
        for function, count in _called_with_arguments_of_route(view, rule):
            if "__signature__" in getattr(function, "__dict__", ()):
                continue  # says what a decorator pretends, not what it takes
            for name in missing_parameters(function, count, rule.arguments):
                name_of_function = getattr(function, "__qualname__", type(function).__name__)
                yield LeftoverParameter(name, name_of_function, rule.endpoint, rule.rule)


def _may_be_filled(app: Flask, rule: Rule) -> bool:
    """Tell whether something before the view of *rule* may add to the arguments of the route."""
    scopes = [None, *scopes_of(rule.endpoint.rpartition(".")[0])]
    hooks = [hook for scope in scopes for hook in app.before_request_funcs.get(scope, ())]
    return any(app.url_value_preprocessors.get(scope) for scope in scopes) or any(map(_reads_view_args, hooks))


def _reads_view_args(hook: Any) -> bool:
    return any(
        "view_args" in getattr(getattr(layer, "__code__", None), "co_names", ())
        for layer in layers_of(getattr(hook, "__func__", hook))
    )


def _called_with_arguments_of_route(view: Any, rule: Rule) -> Iterator[tuple[Any, int]]:
    """Yield what gets the arguments of *rule*, each with the number of those that it gets besides."""
    called, view_class = _behind_guards(view), getattr(view, "view_class", None)
    if view_class is None or module_of_code(called) != View.__module__:
        yield called, 0
        return
    names = ["dispatch_request"]
    if view_class.dispatch_request is MethodView.dispatch_request:
        names += sorted(method.lower() for method in rule.methods or ())
    for name in names:
        method = _behind_guards(inspect.getattr_static(view_class, name, None))
        if isinstance(method, FunctionType):
            yield method, 1  # itself


def _behind_guards(function: Any) -> Any:
    """Return the first of the layers of *function* that is not known to pass on all that it is given."""
    for layer in layers_of(function):
        if module_of_code(layer) not in _PASSING:
            return layer
    return function
