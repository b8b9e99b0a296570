"""What guards a route, found without a request: what the app will do, as far as its functions tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from flask import Flask
from flask.views import MethodView
from werkzeug.routing import Rule

from auth0_blueprint.jwt_extended import jwt_requirements
from auth0_blueprint.protect import protect
from auth0_blueprint.route import DEMANDS_ATTRIBUTE, demands_of, functions_of, is_marked_public, is_static, marks_of
from auth0_blueprint.routes.access import settings_demands
from auth0_blueprint.settings import Settings

GUARDED, OPTIONAL, PUBLIC, STATIC, NONE = "guarded", "optional", "public", "static", "none"


class Protection(NamedTuple):
    """What a route asks of a request before its view answers.

    Attributes:
        guard: ``guarded``, ``optional``, ``public``, ``static`` or ``none``.
        demands: the labels of what is demanded; only where it is ``guarded``.
    """

    guard: str
    demands: tuple[str, ...] = ()


def protection_of(app: Flask, settings: Settings, rule: Rule, method: str) -> Protection | None:
    """Return what guards *rule* of *app* for *method*, or ``None`` if it is one of ours that only refuses."""
    view = app.view_functions.get(rule.endpoint)
    demands_of_ours = settings_demands(view, settings)
    if demands_of_ours is None:
        return None
    is_file, is_marked = is_static(app, rule), is_marked_public(view, method)
    labels: list[str] = []
    has_guard = False
    for function in (*_hooks(app, rule, is_let_through=is_file or is_marked), *_functions_that_answer(view, method)):
        requirements = jwt_requirements(function, method)
        has_guard = has_guard or bool(requirements) or DEMANDS_ATTRIBUTE in marks_of(function)
        labels += ["jwt_required"] * any(requirements) + [demand.label for demand in demands_of(function)]
    labels += [demand.label for demand in demands_of_ours]
    if labels:
        return Protection(GUARDED, tuple(dict.fromkeys(labels)))
    if has_guard:
        return Protection(OPTIONAL)
    if is_marked:
        return Protection(PUBLIC)
    return Protection(STATIC if is_file else NONE)


def _hooks(app: Flask, rule: Rule, *, is_let_through: bool) -> Iterator[Any]:
    """Yield what is asked before the view, but for what lets *rule* through; the app's first, then inwards."""
    names = rule.endpoint.split(".")[:-1]
    for depth in range(len(names) + 1):
        for hook in app.before_request_funcs.get(".".join(names[:depth]) or None, ()):
            # Any other guard on a hook lets nothing through.
            if not (is_let_through and getattr(hook, "__module__", None) == protect.__module__):
                yield hook


def _functions_that_answer(view: Any, method: str) -> Iterator[Any]:
    """Yield those that Flask goes through for *method*: *view*, and in its class what that calls."""
    yield view
    view_class = getattr(view, "view_class", None)
    if view_class is None:
        return
    yield getattr(view_class, "dispatch_request", None)
    if issubclass(view_class, MethodView):  # another one need not call its get() or post() at all
        yield from functions_of(view, method)[2:]
