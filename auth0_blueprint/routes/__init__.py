"""The package's own routes. All answer JSON that is never stored, and read their credentials from the header only."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response

from auth0_blueprint.decorators import public
from auth0_blueprint.errors import MethodNotAllowedError
from auth0_blueprint.routes.health import health, live
from auth0_blueprint.routes.me import me

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def add_routes(blueprint: Blueprint) -> None:
    """Add every route to *blueprint*."""
    _add(blueprint, "/health", ("GET",), public(health))
    _add(blueprint, "/health/live", ("GET",), public(live))
    _add(blueprint, "/me", ("GET",), me)


def _add(blueprint: Blueprint, rule: str, methods: tuple[str, ...], view: Callable[[], Response]) -> None:
    blueprint.add_url_rule(rule, view.__name__, view, methods=methods)
    # A blueprint's handler is not asked when no route has the method, and the app's own is not ours to replace.
    refused = tuple(method for method in _METHODS if method not in methods)
    allowed = (*methods, "HEAD", "OPTIONS") if "GET" in methods else (*methods, "OPTIONS")

    @public
    def refuse_method() -> Response:
        raise MethodNotAllowedError(allowed)

    blueprint.add_url_rule(
        rule, f"{view.__name__}_other_methods", refuse_method, methods=refused, provide_automatic_options=False
    )
