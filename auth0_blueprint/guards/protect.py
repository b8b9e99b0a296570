"""One guard for every route of a blueprint or an app."""

from __future__ import annotations

from flask import Blueprint, Flask, current_app, request

from auth0_blueprint.guards.decorators import admit
from auth0_blueprint.guards.requirements import ANY_TOKEN, scope_requirement
from auth0_blueprint.guards.route_requirements import (
    REQUIREMENTS_ATTRIBUTE,
    has_automatic_options,
    is_public,
    is_static,
)


def protect(blueprint_or_app: Blueprint | Flask, *scopes: str) -> None:
    """Guard every route of *blueprint_or_app*: any valid token, or one whose ``scope`` holds every one of *scopes*.

    Let through are automatic answers to ``OPTIONS`` (CORS preflights), requests that match no route, static files from
    Flask's own view, and views marked `public`, among them this package's own open routes. A view that handles
    ``OPTIONS`` itself is guarded.

    Raises:
        RuntimeError: it is too late: the blueprint is registered already, or the app has handled a request.
    """
    if not isinstance(blueprint_or_app, (Blueprint, Flask)):
        raise TypeError("protect() takes a blueprint or an app, then scopes.")
    requirement = scope_requirement(scopes) if scopes else ANY_TOKEN

    def guard() -> None:
        if not _is_let_through():
            admit(requirement)

    setattr(guard, REQUIREMENTS_ATTRIBUTE, (requirement,))
    try:
        blueprint_or_app.before_request(guard)
    except AssertionError as exc:
        raise RuntimeError(
            f"protect() comes too late for {blueprint_or_app.name!r}. To solve this, call it before the blueprint is "
            "registered, or before the app handles its first request."
        ) from exc


def _is_let_through() -> bool:
    rule = request.url_rule
    if rule is None:
        return True  # no route: Flask answers 404 or 405
    if request.method == "OPTIONS" and has_automatic_options(rule):
        return True
    return is_static(current_app, rule) or is_public()
