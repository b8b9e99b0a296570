"""What guards a route, found without a request, as far as the app's functions show it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from flask import Flask
from flask.views import MethodView
from werkzeug.routing import Rule

from auth0_blueprint.extension.error_routers import FRAMEWORKS
from auth0_blueprint.extension.jwt_required import jwt_requirement, jwt_requirements
from auth0_blueprint.guards.decorators import admit
from auth0_blueprint.guards.protect import protect
from auth0_blueprint.guards.requirements import JWT_REQUIRED, Requirement
from auth0_blueprint.guards.route_requirements import (
    REQUIREMENTS_ATTRIBUTE,
    functions_of,
    has_automatic_options,
    is_marked_public,
    is_static,
    marks_of,
    requirements_of,
    scopes_of,
)
from auth0_blueprint.routes.access import route_of, settings_requirements
from auth0_blueprint.settings import Settings

T = TypeVar("T")

GUARDED, OPTIONAL, PUBLIC, STATIC, NONE = "guarded", "optional", "public", "static", "none"
#: A route of ours for those who send events, and prove it by what they send.
SENDER = "sender"
#: An ``OPTIONS`` that Flask answers by itself; `routes` leaves it out.
AUTOMATIC = "automatic"

#: Where guards come from: those of this package, and `jwt_required()`.
_GUARDS = ("auth0_blueprint.guards.", "flask_jwt_extended.view_decorators")


class Protection(NamedTuple):
    """What a route requires of a request before its view answers.

    Attributes:
        guard: ``guarded``, ``optional``, ``public``, ``sender``, ``static``, ``automatic`` or ``none``.
        requirements: what is required, in the order of the checks; only where it is ``guarded``.
    """

    guard: str
    requirements: tuple[Requirement, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """What is required, for people, each once."""
        return tuple(dict.fromkeys(requirement.label for requirement in self.requirements))


def protection_of(app: Flask, settings: Settings, rule: Rule, method: str) -> Protection | None:
    """Return what guards *rule* of *app* for *method*, or ``None`` for one of our own that only refuses."""
    view = app.view_functions.get(rule.endpoint)
    requirements_of_ours = settings_requirements(view, settings)
    if requirements_of_ours is None:
        return None
    open_as = _open_as(app, rule, view, method)
    asked = [_asked_by_hook(hook, method) for hook in _hooks(app, rule, is_let_through=open_as != NONE)]
    if open_as != AUTOMATIC:
        asked += [_asked_by(function, method) for function in _functions_that_answer(view, method)]
        asked.append(requirements_of_ours or None)
    requirements = tuple(requirement for of_one in asked for requirement in of_one or ())
    if requirements:
        return Protection(GUARDED, requirements)
    return Protection(OPTIONAL if any(of_one is not None for of_one in asked) else open_as)


def _open_as(app: Flask, rule: Rule, view: Any, method: str) -> str:
    """Return as what `protect` lets *rule* through, or ``none`` if it does not."""
    if method == "OPTIONS" and has_automatic_options(rule):
        return AUTOMATIC
    if is_marked_public(view, method):
        route = route_of(view)
        return SENDER if route is not None and route.guard == "sender" else PUBLIC
    return STATIC if is_static(app, rule) else NONE


def _hooks(app: Flask, rule: Rule, *, is_let_through: bool) -> Iterator[Any]:
    """Yield the hooks before the view, except those that let *rule* through: the app's first, then inwards."""
    for scope in (None, *scopes_of(rule.endpoint.rpartition(".")[0])):
        for hook in app.before_request_funcs.get(scope, ()):
            # Guards other than protect() let nothing through.
            if not (is_let_through and _is_written_beside(hook, protect)):
                yield hook


def _asked_by(function: Any, method: str) -> tuple[Requirement, ...] | None:
    """Return what the guards on *function* require, or ``None`` if there are none."""
    requirements = jwt_requirements(function, method)
    if not requirements and REQUIREMENTS_ATTRIBUTE not in marks_of(function):
        return None
    return (JWT_REQUIRED,) * any(requirements) + requirements_of(function)


def _asked_by_hook(hook: Any, method: str) -> tuple[Requirement, ...] | None:
    """Return what the outermost guards on *hook* require, or ``None`` if there are none.

    A hook runs for every route, but a wrapper around a guard may well call it for some routes only.
    """
    guards, inside = _taken_apart(hook)
    requirements = _beyond(jwt_requirements(hook, method), jwt_requirements(inside, method))
    if not requirements and not any(map(_is_ours, guards)):
        return None
    return (JWT_REQUIRED,) * any(requirements) + tuple(_beyond(requirements_of(hook), requirements_of(inside)))


def _taken_apart(function: Any) -> tuple[list[Any], Any]:
    """Return the guards that are outermost on *function*, and what they stand around."""
    guards = []
    while _is_ours(function) or jwt_requirement(function) is not None:
        guards.append(function)
        function = getattr(function, "__wrapped__", None)
    return guards, function


def _is_ours(function: Any) -> bool:
    """Tell whether *function* is itself a guard of ours: ``functools.wraps`` copies marks, not code."""
    is_of_ours = _is_written_beside(function, admit) or _is_written_beside(function, protect)
    return is_of_ours and REQUIREMENTS_ATTRIBUTE in marks_of(function)


def _is_written_beside(function: Any, other: Callable[..., Any]) -> bool:
    return getattr(function, "__globals__", None) is getattr(other, "__globals__", ())


def _beyond(outer: Sequence[T], inner: Sequence[T]) -> Sequence[T]:
    """Return what *outer*, which ends with *inner*, has before that."""
    return outer[: len(outer) - len(inner)]


def _functions_that_answer(view: Any, method: str) -> Iterator[Any]:
    """Yield those that Flask goes through for *method*: *view*, and in its class what that calls."""
    yield view
    view_class = getattr(view, "view_class", None)
    if view_class is None:
        return
    yield getattr(view_class, "dispatch_request", None)
    _, dispatch = _taken_apart(getattr(view_class, "dispatch_request", None))
    of_resources = _dispatchers_of_resources()
    # A view class need not call its ``get()`` for ``GET``, and so on. These do.
    if dispatch in (MethodView.dispatch_request, *of_resources):
        guards = _guards_of_methods(view_class, method) if dispatch in of_resources else []
        for function in functions_of(view, method)[2:]:
            yield functools.reduce(lambda inner, guard: guard(inner), guards, function)


def _dispatchers_of_resources() -> list[Any]:
    """Return what calls the methods of a ``Resource``. Where nobody has imported a framework, no view is of it."""
    modules = [sys.modules[name] for name in FRAMEWORKS if name in sys.modules]
    return [module.Resource.dispatch_request for module in modules]


def _guards_of_methods(view_class: Any, method: str) -> list[Any]:
    """Return the guards in ``method_decorators``, innermost first: a ``Resource`` applies them at each request."""
    decorators = view_class.method_decorators
    if isinstance(decorators, Mapping):
        decorators = decorators.get(method.lower(), ())
    # Not those of others: what they do when they are applied is unknown.
    return [one for one in decorators if str(getattr(one, "__module__", "")).startswith(_GUARDS)]
